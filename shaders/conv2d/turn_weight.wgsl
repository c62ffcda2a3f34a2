// The weight of the gradient of x: turned[c,k,u,v] = w[k,c,KH-1-u,KW-1-v]. With it, dx is a forward convolution of g.
// w: [K,C,KH,KW]; turned: [C,K,KH,KW].
// One invocation: one element of turned. One workgroup: 64 of them, no shared memory.
// Traffic: reads and writes w once, reads strided; small beside the convolution.
// Next rung: subgroup/pack_weight does the same in the layout of the subgroup rung.

struct Params { k: u32, c: u32, taps: u32, reserved: u32 }

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> turned: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.k * params.c * params.taps { return; }
    let tap = index % params.taps;
    let k = index / params.taps % params.k;
    let c = index / (params.taps * params.k);
    turned[index] = w[(k * params.c + c) * params.taps + params.taps - 1u - tap];
}
