// Average pooling, backward: dx[n,c,r,s] = sum of dy[n,c,p,q] / (window_h * window_w) over the windows (p,q) that contain (r,s).
// dy: [N,C,OH,OW], dx: [N,C,H,W].
// One invocation: one dx, gathering from every window that contains it. One workgroup: 64 of them, no shared memory.
// Traffic: writes dx once, reads dy once per element of a window: memory-bound, mostly from the caches.
// Next rung: none planned; windows that don't overlap already read dy only once per output.

struct Params {
    planes: u32, h: u32, w: u32,          // x: [planes,H,W], planes = N*C
    window_h: u32, window_w: u32, stride_h: u32, stride_w: u32,
    oh: u32, ow: u32,                     // y: [planes,OH,OW]
    reserved0: u32, reserved1: u32, reserved2: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

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
            sum += dy[(plane * params.oh + p) * params.ow + q];
        }
    }
    dx[index] = sum / f32(params.window_h * params.window_w);
}
