// Reading the source of an implicit product [n,C,H,W], zero outside. The kernel binds `source`, says what a Factor is that it holds, and its params
// have h and w. Stands on lib/implicit_gemm_taps.

fn reads(place: Place, code: u32) -> bool {
    if WIDE == 0u { return (place.valid & code) == code; }
    return code != NO_TAP && place.valid != 0u && place.row + (code >> 16u) < params.h && place.column + (code & 0xffffu) < params.w;
}

// The source at a tap, anything where `reads` is false: the zero is left to who uses it, so that nobody waits for the load before.
fn fetch(place: Place, offset: u32, reads: bool) -> Factor {
    return source[select(0u, place.at + offset, reads)];
}
