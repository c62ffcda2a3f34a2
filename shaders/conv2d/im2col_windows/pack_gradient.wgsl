// im2col for the weight gradient, the other factor: rows[p,k] = dy[n,k,p], read through the epilogue, packed over positions.
// dy: bands of some planes of one sample and mask: y or argmax, both uniform windows; rows: [panel][filter][position/4] vec4 over four
// positions in row order.
// One invocation: four positions of one filter. One workgroup: 8 such quads; y counts filters; no shared memory.
// Traffic: one read (and one of the mask) and one write per position, for C·KH·KW multiply-adds each.
// Next rung: read by the product itself, which would save the copy; un-pooled, it is 4 times as large as dy.
override EPILOGUE: u32 = 0u;   // 0 dy as it is, 1 dy where y > 0, 2 dy un-pooled by argmax

struct Params {
    ph: u32, pw: u32,                  // plane of dy
    width: u32, positions: u32,        // positions of a row of the convolution, of this band
    first_row: u32, first_quad: u32,   // row of position 0; its quad in the matrix
    skip: u32, first_filter: u32,      // elements of a plane in front of the band; the window's first filter
    panel: u32, panel_stride: u32,     // filters of a panel; vec4s from one to the next
    shift: u32, mask_shift: u32,       // where the band starts in its window: in elements; for argmax in bytes
    row_step: u32, reserved0: u32, reserved1: u32, reserved2: u32,  // vec4s from one filter to the next
}

@group(0) @binding(0) var<storage, read_write> rows: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> dy: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> mask: array<vec4<u32>, 4096>;

fn gather(e: vec4<u32>) -> vec4<f32> {
    return vec4(dy[e.x >> 2u][e.x & 3u], dy[e.y >> 2u][e.y & 3u], dy[e.z >> 2u][e.z & 3u], dy[e.w >> 2u][e.w & 3u]);
}

fn gather_mask(e: vec4<u32>) -> vec4<u32> {
    return vec4(mask[e.x >> 2u][e.x & 3u], mask[e.y >> 2u][e.y & 3u], mask[e.z >> 2u][e.z & 3u], mask[e.w >> 2u][e.w & 3u]);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quad = group.x * 8u + lane;
    if 4u * quad >= params.positions {
        return;
    }
    let p = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
    let down = p / params.width;
    var i = down + params.first_row;
    var j = p - down * params.width;
    var code = vec4(0u);
    if EPILOGUE == 2u {
        code = 2u * (i & vec4(1u)) + (j & vec4(1u));
        i >>= vec4(1u);
        j >>= vec4(1u);
    }
    let inside = (p < vec4(params.positions)) & (i < vec4(params.ph)) & (j < vec4(params.pw));
    let e = group.y * params.ph * params.pw + select(vec4(0u), i * params.pw + j - params.skip, inside);
    var value = select(vec4(0.0), gather(e + params.shift), inside);
    let m = e + params.mask_shift;
    if EPILOGUE == 1u {
        value = select(vec4(0.0), value, bitcast<vec4<f32>>(gather_mask(m)) > vec4(0.0));
    }
    if EPILOGUE == 2u {
        let found = (gather_mask(m >> vec4(2u)) >> ((m & vec4(3u)) * 8u)) & vec4(255u);
        value = select(vec4(0.0), value, found == code);
    }
    let filter_index = params.first_filter + group.y;
    let panel = filter_index / params.panel;
    rows[panel * params.panel_stride + (filter_index - panel * params.panel) * params.row_step + params.first_quad + quad] = value;
}
