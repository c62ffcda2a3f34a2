// The windows of a correlation as columns of a matrix in half precision, laid out (im2col), for matrix units, which take factors from memory only:
// columns[(c,u,v)][(n,i,j)] = f16(source[n, c, (i*up_h+u-before_h)/down_h, (j*up_w+v-before_w)/down_w]), 0 outside and between.
// source: [N,C,H,W] f32, of which samples first … first+n-1 are read; columns: [steps][positions] f16, or (ALONG_STEPS) [positions][steps], padded with
// zeros as the product asks for: steps to 16 and positions to 64, or the other way round.
// One invocation: four neighbours of a row of columns. One workgroup: 64 of them that follow each other in memory.
// Traffic: reads 4 bytes (KH*KW times each, from the cache), writes 2 per element; KH*KW times as many elements as source has: what implicit
// products save, and what matrix units must be that much faster for.
// Rounding: to nearest, as half/convert.
// Next rung: none; vendors' libraries lay windows out in workgroup memory, from where wgpu's matrices can't be loaded.

enable f16;

override ALONG_STEPS: u32 = 0u;      // 1: neighbours in a row are steps; else positions

struct Params {
    first: u32, n: u32,              // samples
    c: u32, h: u32, w: u32,          // source
    rows: u32, columns: u32,         // positions of a sample
    kh: u32, kw: u32,
    up_h: u32, up_w: u32,            // source rows and columns from one position to the next (forward) …
    down_h: u32, down_w: u32,        // … or positions from one source row and column to the next (the gradient of x)
    before_h: i32, before_w: i32,
    quads: u32,                      // vec4s of a padded row
}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> columns: array<vec4<f16>>;
@group(0) @binding(2) var<uniform> params: Params;

fn element(step: u32, position: u32) -> f32 {
    let plane = params.rows * params.columns;
    if step >= params.c * params.kh * params.kw || position >= params.n * plane { return 0.0; }
    let i = position % plane / params.columns * params.up_h + step / params.kw % params.kh;
    let j = position % params.columns * params.up_w + step % params.kw;
    let row = i32(i) - params.before_h;
    let column = i32(j) - params.before_w;
    if row < 0 || column < 0 { return 0.0; }
    let r = u32(row) / params.down_h;
    let s = u32(column) / params.down_w;
    if u32(row) % params.down_h != 0u || u32(column) % params.down_w != 0u || r >= params.h || s >= params.w { return 0.0; }
    return source[(((params.first + position / plane) * params.c + step / (params.kh * params.kw)) * params.h + r) * params.w + s];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quad = group.x * 64u + lane;
    if quad >= params.quads { return; }
    let row = group.y;
    var four: vec4<f32>;
    for (var o = 0u; o < 4u; o++) {
        if ALONG_STEPS == 1u { four[o] = rounded(element(quad * 4u + o, row)); } else { four[o] = rounded(element(row, quad * 4u + o)); }
    }
    columns[row * params.quads + quad] = vec4<f16>(four);
}
