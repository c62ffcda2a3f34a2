// Global average pooling, forward: y[n,c] = mean over i,j of x[n,c,i,j].
// x: [N,C,H,W], y: [N,C].
// One invocation: one plane. One workgroup: 64 planes, no shared memory.
// Traffic: reads x once, 1 addition per 4 bytes: memory-bound. Lanes read addresses H*W apart, which a GPU does badly.
// Next rung: a workgroup per plane, whose lanes read neighbours.

struct Params { planes: u32, area: u32, reserved0: u32, reserved1: u32 }   // planes = N*C, area = H*W

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let plane = id.y * groups.x * 64u + id.x;
    if plane >= params.planes { return; }
    // Four sums that don't wait for each other, and that stay short: rounding grows with the length of a sum.
    let start = plane * params.area;
    let end = start + params.area;
    var sums = vec4<f32>();
    var at = start;
    for (; at + 3u < end; at += 4u) {
        sums += vec4<f32>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
    }
    for (; at < end; at++) {
        sums.x += x[at];
    }
    y[plane] = (sums.x + sums.y + sums.z + sums.w) / f32(params.area);
}
