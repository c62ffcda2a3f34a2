// Batch norm, gradient of x in place: dx = gamma / sd * (g - dbeta / M - (x - mean) / sd * dgamma / M), where dx starts as dy; M = real N * S.
// dx, x: [N,C,S] viewed as vec4s, S = H*W at least 4; the others [C]; sd = sqrt(variance + epsilon); g = dy through the dropout mask; 0 in padding.
// One invocation: every WORKGROUP-th vec4 of a row. One workgroup: the vec4s that begin in row (n,c); the last may end in the next row.
// Traffic: reads dy and x, writes dx: 6 operations per 12 bytes, the channel's numbers loaded once per row: memory-bound.
// Next rung: none in place; the mask is computed a second time here (after the sums), which is cheaper than storing it.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, channels: u32, spatial: u32, training: u32, epsilon: f32, layer: u32, threshold: u32, scale: f32 }

// Whether y goes through dropout, and whether every sample begins on a quad of the generator (its size is a multiple of 4).
// Both are decided when the pipeline is built: what is not needed is not compiled.
override DROPOUT: bool = false;
override ALIGNED: bool = false;
override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> variance: array<f32>;
@group(0) @binding(5) var<storage, read> dgamma: array<f32>;
@group(0) @binding(6) var<storage, read> dbeta: array<f32>;
@group(0) @binding(7) var<storage, read> step: Step;
@group(0) @binding(8) var<uniform> params: Params;

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

// Dropout factors, 0 or scale, of tensor elements 4 i .. 4 i + 3.
fn dropout(i: u32) -> vec4<f32> {
    if !DROPOUT {
        return vec4<f32>(1.0);
    }
    let first = step.sample_offset * params.channels * params.spatial + 4u * i; // position of element 4 i in the whole batch
    var u = uniforms(first / 4u);
    let shift = first % 4u;
    if !ALIGNED && shift != 0u { // the four elements straddle two quads of the batch
        let next = uniforms(first / 4u + 1u);
        switch shift {
            case 1u: { u = vec4<u32>(u.yzw, next.x); }
            case 2u: { u = vec4<u32>(u.zw, next.xy); }
            default: { u = vec4<u32>(u.w, next.xyz); }
        }
    }
    return select(vec4<f32>(0.0), vec4<f32>(params.scale), u >= vec4<u32>(params.threshold));
}

// dx = scale * (g - offset - slope * (x - mean)).
struct Channel { mean: f32, scale: f32, offset: f32, slope: f32 }

fn channel(c: u32) -> Channel {
    let inv_std = 1.0 / sqrt(variance[c] + params.epsilon);
    if params.training == 0u { // running statistics are constants
        return Channel(mean[c], gamma[c] * inv_std, 0.0, 0.0);
    }
    let count = f32(max(step.valid * params.spatial, 1u));
    return Channel(mean[c], gamma[c] * inv_std, dbeta[c] / count, dgamma[c] * inv_std / count);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let real = step.valid * params.channels * params.spatial;
    let c = channel(group.x);
    let d = channel(select(group.x + 1u, 0u, group.x + 1u == params.channels)); // the channel of the row after
    let last = (end + 3u) / 4u;
    for (var q = (start + 3u) / 4u + lane; q < last; q += WORKGROUP) {
        let i = 4u * q + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = i < vec4<u32>(end);
        let m = select(vec4<f32>(d.mean), vec4<f32>(c.mean), inside);
        let scale = select(vec4<f32>(d.scale), vec4<f32>(c.scale), inside);
        let offset = select(vec4<f32>(d.offset), vec4<f32>(c.offset), inside);
        let slope = select(vec4<f32>(d.slope), vec4<f32>(c.slope), inside);
        let v = scale * (dx[q] * dropout(q) - offset - slope * (x[q] - m));
        dx[q] = select(vec4<f32>(0.0), v, i < vec4<u32>(real));
    }
}
