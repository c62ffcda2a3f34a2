// Batch norm, backward, one row: partial[n,c] = (sum of g, sum of g * (x - mean[c])) over row (n,c); 0 in padding rows.
// dy, x: [N,C,S] viewed as vec4s, S = H*W; mean: [C]; g = dy through the dropout mask; partial: [N,C,2,2], sums as (high, low), which backward_combine joins.
// One invocation: blocks of QUADS vec4s, WORKGROUP apart. One workgroup: one row (n,c); a tree in workgroup memory joins its pairs of sums.
// Traffic: reads dy and x once, 4 operations per 8 bytes, coalesced, all loads of a block in flight at once: memory-bound, unless dropout's 25
// integer operations per element weigh in.
// Next rung: the same for drivers where barriers are dear and lanes few: a workgroup of 8, which joins its lanes after one barrier.

override WORKGROUP: u32 = 256u; // a power of two
override QUADS: u32 = 4u; // 1, 2 or 4

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> step: Step;
@group(0) @binding(5) var<uniform> params: Params;

// Both sums, (sum of g, sum of g * (x - mean)).
struct Sums { g: Sum, product: Sum }

var<workgroup> lanes: array<Sums, WORKGROUP>;

// dy through the mask, x - mean: 0 outside of the row.
struct Pair { g: vec4<f32>, distance: vec4<f32> }

// Vec4 q of the row from start to end, whose vec4s end before last. Behind it, the last one is loaded again, from the cache, and left out.
fn pair(q: u32, start: u32, end: u32, last: u32, average: f32) -> Pair {
    let i = 4u * q + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = (i >= vec4<u32>(start)) & (i < vec4<u32>(end)); // the first and last vec4 belong to two rows
    let at = min(q, last - 1u);
    let g = dy[at] * dropout_quad(batch_start() + 4u * at);
    return Pair(select(vec4<f32>(0.0), g, inside), select(vec4<f32>(0.0), x[at] - average, inside));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = step.reserved[0];
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let last = (end + 3u) / 4u;
    let average = mean[group.x];
    var all = Sums(Sum(0.0, 0.0), Sum(0.0, 0.0));
    if group.y < step.valid {
        for (var q = start / 4u + lane; q < last; q += QUADS * WORKGROUP) {
            // Within a block values are summed as they are, which costs little accuracy; blocks with compensation.
            let first = pair(q, start, end, last, average);
            var sum = first.g;
            var product = first.g * first.distance;
            if QUADS > 1u {
                let next = pair(q + WORKGROUP, start, end, last, average);
                sum += next.g;
                product += next.g * next.distance;
            }
            if QUADS > 2u {
                let third = pair(q + 2u * WORKGROUP, start, end, last, average);
                let fourth = pair(q + 3u * WORKGROUP, start, end, last, average);
                sum += third.g + fourth.g;
                product += third.g * third.distance + fourth.g * fourth.distance;
            }
            all.g = add(all.g, dot(sum, vec4<f32>(1.0)));
            all.product = add(all.product, dot(product, vec4<f32>(1.0)));
        }
    }
    lanes[lane] = all;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half {
            let other = lanes[lane + half];
            all = Sums(join(all.g, other.g), join(all.product, other.product));
            lanes[lane] = all;
        }
        workgroupBarrier();
    }
    if lane == 0u {
        partial[row] = vec4<f32>(all.g.high, all.g.low, all.product.high, all.product.low);
    }
}
