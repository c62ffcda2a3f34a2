// Backward through a convolution's epilogue. The kernel binds `dy` [N,K,PH,PW] and `mask` (y under ReLU, argmax under ReLU and pooling, four
// codes to a word), and its params have `ph` and `pw`: the convolution's rows and columns, or half of them when pooled.

override EPILOGUE: u32 = 0u;   // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling

// The gradient of the convolution before ReLU and pooling at row i, column j of a plane of h x w: dy seen through the epilogue.
// The plane is n * channels + channel.
fn through_epilogue(plane: u32, i: u32, j: u32, h: u32, w: u32) -> f32 {
    if EPILOGUE == 2u {
        let p = i / 2u;
        let q = j / 2u;
        if p >= params.ph || q >= params.pw { return 0.0; }   // an odd last row or column is in no window
        let at = (plane * params.ph + p) * params.pw + q;
        let code = extractBits(mask[at / 4u], at % 4u * 8u, 8u);
        return select(0.0, dy[at], code == i % 2u * 2u + j % 2u);
    }
    let at = (plane * h + i) * w + j;
    if EPILOGUE == 1u && !(bitcast<f32>(mask[at]) > 0.0) { return 0.0; }
    return dy[at];
}
