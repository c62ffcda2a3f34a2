// Bringing argmax into its order: from words of four channels of one window, as a product tile has them at hand, to words of four windows.
// codes: [K/4, N*plane] u32, the byte of channel k in word k/4; argmax: [N,K,plane] u8, four to a u32; plane = PH*PW.
// One invocation: one word of argmax. One workgroup: 64 of them that follow each other, no shared memory.
// Traffic: reads 16 bytes and writes 4 per word; four channels in a row read the same words, so that memory gives 4.
// Next rung: none. A product can't write these words itself where a plane is no multiple of four windows: theirs are those of two workgroups.

struct Params { n: u32, k: u32, plane: u32, count: u32 }

@group(0) @binding(0) var<storage, read> codes: array<u32>;
@group(0) @binding(1) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let word = id.y * groups.x * 64u + id.x;
    if word * 4u >= params.count { return; }
    var bytes = 0u;
    for (var o = 0u; o < 4u; o++) {
        // Behind the last element the word is filled up with the last.
        let at = min(word * 4u + o, params.count - 1u);
        let k = at / params.plane % params.k;
        let n = at / (params.plane * params.k);
        let four = codes[(k / 4u * params.n + n) * params.plane + at % params.plane];
        bytes |= ((four >> (k % 4u * 8u)) & 255u) << (o * 8u);
    }
    argmax[word] = bytes;
}
