// Dense layer, gradient of w: dw[o,i] = sum over n of g[n,o] * x[n,i], g = dy where y > 0 under ReLU, else dy.
// dy, y: [N,O] (y only under ReLU); x: [N,I] and dw: [O,I] as vec4s along I (I is a multiple of 4).
// One invocation: a tile of 4 outputs x 4 inputs in registers. One workgroup: 64 tiles, no shared memory.
// Traffic: one vec4 and four to eight scalar loads (32-48 bytes) per 16 multiply-adds (32 FLOPs): up to 1 FLOP per byte.
// Next rung: larger tiles, shared by a workgroup through its memory; worth it for layers of some thousand inputs.

struct Params { n: u32, i: u32, o: u32, reserved: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dw: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let quads = params.i / 4u;
    let o = index / quads * 4u;
    let i = index % quads;
    if o >= params.o { return; }

    // Rows of a tile that hangs over the edge: read the last real column of dy again, write nothing.
    let last = params.o - 1u;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    // x[n,i] is at i + n * quads. A loop `n < params.n` would do the same, but Mesa's software driver specialises short loops
    // that count to a uniform: it compiled this kernel anew for every launch.
    var n = 0u;
    for (var at = i; at < params.n * quads; at += quads) {
        let x4 = x[at];
        sum0 += gradient(n, o) * x4;
        sum1 += gradient(n, min(o + 1u, last)) * x4;
        sum2 += gradient(n, min(o + 2u, last)) * x4;
        sum3 += gradient(n, min(o + 3u, last)) * x4;
        n++;
    }
    dw[o * quads + i] = sum0;
    if o + 1u <= last { dw[(o + 1u) * quads + i] = sum1; }
    if o + 2u <= last { dw[(o + 2u) * quads + i] = sum2; }
    if o + 3u <= last { dw[(o + 3u) * quads + i] = sum3; }
}
