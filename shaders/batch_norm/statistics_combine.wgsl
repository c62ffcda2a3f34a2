// Batch norm, statistics, second stage: mean and biased variance of each channel from those of its N rows, which are equally long.
// partial: [N,C,2,2] (sum, sum of squared distances from the average) of each row, as (high, low); mean, variance: [C]. Only the real rows count.
// One invocation: one channel. One workgroup: 64 of them, reading neighbouring partials.
// Traffic: reads 16 bytes per row twice: nothing beside the first stage.
// Next rung: none.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, channels: u32, spatial: u32, training: u32, epsilon: f32, layer: u32, threshold: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
@group(0) @binding(3) var<storage, read> step: Step;
@group(0) @binding(4) var<uniform> params: Params;

// A sum and what rounding took from it: high + low carries about twice the digits of one f32.
struct Sum { high: f32, low: f32 }

var<private> zero: u32; // a reserved word of step

// x itself. Compilers may treat floats as real numbers, for which low below is 0, and would delete it; they can't see through this,
// because only the host knows that the reserved words of Step are 0.
fn opaque(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ zero);
}

// a + v with the rounding error of the addition in low (TwoSum, Knuth 1969; as a sum: Ogita, Rump & Oishi 2005).
fn add(a: Sum, v: f32) -> Sum {
    let high = opaque(a.high + v);
    let of_v = opaque(high - a.high); // the part of v that arrived
    return Sum(high, a.low + ((a.high - (high - of_v)) + (v - of_v)));
}

// Two sums together.
fn join(a: Sum, b: Sum) -> Sum {
    return add(Sum(a.high, a.low + b.low), b.high);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let c = (group.y * groups.x + group.x) * 64u + lane;
    if c >= params.channels {
        return;
    }
    zero = step.reserved[0];
    let rows = f32(max(step.valid, 1u)); // a micro-batch may be all padding
    let spatial = f32(params.spatial);
    var sum = Sum(0.0, 0.0);
    for (var n = 0u; n < step.valid; n++) {
        let row = partial[n * params.channels + c];
        sum = join(sum, Sum(row.x, row.y));
    }
    let average = (sum.high + sum.low) / (rows * spatial);
    var squares = Sum(0.0, 0.0);
    for (var n = 0u; n < step.valid; n++) {
        let row = partial[n * params.channels + c];
        let d = (row.x + row.y) / spatial - average; // Chan, Golub & LeVeque 1979
        squares = add(join(squares, Sum(row.z, row.w)), spatial * d * d);
    }
    mean[c] = average;
    variance[c] = (squares.high + squares.low) / (rows * spatial);
}
