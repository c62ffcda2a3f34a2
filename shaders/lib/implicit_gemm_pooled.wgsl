// Where the implicit product goes under ReLU and 2x2 max-pooling. Four positions that follow each other are one window: 4q+2a+b is row a, column b
// of window q. y: [N,K,PH,PW]; codes: the same in u32, 2a+b of the maximum or 255 where y is 0. Stands on lib/implicit_gemm.

@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> codes: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;

fn place_of(phase: Phase, position: u32) -> Place {
    let wide = params.ow / 2u;
    let plane = params.oh / 2u * wide;
    let window = position / 4u;
    if window >= params.n * plane { return Place(); }
    let n = window / plane;
    let i = window % plane / wide * 2u + position / 2u % 2u;
    let j = window % wide * 2u + position % 2u;
    return place_in(phase, n, i, j);
}

// The four sums of a window, of channel k.
fn store(position: u32, k: u32, phase: Phase, sums: vec4<f32>) {
    let plane = params.oh / 2u * (params.ow / 2u);
    let window = position / 4u;
    if k >= params.k || window >= params.n * plane { return; }
    let z = sums + b[k];
    var best = z.x;
    var code = 0u;                                    // strictly greater: the first maximum wins
    if z.y > best { best = z.y; code = 1u; }
    if z.z > best { best = z.z; code = 2u; }
    if z.w > best { best = z.w; code = 3u; }
    let alive = best > 0.0;
    let at = ((params.first + window / plane) * params.k + k) * plane + window % plane;
    y[at] = select(0.0, best, alive);
    codes[at] = select(255u, code, alive);
}
