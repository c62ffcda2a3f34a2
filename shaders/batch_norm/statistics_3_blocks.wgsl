// Batch norm, statistics of one row: partial[n,c] = (average of x[n,c,:], sum of squared distances from it); 0 in padding rows.
// x: [N,C,S] viewed as vec4s, S = H*W; partial: [N,C,2]. statistics_combine joins the rows of a channel.
// One invocation: blocks of 8 vec4s that stay in registers for both passes, joined by Chan's formula. One workgroup: 8 of them, one row (n,c).
// Traffic: reads x once, 4 operations per 4 bytes; loads in flight eight at a time. One barrier per row instead of fourteen.
// Next rung: none; on a GPU rung 2 keeps more memory requests in flight (64 invocations a row), here the loads are what counts.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, channels: u32, spatial: u32, training: u32, epsilon: f32, layer: u32, threshold: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<uniform> params: Params;

// What is known of some values: how many, their average, the sum of squared distances from it.
struct Moments { count: f32, mean: f32, squares: f32 }

var<workgroup> lanes: array<Moments, 8>;

// Moments of two sets together (Chan, Golub & LeVeque 1979): nothing large is subtracted from something large.
fn join(a: Moments, b: Moments) -> Moments {
    let count = a.count + b.count;
    let share = b.count / max(count, 1.0);
    let d = b.mean - a.mean;
    return Moments(count, a.mean + d * share, a.squares + b.squares + d * d * a.count * share);
}

// Moments of those components of v that lie in the row.
fn some(v: vec4<f32>, inside: vec4<bool>) -> Moments {
    let one = select(vec4<f32>(0.0), vec4<f32>(1.0), inside);
    let count = dot(one, vec4<f32>(1.0));
    let mean = dot(select(vec4<f32>(0.0), v, inside), one) / max(count, 1.0);
    let d = select(vec4<f32>(0.0), v - mean, inside);
    return Moments(count, mean, dot(d, d));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let first = (start + 3u) / 4u; // the first vec4 that lies in the row as a whole
    let last = end / 4u; // and the one after the last
    var all = Moments(0.0, 0.0, 0.0);
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
            let sum = ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7));
            let mean = dot(sum, vec4<f32>(1.0)) / 32.0;
            let d0 = v0 - mean;
            let d1 = v1 - mean;
            let d2 = v2 - mean;
            let d3 = v3 - mean;
            let d4 = v4 - mean;
            let d5 = v5 - mean;
            let d6 = v6 - mean;
            let d7 = v7 - mean;
            let squares = ((d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)) + ((d4 * d4 + d5 * d5) + (d6 * d6 + d7 * d7));
            all = join(all, Moments(32.0, mean, dot(squares, vec4<f32>(1.0))));
        }
        for (; q < last; q += 8u) {
            all = join(all, some(x[q], vec4<bool>(true)));
        }
        // Up to three elements before the first whole vec4 and after the last, in vec4s shared with the rows beside.
        let corners = vec4<u32>(0u, 1u, 2u, 3u);
        if lane == 0u && start < 4u * first {
            all = join(all, some(x[first - 1u], 4u * (first - 1u) + corners >= vec4<u32>(start)));
        }
        if lane == 1u && 4u * last < end {
            all = join(all, some(x[last], 4u * last + corners < vec4<u32>(end)));
        }
    }
    lanes[lane] = all;
    workgroupBarrier();
    if lane == 0u {
        for (var i = 1u; i < 8u; i++) {
            all = join(all, lanes[i]);
        }
        partial[row] = vec2<f32>(all.mean, all.squares);
    }
}
