// Batch norm, gradients of gamma and beta: dbeta[c] = sum of g, dgamma[c] = sum of g * (x - mean[c]) / sqrt(variance[c] + epsilon).
// dy, x: [N,C,S] with S = H*W (1 for [N,C]); mean, variance, dgamma, dbeta: [C]; g = dy through the dropout mask; real samples only.
// One invocation: one channel. One workgroup: 64 channels, no shared memory. Sums are compensated.
// Traffic: reads dy and x once, 18 operations per 8 bytes. Neighbouring invocations read S floats apart: each load fetches a line of its own.
// Next rung: a workgroup per (n,c) row, whose invocations read neighbouring vec4s and add up in a tree. For S = 1 this one is coalesced.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, channels: u32, spatial: u32, training: u32, epsilon: f32, layer: u32, threshold: u32, scale: f32 }

// Whether y goes through dropout. Decided when the pipeline is built: without it, no generator is compiled.
override DROPOUT: bool = false;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(5) var<storage, read_write> dbeta: array<f32>;
@group(0) @binding(6) var<storage, read> step: Step;
@group(0) @binding(7) var<uniform> params: Params;

fn four_rounds(v: vec2<u32>, r: vec4<u32>) -> vec2<u32> {
    var x = v.x;
    var y = v.y;
    x += y; y = ((y << r.x) | (y >> (32u - r.x))) ^ x;
    x += y; y = ((y << r.y) | (y >> (32u - r.y))) ^ x;
    x += y; y = ((y << r.z) | (y >> (32u - r.z))) ^ x;
    x += y; y = ((y << r.w) | (y >> (32u - r.w))) ^ x;
    return vec2<u32>(x, y);
}

// Threefry-2x32, 20 rounds (Salmon et al. 2011): two random words from a key and a counter.
fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    const even = vec4<u32>(13u, 15u, 26u, 6u);
    const odd = vec4<u32>(17u, 29u, 16u, 24u);
    let k2 = 0x1BD11BDAu ^ key.x ^ key.y;
    var v = counter + key;
    v = four_rounds(v, even) + vec2<u32>(key.y, k2 + 1u);
    v = four_rounds(v, odd) + vec2<u32>(k2, key.x + 2u);
    v = four_rounds(v, even) + vec2<u32>(key.x, key.y + 3u);
    v = four_rounds(v, odd) + vec2<u32>(key.y, k2 + 4u);
    return four_rounds(v, even) + vec2<u32>(k2, key.x + 5u);
}

// 16-bit uniforms of batch elements 4 quad .. 4 quad + 3.
fn uniforms(quad: u32) -> vec4<u32> {
    let words = threefry(vec2<u32>(step.seed, params.layer), vec2<u32>(step.step, quad));
    return vec4<u32>(words.x & 0xFFFFu, words.x >> 16u, words.y & 0xFFFFu, words.y >> 16u);
}

// Dropout factor, 0 or scale, of tensor element i.
fn dropout(i: u32) -> f32 {
    if !DROPOUT {
        return 1.0;
    }
    let index = step.sample_offset * params.channels * params.spatial + i; // position in the whole batch
    let u = uniforms(index / 4u);
    return select(0.0, params.scale, u[index % 4u] >= params.threshold);
}

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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let c = (group.y * groups.x + group.x) * 64u + lane;
    if c >= params.channels {
        return;
    }
    zero = step.reserved[0];
    let average = mean[c];
    var sum = Sum(0.0, 0.0);
    var product = Sum(0.0, 0.0);
    for (var n = 0u; n < step.valid; n++) {
        let row = (n * params.channels + c) * params.spatial;
        for (var i = row; i < row + params.spatial; i++) {
            let g = dy[i] * dropout(i);
            sum = add(sum, g);
            product = add(product, g * (x[i] - average));
        }
    }
    dbeta[c] = sum.high + sum.low;
    dgamma[c] = (product.high + product.low) / sqrt(variance[c] + params.epsilon);
}
