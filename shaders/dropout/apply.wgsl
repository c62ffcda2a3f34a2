// Dropout in place: x[i] = x[i] * scale where u(i) >= threshold, else 0; u(i) is a 16-bit hash of (seed, layer, step, i).
// x: any shape, the batch outermost, viewed as vec4s; the last vec4 reaches into the padding. Backward runs it on dy.
// One invocation: one vec4, for one call of the generator (two if the micro-batch does not start on a multiple of 4). One workgroup: 64.
// Traffic: reads and writes x once; 25 integer operations per element hide behind the memory on a GPU. No mask in memory.
// Next rung: fused into the batch norm before it, which saves this read and write altogether.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }

// Whether every sample begins on a quad of the generator: its size is a multiple of 4. Decided when the pipeline is built, so
// that the second call of the generator is not even compiled.
override ALIGNED: bool = false;

struct Params { quads: u32, per_sample: u32, layer: u32, threshold: u32, scale: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<uniform> params: Params;

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

// Factors, 0 or scale, of tensor elements 4 i .. 4 i + 3.
fn dropout(i: u32) -> vec4<f32> {
    let first = step.sample_offset * params.per_sample + 4u * i; // position of element 4 i in the whole batch
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i < params.quads {
        x[i] *= dropout(i);
    }
}
