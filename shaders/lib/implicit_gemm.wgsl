// What the kernels of the implicit product share: sizes, and which part of the result a phase is.

// A correlation of a source with a weight, forward or turned (the gradient of x): `implicit_gemm::Params` in Rust.
struct Params {
    first: u32, n: u32,                               // the source holds samples first … first+n-1 of the batch
    c: u32, h: u32, w: u32,                           // source: [n,C,H,W]
    k: u32, oh: u32, ow: u32,                         // result: [N,K,OH,OW], before pooling
    kh: u32, kw: u32,
    stride_h: u32, stride_w: u32, pad_top: u32, pad_left: u32,
    steps: u32,                                       // of the contraction of a phase, padded to whole stages
    quads: u32,                                       // vec4s of a row of the packed weight
}

// 1: the gradient of x. Its rows r fall into stride_h phases: those with r+pad_top = a (mod stride_h) meet only the taps u = a, a+stride_h, …
override TURNED: u32 = 0u;

// The results with rows row + i * up and columns column + j * across. Tap (s,t) of theirs reads source row i * down + s + before_row.
struct Phase {
    rows: u32, columns: u32,                          // how many results
    row: u32, column: u32, up: u32, across: u32,
    taps_h: u32, taps_w: u32,
    down: u32, right: u32,
    top: u32, left: u32,                              // source row of the first result's first tap; wraps below 0
}

fn phase_of(index: u32) -> Phase {
    var p: Phase;
    if TURNED == 0u {
        p = Phase(params.oh, params.ow, 0u, 0u, 1u, 1u, params.kh, params.kw, params.stride_h, params.stride_w, 0u - params.pad_top, 0u - params.pad_left);
    } else {
        let a = index / params.stride_w;
        let b = index % params.stride_w;
        p.up = params.stride_h;
        p.across = params.stride_w;
        p.row = (a + p.up - params.pad_top % p.up) % p.up;
        p.column = (b + p.across - params.pad_left % p.across) % p.across;
        p.rows = (params.oh + p.up - 1u - min(p.row, params.oh + p.up - 1u)) / p.up;
        p.columns = (params.ow + p.across - 1u - min(p.column, params.ow + p.across - 1u)) / p.across;
        p.taps_h = (params.kh + p.up - 1u - min(a, params.kh + p.up - 1u)) / p.up;
        p.taps_w = (params.kw + p.across - 1u - min(b, params.kw + p.across - 1u)) / p.across;
        p.down = 1u;
        p.right = 1u;
        // Tap s of the phase is tap u = a + (taps_h-1-s) * stride_h of the weight: turned, so that source rows ascend with s.
        p.top = (p.row + params.pad_top - a) / p.up + 1u - p.taps_h;
        p.left = (p.column + params.pad_left - b) / p.across + 1u - p.taps_w;
    }
    return p;
}
