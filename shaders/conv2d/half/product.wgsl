// Convolution as a matrix product that is never laid out, of factors in half precision: what implicit_gemm/product computes, any window, stride and
// padding, forward and (TURNED) the gradient of x, with both factors rounded to f16 and summed up in f32.
// source: [chunk,C,H,W] f16, zero outside; weight: [PHASES,steps,quads] f16 vec4s, both from half/convert or half/gradient; taps: [PHASES,steps/8];
// b: [K]; y: [N,K,OH,OW], or [N,K,PH,PW] and the codes of argmax under ReLU and pooling, which is over sums in f32.
// One invocation: 8 positions by 8 channels of the result, 64 sums in registers. One workgroup: 128 of them, 128 positions by 64 channels, in
// stages of 8 steps of the contraction (c,u,v), two of them to a turn.
// Traffic: 128 x 8 f16 of the source and 64 x 8 of the weight (3 KiB) per 65,536 multiply-adds of a stage: 43 FLOP per byte, twice implicit_gemm;
// inside, four quads (32 bytes) per 64 multiply-adds. A GPU multiplies as fast as in f32 (v_fma_mix_f32 takes f16 factors as they are): what is
// saved is bytes, in memory, caches and workgroup memory, which a card bound by them gives back as time.
// A product of two f16 is exact in f32: all error comes from rounding the factors, 2^-11 each.
// Next rung: cooperative, on matrix units, which multiply 16x16 by 16x16 in one instruction.

enable f16;

alias Factor = f16;

@group(0) @binding(0) var<storage, read> source: array<f16>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> taps: array<Taps>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
// y (codes) and params are bound by lib/implicit_gemm_plain or lib/implicit_gemm_pooled.

// Result (i,j) of a phase in sample n of the source.
fn place_in(phase: Phase, n: u32, i: u32, j: u32) -> Place {
    return place(n * params.c * params.h * params.w, i * phase.down + phase.top, j * phase.right + phase.left, phase.taps_h, phase.taps_w);
}

// Load a stage (step is its first) into one half of the tiles while the one before, in the other half, is multiplied.
fn advance(stage: u32, step: u32, loads: bool, multiplies: bool, lane: u32, place: Place, at_w: u32, sums: ptr<function, Sums>) {
    var x: array<Factor, STEP>;
    var real: array<bool, STEP>;
    var w: vec4<f16>;
    if loads {
        w = weight[at_w + step * params.quads];
        let t = taps[step / STEP];
        for (var s = 0u; s < STEP; s++) {
            real[s] = reads(place, t.code[s / 4u][s % 4u]);
            x[s] = fetch(place, t.offset[s / 4u][s % 4u], real[s]);
        }
    }
    if multiplies { stage_product(sums, 1u - stage, lane % 16u, lane / 16u); }
    if loads {
        for (var s = 0u; s < STEP; s++) { rows[lane / 64u][stage][s / 2u][s % 2u][lane % 64u / 4u][lane % 4u] = select(Factor(0.0), x[s], real[s]); }
        let s = lane / 16u;
        columns[lane % 16u / 8u][stage][s / 2u][s % 2u][lane % 8u] = Quad(w.x, w.y, w.z, w.w);
    }
    workgroupBarrier();
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let phase = phase_of(group.z);
    let place = place_of(phase, group.y * ROWS + lane);
    let first = group.z * params.steps;               // of the phase's steps
    let end = first + params.steps;
    let at_w = lane / 16u * params.quads + group.x * 16u + lane % 16u;
    var sums: Sums;
    advance(0u, first, true, false, lane, place, at_w, &sums);
    for (var step = first + STEP; ; step += 2u * STEP) {
        advance(1u, step, step < end, true, lane, place, at_w, &sums);
        if step >= end { break; }
        advance(0u, step + STEP, step + STEP < end, true, lane, place, at_w, &sums);
        if step + STEP >= end { break; }
    }

    for (var q = 0u; q < 2u; q++) {
        for (var g = 0u; g < 2u; g++) {
            let at = g * 8u + q * 4u;
            store(group.y * ROWS + (q * 16u + lane % 16u) * 4u, group.x * COLUMNS + (g * 8u + lane / 16u) * 4u, phase,
                  array<vec4<f32>, 4>(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]));
        }
    }
}
