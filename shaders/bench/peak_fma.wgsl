// Multiply-adds and nothing else: 16 times per round a = a * m + c, for 8 independent values a per invocation.
// y: [N/4] vec4s, one per invocation, so that the compiler can't leave the arithmetic out.
// One invocation: 8 chains, enough to fill a pipeline in which a result takes 4 cycles on 2 units. One workgroup: 64 of them.
// Traffic: 16 bytes per 256 * rounds FLOPs, so this is the roof that compute-bound kernels are measured against.
// Next rung: none, it waits for nothing; units for matrices or 16-bit floats have roofs of their own.

struct Params { rounds: u32, invocations: u32, m: f32, c: f32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;

fn four(a: vec4<f32>, m: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
    return (((a * m + c) * m + c) * m + c) * m + c;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i >= params.invocations { return; }
    let m = vec4<f32>(params.m);
    let c = vec4<f32>(params.c);
    var a0 = vec4<f32>(0.0, 1.0, 2.0, 3.0);
    var a1 = vec4<f32>(4.0, 5.0, 6.0, 7.0);
    for (var round = 0u; round < params.rounds; round++) {
        // One assignment per 16 multiply-adds: a CPU driver blends each with the values of lanes that have left the loop.
        a0 = four(four(four(four(a0, m, c), m, c), m, c), m, c);
        a1 = four(four(four(four(a1, m, c), m, c), m, c), m, c);
    }
    y[i] = a0 + a1;
}
