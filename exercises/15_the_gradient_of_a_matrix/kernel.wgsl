// Dense layer, gradient of w: dw[o,i] = sum over n of g[n,o] * x[n,i], g = dy where y > 0 under ReLU, else dy.
// dy, y: [N,O] (y only under ReLU), x: [N,I], dw: [O,I].
// One invocation: one dw, over all samples. One workgroup: 64 that follow each other in memory, no shared memory.
// Traffic: two to three loads per multiply-add, at most 1/4 FLOP per byte; the sum is only as long as the batch.
// Next rung: 4 outputs x 4 inputs per invocation: each x serves 4 outputs, each g 4 inputs.

struct Params { n: u32, i: u32, o: u32, reserved: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.o * params.i { return; }
    let o = index / params.i;
    let i = index % params.i;

    var sum = 0.0;
    // TODO: the sum over all samples
    dw[index] = sum;
}
