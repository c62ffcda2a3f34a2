// A factor in half precision: packed[k][r] = f16(x[r,k]), through a mask, zero in the padding.
// x: element (r,k) at r*row + k*step, 0 where mask is not positive; packed: [padded K][padded rows] f16, four rows in a vec4.
// One invocation: four rows of one k. One workgroup: 32 rows of 8 k, so that reads (eight neighbours in x or more, 32 bytes) and writes
// (eight vec4s, 64 bytes) both fill whole sectors of memory, whichever way x runs; no shared memory.
// Traffic: reads 4 bytes (8 with a mask), writes 2 per element, once; the product then reads half the bytes, many times.
// Rounding: to nearest, ties to even, in integer arithmetic, because WGSL leaves a device free to cut off: 11 bits remain, an error of at
// most 2^-11. Beyond 65,504 there is infinity; below 6.1e-5 bits get lost, and below 3e-8 everything: gradients can be that small.
// Next rung: none; a layer that kept its weights in this form would save the pass.

enable f16;

override MASK: u32 = 0u;             // 0: mask is bound, but not read
override ALONG_K: u32 = 1u;          // step is 1; else row is

struct Params {
    rows: u32, k: u32,
    row: u32, step: u32,             // x: from one row to the next, from one k to the next
    quads: u32,                      // padded rows, in fours
    reserved0: u32, reserved1: u32, reserved2: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<f16>>;
@group(0) @binding(3) var<uniform> params: Params;

// v rounded to the 11 bits that an f16 of normal size holds; what f16() then cuts off is zeros. NaN and infinity pass as they are.
fn rounded(v: f32) -> f32 {
    let bits = bitcast<u32>(v);
    let exponent = bits & 0x7f800000u;
    if exponent == 0x7f800000u { return v; }
    return bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let along_k = ALONG_K == 1u;
    let k = group.y * 8u + select(lane / 8u, lane % 8u, along_k);
    let quad = group.x * 8u + select(lane % 8u, lane / 8u, along_k);
    var four = vec4<f32>(0.0);
    for (var r = 0u; r < 4u; r++) {
        if quad * 4u + r < params.rows && k < params.k {
            let at = (quad * 4u + r) * params.row + k * params.step;
            if MASK == 0u || mask[at] > 0.0 { four[r] = rounded(x[at]); }
        }
    }
    packed[k * params.quads + quad] = vec4<f16>(four);
}
