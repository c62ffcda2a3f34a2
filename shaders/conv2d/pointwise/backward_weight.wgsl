// Convolution with a 1x1 window, any stride, no padding, gradient of w: dw[k,c] = sum over n and positions p of g[n,k,p] * x[n,c,p]; g is dy where y
// is positive under ReLU, else dy.
// x: [N,C,H,W], of which position (i,j) is at i*row + j*column of a plane; dy: [N,K,positions]; mask: y under ReLU; dw: [SPLITS,K,C] partial sums
// (sum_partials adds them up, always in the same order).
// One invocation: 8 channels of x by 8 filters, 64 sums in registers. One workgroup: 128 of them, 128 channels by 64 filters, over one split of the
// positions of all samples, in stages of 8 positions.
// Traffic: 128 x 8 floats of x and 64 x 8 of g (6 KiB; 2 KiB more for the mask) per 65,536 multiply-adds of a stage: 21 FLOP per byte, asked of the
// caches: eight lanes read 32 bytes in a row, the next stages the rest of the line. Inside, four vec4s (64 bytes) per 64 multiply-adds.
// What is gained over implicit_gemm: no table, no taps, nothing outside; from one channel of a position to the next it is one addition.
// Next rung: none.

alias Factor = f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

override RELU: u32 = 0u;
override STRIDED: u32 = 0u;                           // 0: position p is element p of a plane of x

struct Params {
    n: u32, c: u32, k: u32,
    positions: u32, across: u32,                      // of a sample, of a row of them
    plane: u32, row: u32, column: u32,                // of x: from one channel, position row and position column to the next
    split: u32,                                       // positions that a split sums over, a multiple of STEP
    reserved0: u32, reserved1: u32, reserved2: u32,
}

// What a lane loads: position p of sample n, which is in row i and column j.
struct Walk { n: u32, p: u32, i: u32, j: u32 }

// Load a stage into one half of the tiles while the one before, in the other half, is multiplied. Channels and filters that do not exist have
// sums of their own, which nobody reads: what they are made of does not matter.
fn advance(stage: u32, loads: bool, multiplies: bool, lane: u32, at_c: u32, at_k: u32, walk: ptr<function, Walk>, sums: ptr<function, Sums>) {
    let s = lane % STEP;
    let r = lane / STEP;
    var a: array<f32, 8>;
    var g: array<f32, 4>;
    var m: array<f32, 4>;
    var real = false;
    if loads {
        let z = *walk;
        // Behind the last sample g is 0, and x is that of the first.
        real = z.n < params.n;
        let n = select(0u, z.n, real);
        let place = n * params.c * params.plane + select(z.p, z.i * params.row + z.j * params.column, STRIDED == 1u) + at_c;
        for (var q = 0u; q < 8u; q++) { a[q] = x[place + (q / 4u * 64u + q % 4u) * params.plane]; }
        let at_g = n * params.k * params.positions + z.p + at_k;
        for (var q = 0u; q < 4u; q++) {
            g[q] = dy[at_g + q * params.positions];
            if RELU == 1u { m[q] = mask[at_g + q * params.positions]; }
        }
        let p = z.p + STEP % params.positions;
        let wrapped = p >= params.positions;
        (*walk).p = p - select(0u, params.positions, wrapped);
        (*walk).n = z.n + STEP / params.positions + u32(wrapped);
        if STRIDED == 1u {
            let j = z.j + STEP % params.across;
            let right = j >= params.across;
            let down = params.positions / params.across;
            let i = z.i + STEP / params.across % down + u32(right);
            (*walk).j = j - select(0u, params.across, right);
            (*walk).i = i - select(0u, down, i >= down);
        }
    }
    if multiplies { stage_product(sums, 1u - stage, lane % 16u, lane / 16u); }
    if loads {
        for (var q = 0u; q < 2u; q++) { rows[q][stage][s / 2u][s % 2u][r] = Quad(a[4u * q], a[4u * q + 1u], a[4u * q + 2u], a[4u * q + 3u]); }
        var z: Quad;
        for (var q = 0u; q < 4u; q++) { z[q] = select(0.0, g[q], real && (RELU == 0u || m[q] > 0.0)); }
        columns[r / 8u][stage][s / 2u][s % 2u][r % 8u] = z;
    }
    workgroupBarrier();
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // An invocation loads one position per stage: of two quads of channels (r, r+16), and of a quad of filters.
    let at_c = (group.y * ROWS + lane / STEP * 4u) * params.plane;
    let at_k = (group.x * COLUMNS + lane / STEP * 4u) * params.positions;
    let start = group.z * params.split;
    let end = min(start + params.split, params.n * params.positions);
    let first = start + lane % STEP;
    let p = first % params.positions;
    var walk = Walk(first / params.positions, p, p / params.across, p % params.across);
    var sums: Sums;
    // One turn more than there are stages: each loads a stage and computes the one before.
    let stages = (end - start + STEP - 1u) / STEP;
    advance(0u, true, false, lane, at_c, at_k, &walk, &sums);
    for (var turn = 1u; ; turn += 2u) {
        advance(1u, turn < stages, true, lane, at_c, at_k, &walk, &sums);
        if turn >= stages { break; }
        advance(0u, turn + 1u < stages, true, lane, at_c, at_k, &walk, &sums);
        if turn + 1u >= stages { break; }
    }

    for (var q = 0u; q < 2u; q++) {
        for (var o = 0u; o < 8u; o++) {
            let at = o / 4u * 8u + q * 4u;
            let filter_ = group.x * COLUMNS + (o / 4u * 8u + lane / 16u) * 4u + o % 4u;
            let c = group.y * ROWS + (q * 16u + lane % 16u) * 4u;
            for (var z = 0u; z < 4u; z++) {
                if filter_ < params.k && c + z < params.c { dw[(group.z * params.k + filter_) * params.c + c + z] = sums[at + z][o % 4u]; }
            }
        }
    }
}
