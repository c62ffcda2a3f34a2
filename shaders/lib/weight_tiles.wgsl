// What the gradients of a 3x3 weight by tiles share: sizes, bindings, g and x, and how the rows are shared out. Stands on lib/epilogue.

struct Params {
    n: u32, c: u32, h: u32, w: u32,   // x: [N,C,H,W]
    k: u32,                           // dw: [K,C,3,3]; the convolution: [N,K,H,W]
    ph: u32, pw: u32,                 // dy: [N,K,PH,PW]; H, W, or half of them when pooled
    splits: u32,                      // the N*H rows are shared out to this many partial sums
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// The gradient of the convolution before ReLU and pooling: dy[n,k,i,j] seen through the epilogue.
fn gradient(n: u32, k: u32, i: u32, j: u32) -> f32 {
    return through_epilogue(n * params.k + k, i, j, params.h, params.w);
}

// x[n,c,i,j], zero outside. Unsigned: -1 wraps round to a huge number.
fn pixel(n: u32, c: u32, i: u32, j: u32) -> f32 {
    if i >= params.h || j >= params.w { return 0.0; }
    return x[((n * params.c + c) * params.h + i) * params.w + j];
}

// First row of a split and the one after its last, of the N*H rows of the batch. Splits differ by at most one row.
fn rows_of(split: u32) -> vec2<u32> {
    let rows = params.n * params.h;
    let first = rows / params.splits * split + min(split, rows % params.splits);
    return vec2<u32>(first, first + rows / params.splits + u32(split < rows % params.splits));
}
