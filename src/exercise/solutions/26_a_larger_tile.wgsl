// Dense layer, gradient of x: dx[n,i] = sum over o of g[n,o] * w[o,i], g = dy where y > 0 under ReLU, else dy.
// dy, y: [N,O] (y only under ReLU); w: [O,I] and dx: [N,I] as vec4s along I (I is a multiple of 4).
// One invocation: a tile of 8 samples x 8 inputs in registers. One workgroup: 64 tiles, no shared memory.
// Traffic: two vec4s and eight scalar loads (64 bytes) per 64 multiply-adds, 1 byte each; a tile of 4x4 needs 2.
// Next rung: the same tile, its factors shared by a workgroup through its memory.

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
    let pairs = (quads + 1u) / 2u;
    let n = index / pairs * 8u;
    let i = index % pairs * 2u;
    if n >= params.n { return; }

    // Behind the edges the last row or quad is read again, and not written.
    let last = params.n - 1u;
    let second = min(i + 1u, quads - 1u);
    var sums: array<mat2x4<f32>, 8>;
    for (var o = 0u; o < params.o; o++) {
        let w8 = mat2x4<f32>(w[o * quads + i], w[o * quads + second]);
        for (var s = 0u; s < 8u; s++) { sums[s] += gradient(min(n + s, last), o) * w8; }
    }
    for (var s = 0u; s < min(8u, params.n - n); s++) {
        dx[(n + s) * quads + i] = sums[s][0];
        if i + 1u < quads { dx[(n + s) * quads + i + 1u] = sums[s][1]; }
    }
}
