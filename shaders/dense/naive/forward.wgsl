// Dense layer, forward: y[n,o] = b[o] + sum over i of w[o,i] * x[n,i], then ReLU.
// x: [N,I], w: [O,I], b: [O], y: [N,O].
// One invocation: one output, a dot product. One workgroup: 64 outputs that follow each other in memory, no shared memory.
// Traffic: two loads (8 bytes) per multiply-add (2 FLOPs), 1/4 FLOP per byte: bound by loads.
// Next rung: vec4 loads and a 4x4 tile of outputs per invocation: 8 loads of 16 bytes serve 64 multiply-adds.

struct Params { n: u32, i: u32, o: u32, reserved: u32 }

override RELU: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.n * params.o { return; }
    let n = index / params.o;
    let o = index % params.o;

    var sum = b[o];
    for (var i = 0u; i < params.i; i++) {
        sum += w[o * params.i + i] * x[n * params.i + i];
    }
    if RELU == 1u { sum = max(sum, 0.0); }
    y[index] = sum;
}
