// Convolution, gradient of x: dx[n,c,r,s] = sum over k,u,v of w[k,c,u,v] * g[n,k,i,j], where i*stride_h+u-pad_top = r and j*stride_w+v-pad_left = s.
// dy: [N,K,PH,PW]; mask: y (ReLU) or argmax (ReLU and pooling); w: [K,C,KH,KW]; dx: [N,C,H,W]; g is dy seen through the epilogue.
// One invocation: one dx, gathering from all outputs that read this x (no atomics). One workgroup: 64 of them, no shared memory.
// Traffic: two to three loads (8-12 bytes) per multiply-add, at most 1/4 FLOP per byte; with stride s only 1/s² of the taps meet an output.
// Next rung: a tile of dx in registers, as in forward: with stride 1 this is a forward convolution of g with the weight turned by 180 degrees.

struct Params {
    n: u32, c: u32, h: u32, w: u32,                   // x: [N,C,H,W]
    k: u32, kh: u32, kw: u32,                         // w: [K,C,KH,KW]
    stride_h: u32, stride_w: u32, pad_top: u32, pad_left: u32,
    oh: u32, ow: u32,                                 // the convolution: [N,K,OH,OW]
    ph: u32, pw: u32,                                 // y and dy: [N,K,PH,PW]; OH, OW, or half of them when pooled
    reserved: u32,
}

override EPILOGUE: u32 = 0u;   // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// dy[n,k,i,j] seen through the epilogue: the gradient of the convolution before ReLU and pooling.
fn gradient(n: u32, k: u32, i: u32, j: u32) -> f32 {
    if EPILOGUE == 2u {
        let p = i / 2u;
        let q = j / 2u;
        if p >= params.ph || q >= params.pw { return 0.0; }   // an odd last row or column is in no window
        let at = ((n * params.k + k) * params.ph + p) * params.pw + q;
        let code = extractBits(mask[at / 4u], at % 4u * 8u, 8u);
        return select(0.0, dy[at], code == i % 2u * 2u + j % 2u);
    }
    let at = ((n * params.k + k) * params.oh + i) * params.ow + j;
    if EPILOGUE == 1u && !(bitcast<f32>(mask[at]) > 0.0) { return 0.0; }
    return dy[at];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
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
        if r + params.pad_top < u || down % params.stride_h != 0u || i >= params.oh { continue; }
        for (var v = 0u; v < params.kw; v++) {
            let across = s + params.pad_left - v;
            let j = across / params.stride_w;
            if s + params.pad_left < v || across % params.stride_w != 0u || j >= params.ow { continue; }
            for (var k = 0u; k < params.k; k++) {
                sum += w[((k * params.c + c) * params.kh + u) * params.kw + v] * gradient(n, k, i, j);
            }
        }
    }
    dx[index] = sum;
}
