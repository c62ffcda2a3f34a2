// y[i] = x[i] * x[i].
// x, y: any shape. One invocation: one element. Traffic: reads x, writes y: memory-bound.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> size: vec4<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i < size.x {
        y[i] = x[i] * x[i];
    }
}
