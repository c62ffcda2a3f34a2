// im2col for the weight gradient, last step: dw[k,e] from the product's quads of filters.
// m: [K/4][C·KH·KW] vec4 over four filters; dw: [K,C,KH,KW].
// One invocation: four filters of one e = (c,u,v). One workgroup: 64 of them; y counts filter quads; no shared memory.
// Traffic: one read and one write per weight, once per step.
// Next rung: none.
struct Params { filters: u32, elements: u32, reserved0: u32, reserved1: u32 }

@group(0) @binding(0) var<storage, read> m: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.elements {
        return;
    }
    let value = m[id.y * params.elements + id.x];
    let first = 4u * id.y * params.elements + id.x;
    let limit = params.filters - 4u * id.y;
    dw[first] = value.x;
    if limit > 1u { dw[first + params.elements] = value.y; }
    if limit > 2u { dw[first + 2u * params.elements] = value.z; }
    if limit > 3u { dw[first + 3u * params.elements] = value.w; }
}
