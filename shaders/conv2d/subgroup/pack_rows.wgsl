// Packing for the weight gradient of the subgroup rung: packed[c][n][r][q] = the vec4 x[n, c, r-BORDER, 4q..4q+3], zero outside x.
// dy, mask: [N,C,PH,PW] as in the naive backward kernels (EPILOGUE 0: dy is just some x, mask is not read); packed: [C][chunk][H+2*BORDER][QUADS] vec4.
// One invocation: one vec4, four neighbours of a row. One workgroup: 64 of them that follow each other in memory.
// Traffic: reads the chunk once, writes it once and the border of zeros; no arithmetic, so memory-bound.
// Next rung: none; it turns four loads with tests for the border into one without.

struct Params {
    first: u32, n: u32,          // samples first .. first+n of the batch are in this chunk
    c: u32, h: u32, w: u32,      // the tensor before the epilogue: [N,C,H,W]
    ph: u32, pw: u32,            // dy: [N,C,PH,PW]; H, W, or half of them when pooled
    quads: u32,                  // ceil(W/4)
}

override BORDER: u32 = 0u;     // rows of zeros above and below

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

// The gradient of the convolution before ReLU and pooling: dy[n,c,i,j] seen through the epilogue.
fn gradient(n: u32, c: u32, i: u32, j: u32) -> f32 {
    return through_epilogue(n * params.c + c, i, j, params.h, params.w);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let rows = params.h + 2u * BORDER;
    if index >= params.c * params.n * rows * params.quads { return; }
    let j = index % params.quads * 4u;
    let i = index / params.quads % rows - BORDER;     // unsigned: -1 wraps round to a huge number
    let n = index / (params.quads * rows) % params.n + params.first;
    let c = index / (params.quads * rows * params.n);

    var quad = vec4<f32>(0.0);
    if i < params.h {
        quad.x = gradient(n, c, i, j);
        if j + 1u < params.w { quad.y = gradient(n, c, i, j + 1u); }
        if j + 2u < params.w { quad.z = gradient(n, c, i, j + 2u); }
        if j + 3u < params.w { quad.w = gradient(n, c, i, j + 3u); }
    }
    packed[index] = quad;
}
