// Dense layer, forward: y[n,o] = b[o] + sum over i of w[o,i] * x[n,i], then ReLU.
// x: [N,I] and w: [O,I] as vec4s along I (I is a multiple of 4), b: [O], y: [N,O].
// One invocation: a tile of 4 samples x 4 outputs in registers. One workgroup: 64 tiles, no shared memory.
// Traffic: 8 vec4 loads (128 bytes) per 64 multiply-adds (128 FLOPs), 1 FLOP per byte, four times the naive rung.
// Next rung: larger tiles, shared by a workgroup through its memory; worth it from some hundred samples on.

struct Params { n: u32, i: u32, o: u32, reserved: u32 }

override RELU: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let columns = (params.o + 3u) / 4u;
    let n = index / columns * 4u;
    let o = index % columns * 4u;
    if n >= params.n { return; }

    // Rows of a tile that hangs over the edge: read the last real row again, write nothing.
    let quads = params.i / 4u;
    let n_row = min(vec4<u32>(n, n + 1u, n + 2u, n + 3u), vec4<u32>(params.n - 1u)) * quads;
    let o_row = min(vec4<u32>(o, o + 1u, o + 2u, o + 3u), vec4<u32>(params.o - 1u)) * quads;
    var sum0 = vec4<f32>();   // one vec4 per sample, one component per output
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var i = 0u; i < quads; i++) {
        let w4 = transpose(mat4x4<f32>(w[o_row.x + i], w[o_row.y + i], w[o_row.z + i], w[o_row.w + i]));
        sum0 += w4 * x[n_row.x + i];
        sum1 += w4 * x[n_row.y + i];
        sum2 += w4 * x[n_row.z + i];
        sum3 += w4 * x[n_row.w + i];
    }
    let sums = array<vec4<f32>, 4>(sum0, sum1, sum2, sum3);
    for (var s = 0u; s < min(4u, params.n - n); s++) {
        for (var t = 0u; t < min(4u, params.o - o); t++) {
            var z = sums[s][t] + b[o + t];
            if RELU == 1u { z = max(z, 0.0); }
            y[(n + s) * params.o + o + t] = z;
        }
    }
}
