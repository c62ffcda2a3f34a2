// Convolution, gradient of w, as a matrix product that is never laid out: dw[k,c,u,v] = sum over n,i,j of g[n,k,i,j] *
// x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left]; g is dy seen through the epilogue. Any window, stride and padding.
// source: x [N,C,H,W], zero outside; dy: [N,K,outputs]; mask: y (ReLU) or argmax (pooling); places: [4][positions] from places; dw: [SPLITS,K,C,KH,KW]
// partial sums (sum_partials adds them up, always in the same order).
// One invocation: 8 weights of each of 8 filters, 64 sums in registers. One workgroup: 128 of them, 128 of the C*KH*KW weights of 64 filters, over one
// split of the positions of all samples, in stages of 8 positions.
// Traffic: 128 x 8 floats of x and 64 x 8 of g (6 KiB) per 65,536 multiply-adds of a stage: 21 FLOP per byte, asked of the caches: eight lanes read
// 32 bytes in a row, the next stages the rest of the line. Inside, four vec4s per 64 multiply-adds, and a table's four per 512.
// What belongs to a weight (its tap, its offset) is looked up in workgroup memory, what belongs to a position in `places`: neither is worked out
// again. Under pooling a lane loads one dy for all four positions of its window: only one of them gets it, the others a zero.
// The compiler for GFX1100 makes 1391 instructions of a turn of two stages under pooling (1373 without an epilogue, 1399 under ReLU), 1024 of them
// multiply-adds (74 %, 75 %, 73 %; 512 of 565 without the loads); 108 registers (120 under ReLU), no spill. While the stage was a variable and not
// written out, it was 728, 718 and 733 for one stage: 70 % at best.
// Next rung: winograd_gemm, whose transforms do 3x3 windows in fewer multiplications.

alias Factor = f32;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read> places: array<u32>;
@group(0) @binding(4) var<storage, read_write> dw: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

override EPILOGUE: u32 = 0u;                          // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling

fn mask_word(at: u32) -> u32 { return mask[at]; }
