// Window indices of pooling, packed: byte i of argmax = codes[i].
// codes: one u32 per pooled output of a chunk of samples, as eight consecutive uniform windows; argmax: u8, four to a u32, element 0 in
// the low byte.
// One invocation: one word of each window. One workgroup: 64 words, no shared memory.
// Traffic: 4 reads and 1 write per word; exists because neighbouring bytes come from different tiles, and no two invocations may
// write one word.
// Next rung: none; where bytes can be stored, the output transform does it itself.
struct Params { words: u32, first_word: u32, reserved0: u32, reserved1: u32 }

@group(0) @binding(0) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> c0: array<vec4<u32>, 4096>;
@group(0) @binding(3) var<uniform> c1: array<vec4<u32>, 4096>;
@group(0) @binding(4) var<uniform> c2: array<vec4<u32>, 4096>;
@group(0) @binding(5) var<uniform> c3: array<vec4<u32>, 4096>;
@group(0) @binding(6) var<uniform> c4: array<vec4<u32>, 4096>;
@group(0) @binding(7) var<uniform> c5: array<vec4<u32>, 4096>;
@group(0) @binding(8) var<uniform> c6: array<vec4<u32>, 4096>;
@group(0) @binding(9) var<uniform> c7: array<vec4<u32>, 4096>;

fn put(word: u32, words: u32, first: u32, c: vec4<u32>) {
    if word < words {
        argmax[first + word] = c.x | (c.y << 8u) | (c.z << 16u) | (c.w << 24u);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    // Copies: a load from params inside a branch would be a gather of its own.
    let words = params.words;
    let first = params.first_word;
    put(id.x, words, first, c0[id.x]);
    put(id.x + 4096u, words, first, c1[id.x]);
    put(id.x + 2u * 4096u, words, first, c2[id.x]);
    put(id.x + 3u * 4096u, words, first, c3[id.x]);
    put(id.x + 4u * 4096u, words, first, c4[id.x]);
    put(id.x + 5u * 4096u, words, first, c5[id.x]);
    put(id.x + 6u * 4096u, words, first, c6[id.x]);
    put(id.x + 7u * 4096u, words, first, c7[id.x]);
}
