// Dense layer, gradient of b: db[o] = sum over n of g[n,o], g = dy where y > 0 under ReLU, else dy.
// dy, y: [N,O] (y only under ReLU), db: [O].
// One invocation: one db; neighbours read neighbouring dy. One workgroup: 64 of them, no shared memory.
// Traffic: reads dy (and y) once, 1 addition per 4-8 bytes: memory-bound, and tiny.
// Next rung: none needed, a batch of dense outputs is a few KiB.

struct Params { n: u32, i: u32, o: u32, reserved: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> db: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.o { return; }
    var sum = 0.0;
    for (var n = 0u; n < params.n; n++) {
        sum += gradient(n, index);
    }
    db[index] = sum;
}
