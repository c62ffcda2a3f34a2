// Reading a source of 16-bit floats [n,C,H,W], zero outside: lib/implicit_gemm_source for factors of half the bytes. The kernel binds `source`, and
// its params have h and w. Stands on lib/implicit_gemm_taps.

fn reads(place: Place, code: u32) -> bool {
    if WIDE == 0u { return (place.valid & code) == code; }
    return code != NO_TAP && place.valid != 0u && place.row + (code >> 16u) < params.h && place.column + (code & 0xffffu) < params.w;
}

// The source at a tap, anything where `reads` is false: the zero is left to who uses it, so that nobody waits for the load before.
fn fetch(place: Place, offset: u32, reads: bool) -> f16 {
    return source[select(0u, place.at + offset, reads)];
}
