// Global average pooling, forward: y[n,c] = mean over i,j of x[n,c,i,j].
// x: [N,C,H,W], y: [N,C].
// One invocation: every 64th element of a plane. One workgroup: one plane; 64 partial sums, then a tree in workgroup memory.
// Traffic: reads x once, neighbouring lanes neighbouring addresses; 1 addition per 4 bytes: memory-bound.
// Next rung: fused into the kernel that produces x, which would never be written.

struct Params { planes: u32, area: u32, reserved0: u32, reserved1: u32 }   // planes = N*C, area = H*W

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let plane = group.y * groups.x + group.x;
    if plane >= params.planes { return; }
    let start = plane * params.area;

    var sum = 0.0;
    for (var at = start + lane; at < start + params.area; at += 64u) {
        sum += x[at];
    }
    partial[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        // What the other half wrote, in the round before or above, has to be there. No barrier behind the loop: invocation 0 reads its own.
        workgroupBarrier();
        if lane < half { partial[lane] += partial[lane + half]; }
    }
    if lane == 0u { y[plane] = partial[0] / f32(params.area); }
}
