// How an implicit product tells which taps of a window lie inside the source.

// 1: windows so large that their rows and columns do not fit a word of bits; then a tap is code u << 16 | v, and compared with the planes' size.
override WIDE: u32 = 0u;

// No tap: behind the last of the contraction. Its bits are never all valid.
const NO_TAP: u32 = 0xffffffffu;

// What a tap at row u and column v is looked up by.
fn tap_code(u: u32, v: u32, taps_h: u32) -> u32 {
    if WIDE == 1u { return (u << 16u) | v; }
    return (1u << u) | (1u << (taps_h + v));
}

// Eight steps of a contraction: where each reads, from the window's first tap on, and which tap that is.
struct Taps { offset: array<vec4<u32>, 2>, code: array<vec4<u32>, 2> }

// Where a result's window begins.
struct Place {
    row: u32, column: u32,                            // of the first tap; wraps below 0
    at: u32,                                          // its element of the source, wherever that is
    valid: u32,                                       // bit u: row + u is inside; bit taps_h + v: column + v is; 0 where there is no result
}

// Bits `start` … of the taps t with first + t in 0 … size-1.
fn inside(first: u32, size: u32, taps: u32, start: u32) -> u32 {
    let count = i32(taps);
    let end = clamp(i32(size) - i32(first), 0, count);
    let begin = clamp(-i32(first), 0, count);
    return ((1u << u32(end)) - (1u << u32(begin))) << start;
}

fn place(start: u32, row: u32, column: u32, taps_h: u32, taps_w: u32) -> Place {
    var valid = 1u;
    if WIDE == 0u { valid = inside(row, params.h, taps_h, 0u) | inside(column, params.w, taps_w, taps_h); }
    return Place(row, column, start + row * params.w + column, valid);
}
