// Packing for the subgroup rung: packed[c/4][n][r][s] = the vec4 x[n, c..c+3, r-1, s-1], zero outside x.
// dy, mask: [N,C,PH,PW] as in the naive backward kernels (EPILOGUE 0: dy is just some x, mask is not read); packed: [C/4][chunk][ROWS][PITCH] vec4.
// One invocation: one vec4, that is one pixel of four channels. One workgroup: 64 neighbouring pixels, no shared memory.
// Traffic: reads the chunk once, writes it once and the border of zeros; no arithmetic, so memory-bound.
// Next rung: none; it pays because each vec4 is then loaded 9 * K / 16 times, by one load instead of four, without a test for the border.

struct Params {
    first: u32, n: u32,          // samples first .. first+n of the batch are in this chunk
    c: u32, h: u32, w: u32,      // the tensor before the epilogue: [N,C,H,W]
    ph: u32, pw: u32,            // dy: [N,C,PH,PW]; H, W, or half of them when pooled
    rows: u32, pitch: u32,       // padded rows and columns of one sample
    reserved0: u32, reserved1: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

// The gradient of the convolution before ReLU and pooling: dy[n,c,i,j] seen through the epilogue.
fn gradient(n: u32, c: u32, i: u32, j: u32) -> f32 {
    return through_epilogue(n * params.c + c, i, j, params.h, params.w);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let pixel = group.x * 64u + lane;
    if pixel >= params.n * params.rows * params.pitch { return; }
    let s = pixel % params.pitch;
    let r = pixel / params.pitch % params.rows;
    let n = params.first + pixel / (params.pitch * params.rows);
    let c = group.y * 4u;

    var quad = vec4<f32>(0.0);
    if r >= 1u && r <= params.h && s >= 1u && s <= params.w {
        quad.x = gradient(n, c, r - 1u, s - 1u);
        if c + 1u < params.c { quad.y = gradient(n, c + 1u, r - 1u, s - 1u); }
        if c + 2u < params.c { quad.z = gradient(n, c + 2u, r - 1u, s - 1u); }
        if c + 3u < params.c { quad.w = gradient(n, c + 3u, r - 1u, s - 1u); }
    }
    packed[group.y * params.n * params.rows * params.pitch + pixel] = quad;
}
