// Sizes of a pooling that are settled when the pipeline is built: divisions become multiplications, windows unroll.
override H: u32 = 2u; // x: [planes,H,W]
override W: u32 = 2u;
override WINDOW_H: u32 = 2u;
override WINDOW_W: u32 = 2u;
override STRIDE_H: u32 = 2u;
override STRIDE_W: u32 = 2u;
override OH: u32 = 1u; // y: [planes,OH,OW]
override OW: u32 = 1u;

// planes = N*C; the rest is what the constants say.
struct Params {
    planes: u32, h: u32, w: u32, window_h: u32, window_w: u32, stride_h: u32, stride_w: u32, oh: u32, ow: u32,
    reserved0: u32, reserved1: u32, reserved2: u32,
}

// Most windows that contain an element of x, down and across.
override OVERLAP_H: u32 = (WINDOW_H + STRIDE_H - 1u) / STRIDE_H;
override OVERLAP_W: u32 = (WINDOW_W + STRIDE_W - 1u) / STRIDE_W;
