// Sizes of a pooling, and the windows that contain an element of x.
struct Params {
    planes: u32, h: u32, w: u32,          // x: [planes,H,W], planes = N*C
    window_h: u32, window_w: u32, stride_h: u32, stride_w: u32,
    oh: u32, ow: u32,                     // y: [planes,OH,OW]
    reserved0: u32, reserved1: u32, reserved2: u32,
}

// First and last window row, first and last window column whose windows contain (r,s): p * stride_h <= r < p * stride_h + window_h.
fn windows_of(r: u32, s: u32) -> vec4<u32> {
    let p_first = select((r - params.window_h) / params.stride_h + 1u, 0u, r < params.window_h);
    let q_first = select((s - params.window_w) / params.stride_w + 1u, 0u, s < params.window_w);
    let p_last = min(r / params.stride_h, params.oh - 1u);
    let q_last = min(s / params.stride_w, params.ow - 1u);

    return vec4<u32>(p_first, p_last, q_first, q_last);
}
