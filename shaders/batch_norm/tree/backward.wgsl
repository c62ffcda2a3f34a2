// Batch norm, backward, one row: partial[n,c] = (sum of g, sum of g * (x - mean[c])) over row (n,c); 0 in padding rows.
// dy, x: [N,C,S] viewed as vec4s, S = H*W; mean: [C]; g = dy through the dropout mask; partial: [N,C,2,2], sums as (high, low), which backward_combine joins.
// One invocation: every 64th vec4 of a row. One workgroup: one row (n,c); a tree in workgroup memory adds up its 64 pairs of sums.
// Traffic: reads dy and x once, 8 operations per 8 bytes, coalesced: memory-bound, unless dropout's 25 integer operations per element weigh in.
// Next rung: wide has all loads of a block in flight at once.

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> step: Step;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> sums: array<Sum, 64>;
var<workgroup> products: array<Sum, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = step.reserved[0];
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let real = group.y < step.valid;
    let last = select(start / 4u, (end + 3u) / 4u, real); // no vec4 at all in a padding row
    let average = mean[group.x];
    var sum = Sum(0.0, 0.0);
    var product = Sum(0.0, 0.0);
    for (var q = start / 4u + lane; q < last; q += 64u) {
        let i = 4u * q + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = (i >= vec4<u32>(start)) & (i < vec4<u32>(end)); // the first and last vec4 belong to two rows
        let g = select(vec4<f32>(0.0), dy[q] * dropout_quad(batch_start() + 4u * q), inside);
        // Four values are summed as they are, which costs little accuracy; fours are joined with compensation.
        sum = add(sum, dot(g, vec4<f32>(1.0)));
        product = add(product, dot(g, select(vec4<f32>(0.0), x[q] - average, inside)));
    }
    sums[lane] = sum;
    products[lane] = product;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] = join(sums[lane], sums[lane + half]);
            products[lane] = join(products[lane], products[lane + half]);
        }
        workgroupBarrier();
    }
    if lane == 0u {
        partial[row] = vec4<f32>(sums[0].high, sums[0].low, products[0].high, products[0].low);
    }
}
