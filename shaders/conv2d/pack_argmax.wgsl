// Packing of argmax: four window indices, one u32 each, to the bytes of one u32.
// codes: [N,K,PH,PW] u32, each 0..3 or 255; argmax: the same as u8, packed four to a u32.
// One invocation: one word, four codes. One workgroup: 64 of them, no shared memory.
// Traffic: reads 16 bytes and writes 4 per word; a sixteenth and a quarter of that of the convolution it follows.
// Next rung: none. The convolution can't write bytes itself: the four of a word belong to different workgroups.

struct Params { words: u32, reserved0: u32, reserved1: u32, reserved2: u32 }

@group(0) @binding(0) var<storage, read> codes: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let word = id.y * groups.x * 64u + id.x;
    if word >= params.words { return; }
    let c = codes[word] & vec4<u32>(255u);
    argmax[word] = c.x | (c.y << 8u) | (c.z << 16u) | (c.w << 24u);
}
