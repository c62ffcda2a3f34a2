// Reading planes for Winograd's tiles, through the epilogue where they are dy: no copy of the gradient before the epilogue is ever made.
// Stands on lib/winograd_chunk.

override EPILOGUE: u32 = 0u;         // what dy went through: 0 nothing (or planes are x), 1 ReLU, 2 ReLU and 2x2 max-pooling

@group(0) @binding(0) var<storage, read> planes: array<f32>;       // [N,C,PH,PW]
@group(0) @binding(1) var<storage, read> mask: array<u32>;         // y under ReLU, argmax under ReLU and pooling
@group(0) @binding(2) var<storage, read_write> factor: array<f32>; // [SIDE*SIDE,padded,pitch]
@group(0) @binding(3) var<uniform> params: Params;

// Row i, column j of a plane (sample * channels + channel), 0 outside. Loads stand in no branch (nor behind `&&`, which
// is one), so that all of a tile's are on their way at once.
fn pixel(plane: u32, i: u32, j: u32, there: bool) -> f32 {
    if EPILOGUE == 2u {
        // An odd last row or column is in no window.
        let p = i / 2u;
        let q = j / 2u;
        let inside = there & (i < params.h) & (j < params.w) & (p < params.ph) & (q < params.pw);
        let at = select(0u, (plane * params.ph + p) * params.pw + q, inside);
        let code = extractBits(mask[at / 4u], at % 4u * 8u, 8u);
        return select(0.0, planes[at], inside & (code == (i % 2u) * 2u + j % 2u));
    }
    let inside = there & (i < params.h) & (j < params.w);
    let at = select(0u, (plane * params.h + i) * params.w + j, inside);
    if EPILOGUE == 1u {
        return select(0.0, planes[at], inside & (bitcast<f32>(mask[at]) > 0.0));
    }
    return select(0.0, planes[at], inside);
}
