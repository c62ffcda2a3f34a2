// Convolution, forward: y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left], then ReLU.
// x: [N,C,H,W], zero outside; w: [K,C,KH,KW]; b: [K]; y: [N,K,OH,OW].
// One invocation: one output. One workgroup: 64 outputs that follow each other in memory, no shared memory.
// Traffic: two loads (8 bytes) per multiply-add (2 FLOPs), 1/4 FLOP per byte; only the caches save it, so bound by loads.
// Next rung: a tile of outputs per invocation, held in registers: every loaded x serves several filters, every w several pixels.

override RELU: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.n * params.k * params.oh * params.ow { return; }
    let j = index % params.ow;
    let i = index / params.ow % params.oh;
    let k = index / (params.ow * params.oh) % params.k;
    let n = index / (params.ow * params.oh * params.k);

    var sum = convolution(n, k, i, j);
    if RELU == 1u { sum = max(sum, 0.0); }
    y[index] = sum;
}
