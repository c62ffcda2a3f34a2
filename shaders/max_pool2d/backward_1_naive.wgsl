// Max-pooling, backward: dx[n,c,r,s] = sum of dy[n,c,p,q] over the windows (p,q) whose maximum was at (r,s).
// dy: [N,C,OH,OW], argmax: u8 as dy, packed four to a u32, dx: [N,C,H,W].
// One invocation: one dx, asking every window that contains it (one, if windows don't overlap). One workgroup: 64 of them.
// Traffic: writes dx once, reads dy and argmax once per element of a window: memory-bound, mostly from the caches.
// Next rung: fused into the convolution's backward kernels, which read dy through argmax; dx is never written.

struct Params {
    planes: u32, h: u32, w: u32,          // x: [planes,H,W], planes = N*C
    window_h: u32, window_w: u32, stride_h: u32, stride_w: u32,
    oh: u32, ow: u32,                     // y: [planes,OH,OW]
    reserved0: u32, reserved1: u32, reserved2: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> argmax: array<u32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.planes * params.h * params.w { return; }
    let s = index % params.w;
    let r = index / params.w % params.h;
    let plane = index / (params.w * params.h);

    // Windows that contain (r,s): p * stride_h <= r < p * stride_h + window_h, and q likewise.
    let p_first = select((r - params.window_h) / params.stride_h + 1u, 0u, r < params.window_h);
    let q_first = select((s - params.window_w) / params.stride_w + 1u, 0u, s < params.window_w);
    let p_last = min(r / params.stride_h, params.oh - 1u);
    let q_last = min(s / params.stride_w, params.ow - 1u);

    var sum = 0.0;
    for (var p = p_first; p <= p_last; p++) {
        for (var q = q_first; q <= q_last; q++) {
            let at = (plane * params.oh + p) * params.ow + q;
            let code = extractBits(argmax[at / 4u], at % 4u * 8u, 8u);
            if code == (r - p * params.stride_h) * params.window_w + s - q * params.stride_w {
                sum += dy[at];
            }
        }
    }
    dx[index] = sum;
}
