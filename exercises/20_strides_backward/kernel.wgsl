// Convolution, gradient of x: dx[n,c,r,s] = sum over k,u,v of w[k,c,u,v] * g[n,k,i,j], where i*stride_h+u-pad_top = r and j*stride_w+v-pad_left = s.
// dy: [N,K,PH,PW]; mask: y (ReLU) or argmax (ReLU and pooling); w: [K,C,KH,KW]; dx: [N,C,H,W]; g is dy seen through the epilogue.
// One invocation: one dx, gathering from all outputs that read this x (no atomics). One workgroup: 64 of them, no shared memory.
// Traffic: two to three loads (8-12 bytes) per multiply-add, at most 1/4 FLOP per byte; with stride s only 1/s² of the taps meet an output.
// Next rung: a tile of dx in registers, as in forward: with stride 1 this is a forward convolution of g with the weight turned by 180 degrees.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// dy[n,k,i,j] seen through the epilogue: the gradient of the convolution before ReLU and pooling.
fn gradient(n: u32, k: u32, i: u32, j: u32) -> f32 {
    return through_epilogue(n * params.k + k, i, j, params.oh, params.ow);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.n * params.c * params.h * params.w { return; }
    let s = index % params.w;
    let r = index / params.w % params.h;
    let c = index / (params.w * params.h) % params.c;
    let n = index / (params.w * params.h * params.c);

    var sum = 0.0;
    for (var u = 0u; u < params.kh; u++) {
        // r = i * stride_h + u - pad_top has a solution i only if the stride divides.
        let down = r + params.pad_top - u;
        let i = down / params.stride_h;
        if r + params.pad_top < u || i >= params.oh { continue; }
        for (var v = 0u; v < params.kw; v++) {
            let across = s + params.pad_left - v;
            let j = across / params.stride_w;
            if s + params.pad_left < v || j >= params.ow { continue; }
            for (var k = 0u; k < params.k; k++) {
                sum += w[((k * params.c + c) * params.kh + u) * params.kw + v] * gradient(n, k, i, j);
            }
        }
    }
    dx[index] = sum;
}
