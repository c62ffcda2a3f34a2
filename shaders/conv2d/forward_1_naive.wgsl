// Convolution, forward: y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left], then ReLU.
// x: [N,C,H,W], zero outside; w: [K,C,KH,KW]; b: [K]; y: [N,K,OH,OW].
// One invocation: one output. One workgroup: 64 outputs that follow each other in memory, no shared memory.
// Traffic: two loads (8 bytes) per multiply-add (2 FLOPs), 1/4 FLOP per byte; only the caches save it, so bound by loads.
// Next rung: a tile of outputs per invocation, held in registers: every loaded x serves several filters, every w several pixels.

struct Params {
    n: u32, c: u32, h: u32, w: u32,                   // x: [N,C,H,W]
    k: u32, kh: u32, kw: u32,                         // w: [K,C,KH,KW]
    stride_h: u32, stride_w: u32, pad_top: u32, pad_left: u32,
    oh: u32, ow: u32,                                 // the convolution: [N,K,OH,OW]
    ph: u32, pw: u32,                                 // y and dy: [N,K,PH,PW]; OH, OW, or half of them when pooled
    reserved: u32,
}

override RELU: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.n * params.k * params.oh * params.ow { return; }
    let j = index % params.ow;
    let i = index / params.ow % params.oh;
    let k = index / (params.ow * params.oh) % params.k;
    let n = index / (params.ow * params.oh * params.k);

    var sum = b[k];
    for (var c = 0u; c < params.c; c++) {
        var window = 0.0;              // short sums first: rounding grows with the length of a sum
        for (var u = 0u; u < params.kh; u++) {
            // Unsigned: a row above x wraps round to a huge number, so one compare covers both edges.
            let row = i * params.stride_h + u - params.pad_top;
            if row >= params.h { continue; }
            for (var v = 0u; v < params.kw; v++) {
                let column = j * params.stride_w + v - params.pad_left;
                if column >= params.w { continue; }
                window += w[((k * params.c + c) * params.kh + u) * params.kw + v]
                     * x[((n * params.c + c) * params.h + row) * params.w + column];
            }
        }
        sum += window;
    }
    if RELU == 1u { sum = max(sum, 0.0); }
    y[index] = sum;
}
