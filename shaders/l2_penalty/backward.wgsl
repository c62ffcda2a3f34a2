// L2 penalty, backward: dw[i] = 2 * coefficient * share * dy * w[i].
// dy: one float; w, dw: any shape, viewed as vec4s; the last vec4 reaches into the padding, where dw becomes 0.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads w, writes dw: 1 multiplication per 8 bytes, memory-bound.
// Next rung: added inside the optimizer, as weight decay is, at the price of a penalty that the loss does not show.

struct Params { elements: u32, coefficient: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> step: Step;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if 4u * i >= params.elements {
        return;
    }
    let inside = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.elements);
    dw[i] = select(vec4<f32>(0.0), 2.0 * params.coefficient * step.share * dy[0] * w[i], inside);
}
