// Exponential moving average, in place: a += (1 - d) * (x - a), with d = min(decay, (1 + t) / (10 + t)) at step t.
// a (average), x: one shape, viewed as vec4s; the last vec4 reaches into the padding.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads a and x, writes a: 12 bytes per element for 3 operations, memory-bound.
// Next rung: none alone; fused into adam/update it would read x from registers.

struct Params { quads: u32, decay: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<storage, read_write> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i < params.quads {
        let t = f32(step.step);
        let rate = 1.0 - min(params.decay, (1.0 + t) / (10.0 + t));
        a[i] += rate * (x[i] - a[i]);
    }
}
