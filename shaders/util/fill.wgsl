// Fill: y[i] = value.
// y: any shape, viewed as vec4s; the last vec4 reaches into the tensor's padding.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: writes y once; no arithmetic, so purely memory-bound.
// Next rung: none, it moves the fewest bytes that it can.

struct Params { quads: u32, value: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i < params.quads {
        y[i] = vec4<f32>(params.value);
    }
}
