// Convolution as a matrix product that is never laid out (implicit GEMM), any window, stride and padding: y[n,k,i,j] = b[k] +
// sum over c,u,v of w[k,c,u,v] * x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left]. TURNED, it is the gradient of x over g in place of x.
// source: [chunk,C,H,W], zero outside; weight: [PHASES,steps,quads*4] and taps: [PHASES,steps/8] from pack_weight; b: [K]; y: [N,K,OH,OW].
// One invocation: 8 positions by 8 channels of the result, 64 sums in registers. One workgroup: 128 of them, 128 positions (i,j of all samples in
// a row) by 64 channels, in stages of 8 steps of the contraction (c,u,v).
// Traffic: 128 x 8 floats of the source and 64 x 8 of the weight (6 KiB) per 65,536 multiply-adds of a stage: 21 FLOP per byte, asked of the caches;
// from memory a source comes once per KH*KW taps, which read the same lines. Inside, four vec4s (64 bytes) per 64 multiply-adds.
//
// Why it is laid out as it is:
// - Who computes nothing must not spend instructions. A lane loads one position for the whole product: what depends on the position (where its
//   window begins, which taps are inside: a bit per row and column) is worked out once. What depends on the step is the same for all lanes: it
//   stands in a table, at an address that is uniform, so that the scalar unit fetches it. A load is left with an addition and a test of two bits.
// - Neighbouring lanes load neighbouring positions of one tap: whole cache lines, where the stride is 1.
// - The next stage is loaded in a branch of its own. Were it loaded always, a compiler may move the loads to where they are used, behind the
//   multiply-adds that should hide them (Mesa's for AMD does).
// The compiler for GFX1100 makes 704 instructions of a stage, loads and barrier included, 512 of them multiply-adds (73 %; 512 of 570 without the
// loads); 108 registers, no spill. Predicted were 643: what it waits for, and what clears registers after the last stage, was not foreseen.
// Next rung: winograd_gemm, whose transforms do 3x3 windows in fewer multiplications and leave no index to work out per step.

alias Factor = f32;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> taps: array<Taps>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
// y (codes) and params are bound by lib/implicit_gemm_plain or lib/implicit_gemm_pooled.

// Result (i,j) of a phase in sample n of the source.
fn place_in(phase: Phase, n: u32, i: u32, j: u32) -> Place {
    return place(n * params.c * params.h * params.w, i * phase.down + phase.top, j * phase.right + phase.left, phase.taps_h, phase.taps_w);
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let phase = phase_of(group.z);
    let place = place_of(phase, group.y * ROWS + lane);
    let first = group.z * params.steps;               // of the phase's steps
    let row_w = params.quads * 4u;
    var at_w = (first + lane / COLUMNS) * row_w + group.x * COLUMNS + lane % COLUMNS;

    var x: array<f32, STEP>;
    var real: array<bool, STEP>;
    var t = taps[first / STEP];
    for (var s = 0u; s < STEP; s++) {
        real[s] = reads(place, t.code[s / 4u][s % 4u]);
        x[s] = fetch(place, t.offset[s / 4u][s % 4u], real[s]);
    }
    for (var s = 0u; s < STEP; s++) { rows[lane / 64u][0][s / 2u][s % 2u][lane % 64u / 4u][lane % 4u] = select(0.0, x[s], real[s]); }
    var w: array<f32, 4>;
    for (var q = 0u; q < 4u; q++) { w[q] = weight[at_w + q * 2u * row_w]; }
    for (var q = 0u; q < 4u; q++) { columns[lane % 64u / 32u][0][q][lane / 64u][lane % 32u / 4u][lane % 4u] = w[q]; }
    workgroupBarrier();

    let p = lane % 16u;
    let f = lane / 16u;
    var sums: Sums;
    var stage = 0u;
    for (var step = STEP; step <= params.steps; step += STEP) {
        // Start the loads of the next stage now; they arrive while this one is computed.
        var x: array<f32, STEP>;
        var real: array<bool, STEP>;
        var w: array<f32, 4>;
        if step < params.steps {
            at_w += STEP * row_w;
            for (var q = 0u; q < 4u; q++) { w[q] = weight[at_w + q * 2u * row_w]; }
            let t = taps[(first + step) / STEP];
            for (var s = 0u; s < STEP; s++) {
                real[s] = reads(place, t.code[s / 4u][s % 4u]);
                x[s] = fetch(place, t.offset[s / 4u][s % 4u], real[s]);
            }
        }
        stage_product(&sums, stage, p, f);
        stage = 1u - stage;
        if step != params.steps {
            // What was loaded last comes first: it is what the others wait for, too.
            for (var q = 0u; q < STEP; q++) {
                let s = STEP - 1u - q;
                rows[lane / 64u][stage][s / 2u][s % 2u][lane % 64u / 4u][lane % 4u] = select(0.0, x[s], real[s]);
            }
            for (var q = 0u; q < 4u; q++) { columns[lane % 64u / 32u][stage][q][lane / 64u][lane % 32u / 4u][lane % 4u] = w[q]; }
        }
        workgroupBarrier();
    }

    for (var q = 0u; q < 2u; q++) {
        for (var g = 0u; g < 2u; g++) {
            let at = g * 8u + q * 4u;
            store(group.y * ROWS + (q * 16u + p) * 4u, group.x * COLUMNS + (g * 8u + f) * 4u, phase,
                  array<vec4<f32>, 4>(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]));
        }
    }
}
