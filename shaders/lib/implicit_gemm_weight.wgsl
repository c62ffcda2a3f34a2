// The loop of the implicit products that are a gradient of w, whatever their factors are: dw is a product of x, laid out by taps, and g, summed over
// a split of the positions. A kernel binds `source`, `dy`, `places`, `dw` and `params`; it says what a Factor is, which EPILOGUE g is read through,
// and what `mask_word` is, a word of that one's mask. Stands on lib/gemm_tile, lib/implicit_gemm_taps and lib/implicit_gemm_source.

struct Params {
    n: u32, c: u32, h: u32, w: u32,                   // x: [N,C,H,W]
    k: u32, kh: u32, kw: u32,                         // w: [K,C,KH,KW]
    outputs: u32,                                     // of a sample and filter: dy is [N,K,outputs]
    positions: u32,                                   // as many, or four times as many when pooled
    split: u32,                                       // positions that a split sums over, a multiple of STEP
    reserved0: u32, reserved1: u32,
}

// Of each weight of a filter of this workgroup, where it reads and which tap it is.
var<workgroup> offsets: array<array<array<u32, 4>, 16>, 2>;
var<workgroup> codes: array<array<array<u32, 4>, 16>, 2>;

fn place_of(position: u32) -> Place {
    var z = Place(0u, 0u, places[position], places[params.positions + position]);
    if WIDE == 1u {
        z.row = places[params.positions * 2u + position];
        z.column = places[params.positions * 3u + position];
    }
    return z;
}

// What a lane loads: one position per stage, of two quads of weights (r, r+16), and of a quad of filters.
struct Walk { n: u32, position: u32, filters: array<u32, 4> }

// Load a stage into one half of the tiles while the one before, in the other half, is multiplied.
fn advance(stage: u32, loads: bool, multiplies: bool, lane: u32, walk: ptr<function, Walk>, sums: ptr<function, Sums>) {
    let s = lane % STEP;
    let r = lane / STEP;
    var x: array<Factor, 8>;
    var real: array<bool, 8>;
    var g: array<Factor, 4>;
    var words: array<u32, 4>;
    var at_g = 0u;
    if loads {
        let n = (*walk).n;
        let position = (*walk).position;
        // Behind the last sample nothing is inside, and g is whatever it was in the last.
        var place = place_of(position);
        place.valid = select(0u, place.valid, n < params.n);
        place.at += n * params.c * params.h * params.w;
        for (var q = 0u; q < 8u; q++) {
            real[q] = reads(place, codes[q / 4u][r][q % 4u]);
            x[q] = fetch(place, offsets[q / 4u][r][q % 4u], real[q]);
        }
        at_g = min(n, params.n - 1u) * params.k * params.outputs;
        if EPILOGUE == 2u {
            at_g += position / 4u + (*walk).filters[0];
            g[0] = dy[at_g];
            words[0] = mask_word(at_g / 4u);
        } else {
            at_g += position;
            for (var q = 0u; q < 4u; q++) {
                g[q] = dy[at_g + (*walk).filters[q]];
                if EPILOGUE == 1u { words[q] = mask_word(at_g + (*walk).filters[q]); }
            }
        }
        let next = position + STEP % params.positions;
        let wrapped = next >= params.positions;
        (*walk).position = next - select(0u, params.positions, wrapped);
        (*walk).n = n + STEP / params.positions + u32(wrapped);
    }
    if multiplies { stage_product(sums, 1u - stage, lane % 16u, lane / 16u); }
    if loads {
        // What was loaded last comes first: it is what the others wait for, too.
        for (var q = 0u; q < 8u; q++) { x[7u - q] = select(Factor(0.0), x[7u - q], real[7u - q]); }
        for (var q = 0u; q < 2u; q++) { rows[q][stage][s / 2u][s % 2u][r] = Quad(x[4u * q], x[4u * q + 1u], x[4u * q + 2u], x[4u * q + 3u]); }
        if EPILOGUE == 2u {
            let code = (words[0] >> ((at_g * 8u) & 31u)) & 255u;
            for (var a = 0u; a < 4u; a++) { columns[r / 8u][stage][a][s % 2u][r % 8u][s / 2u] = select(Factor(0.0), g[0], code == a); }
        } else {
            var z: Quad;
            for (var q = 0u; q < 4u; q++) { z[q] = select(Factor(0.0), g[q], EPILOGUE == 0u || bitcast<f32>(words[q]) > 0.0); }
            columns[r / 8u][stage][s / 2u][s % 2u][r % 8u] = z;
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let size = params.c * params.kh * params.kw;      // of a filter
    let t = group.y * ROWS + lane;
    let u = t / params.kw % params.kh;
    offsets[lane / 64u][lane % 64u / 4u][lane % 4u] = (t / (params.kh * params.kw) * params.h + u) * params.w + t % params.kw;
    codes[lane / 64u][lane % 64u / 4u][lane % 4u] = select(NO_TAP, tap_code(u, t % params.kw, params.kh), t < size);
    workgroupBarrier();

    let s = lane % STEP;
    let r = lane / STEP;
    let start = group.z * params.split;
    let end = min(start + params.split, params.n * params.positions);
    // Under pooling, step 2a+b of a stage is position a of its window b.
    let first = start + select(s, s % 2u * 4u + s / 2u, EPILOGUE == 2u);

    // Filters that do not exist have sums of their own, which nobody reads: what they are made of does not matter.
    // Under pooling it is one filter, and all four positions of its window.
    let k = group.x * COLUMNS + r * 4u;
    var filters: array<u32, 4>;
    for (var q = 0u; q < 4u; q++) { filters[q] = min(k + q, params.k - 1u) * params.outputs; }
    if EPILOGUE == 2u { filters[0] = min(k + s / 2u, params.k - 1u) * params.outputs; }

    let p = lane % 16u;
    let f = lane / 16u;
    var sums: Sums;
    var walk = Walk(first / params.positions, first % params.positions, filters);
    // One turn more than there are stages: each loads a stage and computes the one before.
    let stages = (end - start + STEP - 1u) / STEP;
    advance(0u, true, false, lane, &walk, &sums);
    for (var turn = 1u; ; turn += 2u) {
        advance(1u, turn < stages, true, lane, &walk, &sums);
        if turn >= stages { break; }
        advance(0u, turn + 1u < stages, true, lane, &walk, &sums);
        if turn + 1u >= stages { break; }
    }

    for (var q = 0u; q < 2u; q++) {
        for (var o = 0u; o < 8u; o++) {
            let at = o / 4u * 8u + q * 4u;
            let filter_ = group.x * COLUMNS + (o / 4u * 8u + f) * 4u + o % 4u;
            let t = group.y * ROWS + (q * 16u + p) * 4u;
            for (var z = 0u; z < 4u; z++) {
                if filter_ < params.k && t + z < size { dw[(group.z * params.k + filter_) * size + t + z] = sums[at + z][o % 4u]; }
            }
        }
    }
}
