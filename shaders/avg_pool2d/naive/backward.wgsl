// Average pooling, backward: dx[n,c,r,s] = sum of dy[n,c,p,q] / (window_h * window_w) over the windows (p,q) that contain (r,s).
// dy: [N,C,OH,OW], dx: [N,C,H,W].
// One invocation: one dx, gathering from every window that contains it. One workgroup: 64 of them, no shared memory.
// Traffic: writes dx once, reads dy once per element of a window: memory-bound, mostly from the caches.
// Next rung: fixed, the same with its sizes as constants; windows that don't overlap already read dy only once per output.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

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
            sum += dy[(plane * params.oh + p) * params.ow + q];
        }
    }
    dx[index] = sum / f32(params.window_h * params.window_w);
}
