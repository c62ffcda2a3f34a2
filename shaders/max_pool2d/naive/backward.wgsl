// Max-pooling, backward: dx[n,c,r,s] = sum of dy[n,c,p,q] over the windows (p,q) whose maximum was at (r,s).
// dy: [N,C,OH,OW], argmax: u8 as dy, packed four to a u32, dx: [N,C,H,W].
// One invocation: one dx, asking every window that contains it (one, if windows don't overlap). One workgroup: 64 of them.
// Traffic: writes dx once, reads dy and argmax once per element of a window: memory-bound, mostly from the caches.
// Next rung: fixed, the same with its sizes as constants. Beyond: fused into the convolution's backward kernels, which read dy through argmax; dx is never written.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> argmax: array<u32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.planes * params.h * params.w { return; }
    let s = index % params.w;
    let r = index / params.w % params.h;
    let plane = index / (params.w * params.h);

    let w = windows_of(r, s);
    var sum = 0.0;
    for (var p = w.x; p <= w.y; p++) {
        for (var q = w.z; q <= w.w; q++) {
            let at = (plane * params.oh + p) * params.ow + q;
            let code = extractBits(argmax[at / 4u], at % 4u * 8u, 8u);
            if code == (r - p * params.stride_h) * params.window_w + s - q * params.stride_w {
                sum += dy[at];
            }
        }
    }
    dx[index] = sum;
}
