// Max-pooling, backward: dx[n,c,r,s] = sum of dy[n,c,p,q] over the windows (p,q) whose maximum was at (r,s).
// dy: [N,C,OH,OW]; argmax: u8 as dy, packed four to a u32; dx: [N,C,H,W], viewed as vec4s; the last vec4 reaches into the padding.
// All sizes are constants of the pipeline.
// One invocation: four dx that follow each other in memory, each asking every window that contains it. One workgroup: 64 of them.
// Traffic: writes dx once, by vec4s; reads dy and argmax once per element of a window, mostly from the caches: memory-bound.
// Next rung: fused into the convolution's backward kernels, which read dy through argmax; dx is never written.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> argmax: array<u32>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

// Sum of dy over the windows whose maximum was at element index of x, 0 behind its end.
fn gather(index: u32) -> f32 {
    let row = index / W; // of all planes' rows
    let plane = row / H;
    let r = row - plane * H;
    let s = index - row * W;
    var sum = 0.0;
    for (var a = OVERLAP_H; a > 0u; a--) {
        for (var b = OVERLAP_W; b > 0u; b--) {
            let p = r / STRIDE_H + 1u - a; // below 0 it wraps to a large number
            let q = s / STRIDE_W + 1u - b;
            let u = r - p * STRIDE_H;
            let v = s - q * STRIDE_W;
            let inside = p < OH && q < OW && u < WINDOW_H && v < WINDOW_W && plane < params.planes;
            // Loads without a branch: all of an invocation's are in flight at once.
            let at = select(0u, (plane * OH + p) * OW + q, inside);
            let code = extractBits(argmax[at / 4u], at % 4u * 8u, 8u);
            sum += select(0.0, dy[at], inside && code == u * WINDOW_W + v);
        }
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quad = id.y * groups.x * 64u + id.x;
    let at = 4u * quad;
    if at >= params.planes * H * W { return; }
    dx[quad] = vec4<f32>(gather(at), gather(at + 1u), gather(at + 2u), gather(at + 3u));
}
