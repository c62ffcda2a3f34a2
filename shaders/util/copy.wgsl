// Copy: y[i] = x[i], bit by bit.
// x, y: any shape and type, viewed as vec4s of words; beyond the last word y keeps what it holds: the flat gradients' gaps must stay 0.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads x once, writes y once (and reads y, where its words are no whole number of vec4s); no arithmetic, so this is the roof that memory-bound kernels are measured against.
// Next rung: none, it moves the fewest bytes that it can.

override TAIL: bool = false;         // the words are no whole number of vec4s

struct Params { quads: u32, value: f32, elements: u32, pad: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i >= params.quads { return; }
    let value = x[i];
    if TAIL {
        let inside = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.elements);
        y[i] = select(y[i], value, inside);
    } else {
        y[i] = value;
    }
}
