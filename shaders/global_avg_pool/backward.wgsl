// Global average pooling, backward: dx[n,c,i,j] = dy[n,c] / (H*W).
// dy: [N,C]; dx: [N,C,H,W], viewed as vec4s; the last vec4 reaches into the padding.
// One invocation: four dx that follow each other in memory, perhaps of two or more planes. One workgroup: 64 of them.
// Traffic: writes dx once, dy comes from the caches: 1 division per 4 bytes written, memory-bound.
// Next rung: fused into the backward kernel of the op before, which would read dy instead of dx.

struct Params { planes: u32, area: u32, reserved0: u32, reserved1: u32 }   // planes = N*C, area = H*W

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quad = id.y * groups.x * 64u + id.x;
    if quad * 4u >= params.planes * params.area { return; }
    let at = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let plane = min(at / params.area, vec4<u32>(params.planes - 1u));
    dx[quad] = vec4<f32>(dy[plane.x], dy[plane.y], dy[plane.z], dy[plane.w]) / f32(params.area);
}
