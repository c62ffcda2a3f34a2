// The end of a split sum: dw[i] = sum over s of partials[s,i].
// partials: [SPLITS,COUNT]; dw: [COUNT].
// One invocation: one sum. One workgroup: 64 of them, no shared memory.
// Traffic: reads every partial sum once, 1 addition per 4 bytes, memory-bound; always in the same order, so the same bits every time.
// Next rung: none; the partial sums are few.

struct Params { count: u32, splits: u32, reserved0: u32, reserved1: u32 }

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.count { return; }
    var sum = 0.0;
    for (var s = 0u; s < params.splits; s++) { sum += partials[index * params.splits + s]; }
    dw[index] = sum;
}
