// Gradient of a 3x3 weight ('same', stride 1): dw[k,c,u,v] = sum over n,i,j of g[n,k,i,j] * x[n,c,i+u-1,j+v-1]; subgroups of 8 lanes.
// g: [K][chunk][H][QUADS] vec4, x: [C][chunk][H+2][QUADS] vec4 (subgroup/pack_rows); dw: [SPLITS,K,C,3,3] partial sums (sum_partials adds them up).
// One invocation (lane): one channel, all taps of 16 filters, 144 sums in registers. One workgroup: one subgroup, 8 channels x 16 filters.
// Traffic: 2 + 3 vec4 loads per 576 multiply-adds of a lane, 14 FLOP per byte; the taps of a row are the same two vec4s, shifted by renaming components.
// Next rung: loads through uniform windows, many times cheaper on a CPU driver: im2col, Winograd; with few channels gather_windows/backward_weight.

struct Params {
    n: u32, c: u32, h: u32, quads: u32,   // samples of this chunk, channels, rows, vec4s of a row
    k: u32,
    first_split: u32, splits: u32,        // of all partial sums, those of this chunk
    reserved: u32,
}

const FILTERS: u32 = 16u;

@group(0) @binding(0) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// Three taps of a row for one filter: a is its gradient of four pixels; the pixels' left, own and right x.
fn taps(a: vec4<f32>, left: vec4<f32>, middle: vec4<f32>, right: vec4<f32>) -> vec3<f32> {
    return vec3<f32>(dot(a, left), dot(a, middle), dot(a, right));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let c = group.x * 8u + lane;
    let k = group.y * FILTERS;
    // Lanes beyond the last channel and filter repeat it; what they compute is not written.
    let channel = min(c, params.c - 1u) * params.n;
    let filter0 = min(k + lane, params.k - 1u) * params.n;
    let filter1 = min(k + 8u + lane, params.k - 1u) * params.n;
    // Splits differ by at most one row.
    let rows = params.n * params.h;
    let from_row = rows / params.splits * group.z + min(group.z, rows % params.splits);
    let to_row = from_row + rows / params.splits + u32(group.z < rows % params.splits);

    var upper: array<vec3<f32>, FILTERS>;             // tap rows u = 0, 1, 2; component: v
    var central: array<vec3<f32>, FILTERS>;
    var lower: array<vec3<f32>, FILTERS>;
    for (var row = from_row; row < to_row; row++) {
        let n = row / params.h;
        let i = row % params.h;
        let at_g0 = ((filter0 + n) * params.h + i) * params.quads;
        let at_g1 = ((filter1 + n) * params.h + i) * params.quads;
        let at_x = ((channel + n) * (params.h + 2u) + i) * params.quads;   // x has a row of zeros above
        let down = params.quads;

        var before0 = 0.0;                            // the pixel left of the quad, in each of the three rows
        var before1 = 0.0;
        var before2 = 0.0;
        var x0 = x[at_x];
        var x1 = x[at_x + down];
        var x2 = x[at_x + 2u * down];
        for (var q = 0u; q < params.quads; q++) {
            // Right of the last quad are zeros.
            let next = min(q + 1u, params.quads - 1u);
            let inside = q + 1u < params.quads;
            let y0 = x[at_x + next];
            let y1 = x[at_x + down + next];
            let y2 = x[at_x + 2u * down + next];
            let l0 = vec4<f32>(before0, x0.xyz);
            let l1 = vec4<f32>(before1, x1.xyz);
            let l2 = vec4<f32>(before2, x2.xyz);
            let r0 = vec4<f32>(x0.yzw, select(0.0, y0.x, inside));
            let r1 = vec4<f32>(x1.yzw, select(0.0, y1.x, inside));
            let r2 = vec4<f32>(x2.yzw, select(0.0, y2.x, inside));
            // Lane i loads filters i and i + 8; a shuffle with a constant lane then shares each with all lanes.
            let own = array<vec4<f32>, 2>(g[at_g0 + q], g[at_g1 + q]);
            for (var f = 0u; f < FILTERS; f++) {
                let a = subgroupShuffle(own[f / 8u], f % 8u);
                upper[f] += taps(a, l0, x0, r0);
                central[f] += taps(a, l1, x1, r1);
                lower[f] += taps(a, l2, x2, r2);
            }
            before0 = x0.w;
            before1 = x1.w;
            before2 = x2.w;
            x0 = y0;
            x1 = y1;
            x2 = y2;
        }
    }

    for (var f = 0u; f < FILTERS; f++) {              // no break: the loop must unroll, or the sums leave their registers
        if k + f < params.k && c < params.c {
            let at = (((params.first_split + group.z) * params.k + k + f) * params.c + c) * 9u;
            for (var v = 0u; v < 3u; v++) {
                dw[at + v] = upper[f][v];
                dw[at + 3u + v] = central[f][v];
                dw[at + 6u + v] = lower[f][v];
            }
        }
    }
}
