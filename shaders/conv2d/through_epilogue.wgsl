// Backward through the epilogue: g[n,c,i,j] = dy where ReLU passed (and where the window's maximum was), else 0.
// dy: [N,C,PH,PW]; mask: y (ReLU) or argmax (ReLU and pooling); g: [chunk,C,H,W].
// One invocation: one g. One workgroup: 64 of them that follow each other in memory.
// Traffic: reads dy and mask (under pooling from the cache, four times each), writes g; no arithmetic, memory-bound.
// Next rung: subgroup/pack_planes does the same in the layout of the subgroup rung.

struct Params {
    first: u32, n: u32,          // samples first .. first+n of the batch are in this chunk
    c: u32, h: u32, w: u32,      // g: [chunk,C,H,W]
    ph: u32, pw: u32,            // dy: [N,C,PH,PW]; H, W, or half of them when pooled
    reserved: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> g: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// The gradient of the convolution before ReLU and pooling: dy[n,c,i,j] seen through the epilogue.
fn gradient(n: u32, c: u32, i: u32, j: u32) -> f32 {
    return through_epilogue(n * params.c + c, i, j, params.h, params.w);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.n * params.c * params.h * params.w { return; }
    let j = index % params.w;
    let i = index / params.w % params.h;
    let c = index / (params.w * params.h) % params.c;
    let n = index / (params.w * params.h * params.c);
    g[index] = gradient(params.first + n, c, i, j);
}
