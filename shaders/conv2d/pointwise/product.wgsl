// Convolution with a 1x1 window, any stride, no padding: a plain matrix product, y[n,k,p] = b[k] + sum over c of w[k,c] * x[n,c,p], and the
// gradient of x, which is the same over g with the weight turned.
// source: [chunk,C,positions]; weight: [steps][K/4] vec4s, from implicit_gemm/pack_weight, 0 behind the last channel; b: [K]; y: [N,K,positions].
// One invocation: 8 positions by 8 channels of the result, 64 sums in registers. One workgroup: 128 of them, 128 positions of all samples in a row by
// 64 channels, in stages of 8 channels of the source.
// Traffic: 128 x 8 floats of the source and 64 x 8 of the weight (6 KiB) per 65,536 multiply-adds of a stage: 21 FLOP per byte of memory and
// caches, and the source comes once per 64 channels of the result. Inside, four vec4s (64 bytes) per 64 multiply-adds.
//
// What is gained over implicit_gemm, which runs 1x1 windows, too: nothing is looked up and nothing is outside. Where a position lies is worked out
// once; from one channel to the next it is one addition. And four neighbours of a plane are one load where planes allow it.
// Both stages of a turn are written out: their places in workgroup memory are constants of the instructions.
// Next rung: none; half and cooperative for those who ask for 16-bit factors.

alias Factor = f32;

@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
// source, y and params are bound by lib/pointwise_quads or lib/pointwise_single.

override RELU: u32 = 0u;
override BIAS: u32 = 1u;                              // 0: the gradient of x, which has no bias (b is bound, but not added)

struct Params {
    first: u32, n: u32,                               // the source holds samples first … first+n-1 of the batch
    c: u32, k: u32,                                   // channels of the source, of the result
    down: u32, across: u32,                           // positions of a sample
    plane: u32, row: u32, column: u32,                // of the source: from one channel, position row and position column to the next
    height: u32, width: u32,                          // of a plane of the result
    up: u32, right: u32,                              // of the result: from one position's row and column to the next; between them are zeros
    steps: u32,                                       // channels of the source, padded to whole stages
    quads: u32,                                       // vec4s of a row of the packed weight
    reserved: u32,
}

// Load a stage (step is its first channel) into one half of the tiles while the one before, in the other half, is multiplied.
fn advance(stage: u32, step: u32, loads: bool, multiplies: bool, lane: u32, place: Place, at_w: u32, sums: ptr<function, Sums>) {
    var x: Loaded;
    var w: vec4<f32>;
    if loads {
        w = weight[at_w + step * params.quads];
        x = load(place, step);
    }
    if multiplies { stage_product(sums, 1u - stage, lane % 16u, lane / 16u); }
    if loads {
        put(stage, lane, x);
        let s = lane / 16u;
        columns[lane % 16u / 8u][stage][s / 2u][s % 2u][lane % 8u] = Quad(w.x, w.y, w.z, w.w);
    }
    workgroupBarrier();
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group.y * ROWS, lane);
    let at_w = lane / 16u * params.quads + group.x * 16u + lane % 16u;
    var sums: Sums;
    advance(0u, 0u, true, false, lane, place, at_w, &sums);
    for (var step = STEP; ; step += 2u * STEP) {
        advance(1u, step, step < params.steps, true, lane, place, at_w, &sums);
        if step >= params.steps { break; }
        advance(0u, step + STEP, step + STEP < params.steps, true, lane, place, at_w, &sums);
        if step + STEP >= params.steps { break; }
    }

    for (var q = 0u; q < 2u; q++) {
        for (var g = 0u; g < 2u; g++) {
            let at = g * 8u + q * 4u;
            let k = group.x * COLUMNS + (g * 8u + lane / 16u) * 4u;
            for (var c = 0u; c < 4u; c++) {
                if k + c >= params.k { continue; }
                var z = vec4<f32>(sums[at][c], sums[at + 1u][c], sums[at + 2u][c], sums[at + 3u][c]);
                if BIAS == 1u { z += b[k + c]; }
                if RELU == 1u { z = max(z, vec4<f32>(0.0)); }
                store(group.y * ROWS + (q * 16u + lane % 16u) * 4u, k + c, z);
            }
        }
    }
}
