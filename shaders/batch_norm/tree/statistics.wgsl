// Batch norm, statistics of one row: partial[n,c] = (sum of x[n,c,:], sum of squared distances from its average); 0 in padding rows.
// x: [N,C,S] viewed as vec4s, S = H*W; partial: [N,C,2,2], each sum compensated (high, low). statistics_combine joins the rows of a channel.
// One invocation: every 64th vec4 of a row. One workgroup: one row (n,c); a tree in workgroup memory adds up its 64 sums, twice.
// Traffic: reads x twice, the second time from cache; coalesced, so the memory's full rate on a GPU. A row need not start on a vec4.
// Next rung: wide keeps the values in registers between the two passes, with all loads of a block in flight, and joins both sums in one tree.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> sums: array<Sum, 64>;

// The sum of v over the workgroup, in an order that never changes.
fn tree(v: Sum, lane: u32) -> Sum {
    sums[lane] = v;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] = join(sums[lane], sums[lane + half]);
        }
        workgroupBarrier();
    }
    let total = sums[0];
    workgroupBarrier(); // everybody has read it before the next call overwrites it
    return total;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = step.reserved[0];
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let real = group.y < step.valid;
    let last = select(start / 4u, (end + 3u) / 4u, real); // no vec4 at all in a padding row
    let corners = vec4<u32>(0u, 1u, 2u, 3u);

    var sum = Sum(0.0, 0.0);
    for (var q = start / 4u + lane; q < last; q += 64u) {
        let i = 4u * q + corners;
        let inside = (i >= vec4<u32>(start)) & (i < vec4<u32>(end)); // the first and last vec4 belong to two rows
        // Four values are summed as they are, which costs little accuracy; fours are joined with compensation.
        sum = add(sum, dot(select(vec4<f32>(0.0), x[q], inside), vec4<f32>(1.0)));
    }
    let total = tree(sum, lane);
    let average = (total.high + total.low) / f32(params.spatial);

    sum = Sum(0.0, 0.0);
    for (var q = start / 4u + lane; q < last; q += 64u) {
        let i = 4u * q + corners;
        let inside = (i >= vec4<u32>(start)) & (i < vec4<u32>(end));
        let d = select(vec4<f32>(0.0), x[q] - average, inside);
        sum = add(sum, dot(d, d));
    }
    let squares = tree(sum, lane);
    if lane == 0u {
        partial[row] = vec4<f32>(total.high, total.low, squares.high, squares.low);
    }
}
