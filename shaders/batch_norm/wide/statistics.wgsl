// Batch norm, statistics of one row: partial[n,c] = (sum of x[n,c,:], sum of squared distances from its average); 0 in padding rows.
// x: [N,C,S] viewed as vec4s, S = H*W; partial: [N,C,2,2], each sum compensated (high, low). statistics_combine joins the rows of a channel.
// One invocation: blocks of QUADS vec4s, WORKGROUP apart, that stay in registers for both passes. One workgroup: one row (n,c), joined by a tree.
// Traffic: reads x once, coalesced, all loads of a block in flight at once; 4 operations per 4 bytes: memory-bound. One tree, not two.
// Next rung: the same for drivers where barriers are dear and lanes few: a workgroup of 8, which joins its lanes after one barrier.

override WORKGROUP: u32 = 256u; // a power of two
override QUADS: u32 = 4u; // 1, 2 or 4

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> lanes: array<Moments, WORKGROUP>;

// Which components of vec4 q lie in the row from start to end, as ones: the first and the last vec4 belong to two rows.
fn ones(q: u32, start: u32, end: u32) -> vec4<f32> {
    let i = 4u * q + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), vec4<f32>(1.0), (i >= vec4<u32>(start)) & (i < vec4<u32>(end)));
}

// v where one is 1, else 0, also where v is no number.
fn part(v: vec4<f32>, one: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), v, one > vec4<f32>(0.0));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = step.reserved[0];
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let last = (end + 3u) / 4u;
    var all = Moments(0.0, Sum(0.0, 0.0), Sum(0.0, 0.0));
    if group.y < step.valid {
        for (var q = start / 4u + lane; q < last; q += QUADS * WORKGROUP) {
            // Behind the row the last vec4 is loaded again, from the cache, and left out.
            let one0 = ones(q, start, end);
            let v0 = part(x[q], one0);
            var one1 = vec4<f32>(0.0);
            var one2 = one1;
            var one3 = one1;
            var v1 = one1;
            var v2 = one1;
            var v3 = one1;
            if QUADS > 1u {
                one1 = ones(q + WORKGROUP, start, end);
                v1 = part(x[min(q + WORKGROUP, last - 1u)], one1);
            }
            if QUADS > 2u {
                one2 = ones(q + 2u * WORKGROUP, start, end);
                v2 = part(x[min(q + 2u * WORKGROUP, last - 1u)], one2);
                one3 = ones(q + 3u * WORKGROUP, start, end);
                v3 = part(x[min(q + 3u * WORKGROUP, last - 1u)], one3);
            }
            let count = dot((one0 + one1) + (one2 + one3), vec4<f32>(1.0));
            let sum = dot((v0 + v1) + (v2 + v3), vec4<f32>(1.0));
            let mean = sum / max(count, 1.0);
            let d0 = (v0 - mean) * one0;
            let d1 = (v1 - mean) * one1;
            let d2 = (v2 - mean) * one2;
            let d3 = (v3 - mean) * one3;
            let squares = (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
            all = add_block(all, count, sum, dot(squares, vec4<f32>(1.0)));
        }
    }
    lanes[lane] = all;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half {
            all = unite(all, lanes[lane + half]);
            lanes[lane] = all;
        }
        workgroupBarrier();
    }
    if lane == 0u {
        partial[row] = vec4<f32>(all.sum.high, all.sum.low, all.squares.high, all.squares.low);
    }
}
