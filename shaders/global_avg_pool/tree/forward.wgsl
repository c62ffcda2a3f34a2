// Global average pooling, forward: y[n,c] = mean over i,j of x[n,c,i,j].
// x: [N,C,H,W], viewed as vec4s; y: [N,C]. A plane need not start on a vec4.
// One invocation: every 64th vec4 of a plane. One workgroup: one plane; 64 partial sums, then a tree in workgroup memory.
// Traffic: reads x once, neighbouring lanes neighbouring vec4s; 1 addition per 4 bytes: memory-bound.
// Next rung: fused into the kernel that produces x, which would never be written.

struct Params { planes: u32, area: u32, reserved0: u32, reserved1: u32 }   // planes = N*C, area = H*W

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let plane = group.y * groups.x + group.x;
    if plane >= params.planes { return; }
    let start = plane * params.area;
    let end = start + params.area;

    var sum = vec4<f32>(0.0); // four sums, so that rounding grows with a quarter of the additions
    for (var q = start / 4u + lane; q < (end + 3u) / 4u; q += 64u) {
        let i = 4u * q + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = (i >= vec4<u32>(start)) & (i < vec4<u32>(end)); // the first and last vec4 belong to two planes
        sum += select(vec4<f32>(0.0), x[q], inside);
    }
    let total = tree_sum(lane, (sum.x + sum.y) + (sum.z + sum.w));
    if lane == 0u { y[plane] = total / f32(params.area); }
}
