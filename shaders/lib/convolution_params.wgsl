// Sizes of any convolution: `conv2d::geometry::Params` in Rust.
struct Params {
    n: u32, c: u32, h: u32, w: u32,                   // x: [N,C,H,W]
    k: u32, kh: u32, kw: u32,                         // w: [K,C,KH,KW]
    stride_h: u32, stride_w: u32, pad_top: u32, pad_left: u32,
    oh: u32, ow: u32,                                 // the convolution: [N,K,OH,OW]
    ph: u32, pw: u32,                                 // y and dy: [N,K,PH,PW]; OH, OW, or half of them when pooled
    splits: u32,                                      // partial sums of conv2d/naive/backward_weight
}
