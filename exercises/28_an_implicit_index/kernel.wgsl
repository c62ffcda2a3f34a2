// What the implicit product reads beside its source: the weight with the channels of the result innermost, and a table of the taps.
// w: [K,C,KH,KW]; packed: [PHASES,steps,quads] vec4s of four channels of the result, 0 beyond them and behind the last tap; taps: [PHASES,steps].
// One invocation: a vec4 of packed. One workgroup: 64 of them that follow each other in memory.
// Traffic: reads w once, KH*KW*C floats apart (the cache keeps the rest of the lines for the neighbouring steps), writes as much.
// Next rung: none; it is small beside the product.

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> taps: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

override PHASES: u32 = 1u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let quad = index % params.quads;
    let step = index / params.quads % params.steps;
    let which = index / (params.quads * params.steps);
    if which >= PHASES { return; }
    let phase = phase_of(which);
    let count = phase.taps_h * phase.taps_w;
    let real = step < params.c * count;
    // TODO: channel c, row s and column t of the window for this step (0 unless real; count and taps_w may be 0).
    let c = 0u;
    let s = 0u;
    let t = 0u;

    var value = vec4<f32>();
    for (var o = 0u; o < 4u; o++) {
        let k = quad * 4u + o;
        if !real || k >= params.k { continue; }
        if TURNED == 0u {
            value[o] = w[((k * params.c + c) * params.kh + s) * params.kw + t];
        } else {
            let u = which / params.stride_w + (phase.taps_h - 1u - s) * params.stride_h;
            let v = which % params.stride_w + (phase.taps_w - 1u - t) * params.stride_w;
            value[o] = w[((c * params.k + k) * params.kh + u) * params.kw + v];
        }
    }
    packed[index] = value;
    if quad == 0u {
        let code = select(NO_TAP, tap_code(s, t, phase.taps_h), real);
        // Of eight steps first the offsets, then the codes: see Taps.
        let at = (which * params.steps + step) / 8u * 16u + step % 8u;
        taps[at] = 0u; // TODO: how far this tap lies behind the first of the window, in x of [C,H,W]
        taps[at + 8u] = code;
    }
}
