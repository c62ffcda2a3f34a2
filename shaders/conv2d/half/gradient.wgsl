// Backward through the epilogue into half precision: g[n,c,i,j] = f16(dy) where ReLU passed (and where the window's maximum was), else 0.
// dy: [N,C,PH,PW]; mask: y (ReLU) or argmax (ReLU and pooling); g: [chunk,C,H,W] f16, four to an invocation, 0 behind the last.
// One invocation: four g that follow each other. One workgroup: 64 of them.
// Traffic: reads dy and mask (under pooling from the cache, four times each), writes 2 bytes per g; memory-bound.
// Rounding: as half/convert.
// Next rung: none.

enable f16;

struct Params {
    first: u32, n: u32,          // samples first .. first+n of the batch are in this chunk
    c: u32, h: u32, w: u32,      // g: [chunk,C,H,W]
    ph: u32, pw: u32,            // dy: [N,C,PH,PW]; H, W, or half of them when pooled
    reserved: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> g: array<vec4<f16>>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quad = id.y * groups.x * 64u + id.x;
    let count = params.n * params.c * params.h * params.w;
    if quad * 4u >= count { return; }
    var four = vec4<f32>(0.0);
    for (var o = 0u; o < 4u; o++) {
        let index = quad * 4u + o;
        if index < count {
            let j = index % params.w;
            let i = index / params.w % params.h;
            let plane = params.first * params.c + index / (params.w * params.h);
            four[o] = rounded(through_epilogue(plane, i, j, params.h, params.w));
        }
    }
    g[quad] = vec4<f16>(four);
}
