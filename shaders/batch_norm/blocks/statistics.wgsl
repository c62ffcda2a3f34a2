// Batch norm, statistics of one row: partial[n,c] = (sum of x[n,c,:], sum of squared distances from its average); 0 in padding rows.
// x: [N,C,S] viewed as vec4s, S = H*W; partial: [N,C,2,2], each sum compensated (high, low). statistics_combine joins the rows of a channel.
// One invocation: blocks of 8 vec4s that stay in registers for both passes, joined by Chan's formula. One workgroup: 8 of them, one row (n,c).
// Traffic: reads x once, 4 operations per 4 bytes; loads in flight eight at a time. One barrier per row instead of fourteen.
// Next rung: none; on a GPU wide keeps more memory requests in flight (64 to 256 invocations a row), here the loads are what counts.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> lanes: array<Moments, 8>;

// a with those components of v that lie in the row.
fn some(a: Moments, v: vec4<f32>, inside: vec4<bool>) -> Moments {
    let one = select(vec4<f32>(0.0), vec4<f32>(1.0), inside);
    let count = dot(one, vec4<f32>(1.0));
    let sum = dot(select(vec4<f32>(0.0), v, inside), one);
    let d = select(vec4<f32>(0.0), v - sum / max(count, 1.0), inside);
    return add_block(a, count, sum, dot(d, d));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = step.reserved[0];
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let first = (start + 3u) / 4u; // the first vec4 that lies in the row as a whole
    let last = end / 4u; // and the one after the last
    var all = Moments(0.0, Sum(0.0, 0.0), Sum(0.0, 0.0));
    if group.y < step.valid {
        var q = first + lane;
        for (; q + 56u < last; q += 64u) {
            let v0 = x[q];
            let v1 = x[q + 8u];
            let v2 = x[q + 16u];
            let v3 = x[q + 24u];
            let v4 = x[q + 32u];
            let v5 = x[q + 40u];
            let v6 = x[q + 48u];
            let v7 = x[q + 56u];
            let sum4 = ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7));
            let sum = dot(sum4, vec4<f32>(1.0));
            let mean = sum / 32.0;
            let d0 = v0 - mean;
            let d1 = v1 - mean;
            let d2 = v2 - mean;
            let d3 = v3 - mean;
            let d4 = v4 - mean;
            let d5 = v5 - mean;
            let d6 = v6 - mean;
            let d7 = v7 - mean;
            let squares = ((d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)) + ((d4 * d4 + d5 * d5) + (d6 * d6 + d7 * d7));
            all = add_block(all, 32.0, sum, dot(squares, vec4<f32>(1.0)));
        }
        for (; q < last; q += 8u) {
            all = some(all, x[q], vec4<bool>(true));
        }
        // Up to three elements before the first whole vec4 and after the last, in vec4s shared with the rows beside.
        let corners = vec4<u32>(0u, 1u, 2u, 3u);
        if lane == 0u && start < 4u * first {
            all = some(all, x[first - 1u], 4u * (first - 1u) + corners >= vec4<u32>(start));
        }
        if lane == 1u && 4u * last < end {
            all = some(all, x[last], 4u * last + corners < vec4<u32>(end));
        }
    }
    lanes[lane] = all;
    workgroupBarrier();
    if lane == 0u {
        for (var i = 1u; i < 8u; i++) {
            all = unite(all, lanes[i]);
        }
        partial[row] = vec4<f32>(all.sum.high, all.sum.low, all.squares.high, all.squares.low);
    }
}
