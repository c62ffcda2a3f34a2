// Dense layer, gradient of x: dx[n,i] = sum over o of g[n,o] * w[o,i], g = dy where y > 0 under ReLU, else dy.
// dy, y: [N,O] (y only under ReLU), w: [O,I], dx: [N,I].
// One invocation: one dx. One workgroup: 64 that follow each other in memory, so their loads of w do too; no shared memory.
// Traffic: two to three loads per multiply-add, at most 1/4 FLOP per byte: bound by loads.
// Next rung: 4 samples x 4 inputs per invocation: each w serves 4 samples, each g 4 inputs.

struct Params { n: u32, i: u32, o: u32, reserved: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.n * params.i { return; }
    let n = index / params.i;
    let i = index % params.i;

    var sum = 0.0;
    for (var o = 0u; o < params.o; o++) {
        sum += gradient(n, o) * w[i * params.o + o];
    }
    dx[index] = sum;
}
