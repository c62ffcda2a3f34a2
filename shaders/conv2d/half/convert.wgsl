// A tensor in half precision: y[i] = f16(x[i]), four at a time, rounded to nearest.
// x: f32 vec4s, as many as cover the tensor (what follows its last element is converted with it, and not read again); y: f16 vec4s.
// One invocation: a vec4. One workgroup: 64 of them that follow each other in memory.
// Traffic: reads 16 bytes, writes 8, once; the product then reads half the bytes, many times. 11 bits remain of a significand: an error of at most
// 2^-11. Beyond 65,504 there is infinity; below 6.1e-5 bits get lost, and below 3e-8 everything.
// Next rung: none; layers that kept their activations in this form would save the pass.

enable f16;

struct Params { quads: u32, reserved0: u32, reserved1: u32, reserved2: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f16>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i >= params.quads { return; }
    let v = x[i];
    y[i] = vec4<f16>(vec4<f32>(rounded(v.x), rounded(v.y), rounded(v.z), rounded(v.w)));
}
