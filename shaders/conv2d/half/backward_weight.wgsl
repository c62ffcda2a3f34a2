// Convolution, gradient of w, of factors in half precision: what implicit_gemm/backward_weight computes, any window, stride and padding, with both
// factors rounded to f16 and summed up in f32: dw[k,c,u,v] = sum over n,i,j of g[n,k,i,j] * x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left].
// source: x [N,C,H,W] f16, zero outside; dy: g [N,K,outputs] f16, the gradient before the epilogue, from half/gradient; places: [4][positions] from
// implicit_gemm/places; dw: [SPLITS,K,C,KH,KW] partial sums (sum_partials adds them up, always in the same order).
// One invocation: 8 weights of each of 8 filters, 64 sums in registers. One workgroup: 128 of them, 128 of the C*KH*KW weights of 64 filters, over
// one split of the positions of all samples, in stages of 8 positions, two of them to a turn.
// Traffic: 128 x 8 f16 of x and 64 x 8 of g (3 KiB) per 65,536 multiply-adds of a stage: 43 FLOP per byte, asked of the caches, twice
// implicit_gemm. Inside, four quads (32 bytes) per 64 multiply-adds, and a table's four vec4s per 512.
// Rounding: a product of two f16 is exact in f32: all error comes from rounding the factors, 2^-11 each; gradients below 3e-8 are lost.
// Next rung: cooperative, on matrix units.

enable f16;

alias Factor = f16;

@group(0) @binding(0) var<storage, read> source: array<f16>;
@group(0) @binding(1) var<storage, read> dy: array<f16>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const EPILOGUE: u32 = 0u;                             // half/gradient went through it
fn mask_word(at: u32) -> u32 { return 0u; }           // none
