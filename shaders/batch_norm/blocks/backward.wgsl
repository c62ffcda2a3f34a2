// Batch norm, backward, one row: partial[n,c] = (sum of g, sum of g * (x - mean[c])) over row (n,c); 0 in padding rows.
// dy, x: [N,C,S] viewed as vec4s, S = H*W; mean: [C]; g = dy through the dropout mask; partial: [N,C,2,2], sums as (high, low), which backward_combine joins.
// One invocation: blocks of 4 vec4s of dy and x. One workgroup: 8 of them, one row (n,c), joined after one barrier.
// Traffic: reads dy and x once, 4 operations per 8 bytes; eight loads in flight. One barrier per row instead of seven.
// Next rung: none; on a GPU wide keeps more memory requests in flight (64 to 256 invocations a row), here the loads are what counts.

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> step: Step;
@group(0) @binding(5) var<uniform> params: Params;

// Both sums, (sum of g, sum of g * (x - mean)).
struct Sums { g: Sum, product: Sum }

var<workgroup> lanes: array<Sums, 8>;

// all with one block more: within a block values are summed as they are, which costs little accuracy; blocks with compensation.
fn add_block(all: Sums, block: vec2<f32>) -> Sums {
    return Sums(add(all.g, block.x), add(all.product, block.y));
}

// (sum of g, sum of g * (x - mean)) over those components of vec4 q that lie in the row.
fn some(q: u32, average: f32, inside: vec4<bool>) -> vec2<f32> {
    let g = select(vec4<f32>(0.0), dy[q] * dropout_quad(batch_start() + 4u * q), inside);
    let d = select(vec4<f32>(0.0), x[q] - average, inside);
    return vec2<f32>(dot(g, vec4<f32>(1.0)), dot(g, d));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = step.reserved[0];
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let first = (start + 3u) / 4u; // the first vec4 that lies in the row as a whole
    let last = end / 4u; // and the one after the last
    let average = mean[group.x];
    var all = Sums(Sum(0.0, 0.0), Sum(0.0, 0.0));
    if group.y < step.valid {
        var q = first + lane;
        for (; q + 24u < last; q += 32u) {
            let x0 = x[q] - average;
            let x1 = x[q + 8u] - average;
            let x2 = x[q + 16u] - average;
            let x3 = x[q + 24u] - average;
            let g0 = dy[q] * dropout_quad(batch_start() + 4u * q);
            let g1 = dy[q + 8u] * dropout_quad(batch_start() + 4u * (q + 8u));
            let g2 = dy[q + 16u] * dropout_quad(batch_start() + 4u * (q + 16u));
            let g3 = dy[q + 24u] * dropout_quad(batch_start() + 4u * (q + 24u));
            let sum = (g0 + g1) + (g2 + g3);
            let product = (g0 * x0 + g1 * x1) + (g2 * x2 + g3 * x3);
            all = add_block(all, vec2<f32>(dot(sum, vec4<f32>(1.0)), dot(product, vec4<f32>(1.0))));
        }
        for (; q < last; q += 8u) {
            all = add_block(all, some(q, average, vec4<bool>(true)));
        }
        // Up to three elements before the first whole vec4 and after the last, in vec4s shared with the rows beside.
        let corners = vec4<u32>(0u, 1u, 2u, 3u);
        if lane == 0u && start < 4u * first {
            all = add_block(all, some(first - 1u, average, 4u * (first - 1u) + corners >= vec4<u32>(start)));
        }
        if lane == 1u && 4u * last < end {
            all = add_block(all, some(last, average, 4u * last + corners < vec4<u32>(end)));
        }
    }
    lanes[lane] = all;
    workgroupBarrier();
    if lane == 0u {
        for (var i = 1u; i < 8u; i++) {
            all = Sums(join(all.g, lanes[i].g), join(all.product, lanes[i].product));
        }
        partial[row] = vec4<f32>(all.g.high, all.g.low, all.product.high, all.product.low);
    }
}
