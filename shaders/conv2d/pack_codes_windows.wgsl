// Window indices of pooling, packed: byte i of argmax = codes[i].
// codes: one u32 per pooled output of a chunk of samples, as a uniform window; argmax: u8, four to a u32, element 0 in the low byte.
// One invocation: one word. One workgroup: 64 words, no shared memory.
// Traffic: 4 reads and 1 write per word; exists because neighbouring bytes come from different tiles, and no two invocations may
// write one word.
// Next rung: none; where bytes can be stored, the output transform does it itself.
struct Params { words: u32, first_word: u32, reserved0: u32, reserved1: u32 }

@group(0) @binding(0) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> codes: array<vec4<u32>, 4096>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.words {
        return;
    }
    let c = codes[id.x];
    argmax[params.first_word + id.x] = c.x | (c.y << 8u) | (c.z << 16u) | (c.w << 24u);
}
