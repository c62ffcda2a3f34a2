// Rounding to what an f16 holds, to nearest, ties to even, in integer arithmetic, because WGSL leaves a device free to cut off.

// v rounded to the 11 bits that an f16 of normal size holds; what f16() then cuts off is zeros. NaN and infinity pass as they are.
fn rounded(v: f32) -> f32 {
    let bits = bitcast<u32>(v);
    let exponent = bits & 0x7f800000u;
    if exponent == 0x7f800000u { return v; }
    return bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
}
