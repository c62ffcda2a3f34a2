// Implicit GEMM: y[k,q] = b[k] + Σ_{c,u,v} w[k,c,u,v] · s[c, UP·(i,j) + (u,v)] for output position q = (i,j): the product of im2col
// without its columns, since a load may as well take every pixel from where it is (Chetlur et al., "cuDNN: Efficient Primitives",
// 2014); with ReLU and 2x2 max-pooling, so that the activation before pooling is never in memory.
// factors: [block of 32 filters][C/4,KH,KW][filter] over c; planes: [N][C/4][padded pixel] over c; y: [N,K,PH,PW]; b: [K];
// codes: window index of each maximum, one u32 each in the order of y (pooled only; packed to bytes afterwards).
// One workgroup (one subgroup of 8): 32 filters x 32 positions; x counts blocks of filters, y positions, z samples: workgroups that read
// the same pixels follow each other. One invocation: 32 filters x 4 positions, which are 8 apart, or one pooling window.
// Lane i loads filter i of 8 once and all lanes share it by subgroupShuffle with a constant lane (one permute instruction).
// Traffic: 8 texels per 512 multiply-adds. A CPU driver loads a texel as one vector and turns eight of them into four registers with
// eight shuffles; of a buffer it gathers every number by itself, so the windows of products/windows cost half as much again.
// The kernel touches the lines of y that it will write before it computes: a store to a line that is not in the cache waits for it,
// and stores wait in a row; loads wait together.
// Next rung: Winograd's minimal filtering, which multiplies less.
override UP_H: u32 = 1u;             // source rows from one output row to the next
override UP_W: u32 = 1u;
override EPILOGUE: u32 = 0u;         // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling
override BIAS: bool = true;          // start from b

struct Params {
    k4: u32, filters: u32,           // texels along the contraction; K
    kw: u32, kh: u32,
    pitch: u32, pixels: u32,         // of a padded row, of a padded band
    sample_stride: u32, reserved0: u32,  // texels of a sample
    outputs: u32, width: u32,        // of this band and of a row of y, both after pooling
    plane: u32, first_output: u32,   // of y; where the band starts in it
    sample: u32, first_code: u32,    // the first sample; the element of y that has the first code
    reserved1: u32, reserved2: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var factors: texture_storage_2d<rgba32float, read>;
@group(0) @binding(5) var planes: texture_storage_2d<rgba32float, read>;

fn filters_at(at: u32) -> vec4<f32> {
    return textureLoad(factors, vec2(at % 2048u, at / 2048u));
}

fn pixel(at: u32) -> vec4<f32> {
    return textureLoad(planes, vec2(at % 2048u, at / 2048u));
}

fn four(a: f32, first: u32) -> vec4<f32> {
    return vec4(
        subgroupShuffle(a, first), subgroupShuffle(a, first + 1u),
        subgroupShuffle(a, first + 2u), subgroupShuffle(a, first + 3u));
}

// Four filters at one place, as far as there are filters left.
fn put(at: u32, plane: u32, left: u32, value: vec4<f32>) {
    let result = select(value, max(value, vec4(0.0)), EPILOGUE == 1u);
    if left > 0u { y[at] = result.x; }
    if left > 1u { y[at + plane] = result.y; }
    if left > 2u { y[at + 2u * plane] = result.z; }
    if left > 3u { y[at + 3u * plane] = result.w; }
}

fn put_code(at: u32, plane: u32, left: u32, code: vec4<u32>) {
    if left > 0u { codes[at] = code.x; }
    if left > 1u { codes[at + plane] = code.y; }
    if left > 2u { codes[at + 2u * plane] = code.z; }
    if left > 3u { codes[at + 3u * plane] = code.w; }
}

// Four filters at the lane's positions; `there` outputs are left from its first one on.
fn put_quad(at: u32, code_at: u32, plane: u32, there: u32, left: u32, m0: vec4<f32>, m1: vec4<f32>, m2: vec4<f32>, m3: vec4<f32>) {
    if EPILOGUE == 2u {
        let pooled = pool(m0, m1, m2, m3);
        let live = select(0u, left, there > 0u);
        put(at, plane, live, pooled.value);
        put_code(code_at, plane, live, pooled.code);
        return;
    }
    put(at, plane, select(0u, left, there > 0u), m0);
    put(at + 8u, plane, select(0u, left, there > 8u), m1);
    put(at + 16u, plane, select(0u, left, there > 16u), m2);
    put(at + 24u, plane, select(0u, left, there > 24u), m3);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Copies: a load from params inside a loop or a branch would be a gather of its own.
    let kw = params.kw;
    let kh = params.kh;
    let plane = params.plane;
    let outputs = params.outputs;
    let first_filter = group.x * 32u;
    let filters = params.filters - min(params.filters, first_filter);
    // From the last column of a filter to its next row, from its last row to the next channel quad.
    let down = params.pitch - params.kw;
    let next = params.pixels - params.kh * params.pitch;

    // The four positions of this lane: outputs, or what one pooled output is the maximum of.
    let p = select(group.y * 32u + lane, group.y * 8u + lane, EPILOGUE == 2u);
    let step = select(vec4(0u, 8u, 16u, 24u), vec4(0u), EPILOGUE == 2u);
    let q = min(vec4(p) + step, vec4(outputs - 1u));
    var row = q / params.width;
    var column = q - row * params.width;
    if EPILOGUE == 2u {
        row = row * 2u + vec4(0u, 0u, 1u, 1u);
        column = column * 2u + vec4(0u, 1u, 0u, 1u);
    }
    let first = row * (params.pitch * UP_H) + column * UP_W + group.z * params.sample_stride;

    let sample_at = (params.sample + group.z) * params.filters * plane;
    let at = sample_at + first_filter * plane + params.first_output + p;
    let code_at = at - params.first_code;
    var seen = 0u;
    var bias = vec4(0.0);
    for (var i = 0u; i < 4u; i++) {
        let filter_index = min(8u * i + lane, filters - 1u);
        let line = at - lane + filter_index * plane;
        seen |= bitcast<u32>(y[line]);
        if EPILOGUE == 2u {
            seen |= codes[line - params.first_code];
        } else {
            seen |= bitcast<u32>(y[line + 16u]) | bitcast<u32>(y[line + 31u]);
        }
        if BIAS {
            bias[i] = b[first_filter + filter_index];
        }
    }
    // Zero, for the grid is not that deep. Adding it keeps Mesa from compiling the kernel anew for every value of params.k4.
    let zero = group.z >> 16u;
    let k4 = params.k4 + zero;
    var a_at = group.x * k4 * 32u + lane;
    let bias0 = four(bias.x, 0u);
    let bias1 = four(bias.x, 4u);
    let bias2 = four(bias.y, 0u);
    let bias3 = four(bias.y, 4u);
    let bias4 = four(bias.z, 0u);
    let bias5 = four(bias.z, 4u);
    let bias6 = four(bias.w, 0u);
    let bias7 = four(bias.w, 4u);
    var m00 = bias0; var m01 = bias0; var m02 = bias0; var m03 = bias0;
    var m10 = bias1; var m11 = bias1; var m12 = bias1; var m13 = bias1;
    var m20 = bias2; var m21 = bias2; var m22 = bias2; var m23 = bias2;
    var m30 = bias3; var m31 = bias3; var m32 = bias3; var m33 = bias3;
    var m40 = bias4; var m41 = bias4; var m42 = bias4; var m43 = bias4;
    var m50 = bias5; var m51 = bias5; var m52 = bias5; var m53 = bias5;
    var m60 = bias6; var m61 = bias6; var m62 = bias6; var m63 = bias6;
    var m70 = bias7; var m71 = bias7; var m72 = bias7; var m73 = bias7;
    var tap = 0u;
    var u = 0u;
    var v = 0u;
    for (var k = 0u; k < k4; k++) {
        let x0 = filters_at(a_at);
        let x1 = filters_at(a_at + 8u);
        let x2 = filters_at(a_at + 16u);
        let x3 = filters_at(a_at + 24u);
        let y0 = pixel(first.x + tap);
        let y1 = pixel(first.y + tap);
        let y2 = pixel(first.z + tap);
        let y3 = pixel(first.w + tap);
        let r0 = rows(x0, 0u);
        m00 += y0 * r0; m01 += y1 * r0; m02 += y2 * r0; m03 += y3 * r0;
        let r1 = rows(x0, 4u);
        m10 += y0 * r1; m11 += y1 * r1; m12 += y2 * r1; m13 += y3 * r1;
        let r2 = rows(x1, 0u);
        m20 += y0 * r2; m21 += y1 * r2; m22 += y2 * r2; m23 += y3 * r2;
        let r3 = rows(x1, 4u);
        m30 += y0 * r3; m31 += y1 * r3; m32 += y2 * r3; m33 += y3 * r3;
        let r4 = rows(x2, 0u);
        m40 += y0 * r4; m41 += y1 * r4; m42 += y2 * r4; m43 += y3 * r4;
        let r5 = rows(x2, 4u);
        m50 += y0 * r5; m51 += y1 * r5; m52 += y2 * r5; m53 += y3 * r5;
        let r6 = rows(x3, 0u);
        m60 += y0 * r6; m61 += y1 * r6; m62 += y2 * r6; m63 += y3 * r6;
        let r7 = rows(x3, 4u);
        m70 += y0 * r7; m71 += y1 * r7; m72 += y2 * r7; m73 += y3 * r7;
        a_at += 32u;
        v++;
        let row_ends = v == kw;
        v = select(v, 0u, row_ends);
        u += u32(row_ends);
        let filter_ends = u == kh;
        u = select(u, 0u, filter_ends);
        tap += 1u + select(0u, down, row_ends) + select(0u, next, filter_ends);
    }
    // What was seen adds nothing; but what is not used is not loaded.
    let place = at + (seen & zero);
    let left0 = filters - min(filters, 0u);
    put_quad(place + 0u * plane, code_at + 0u * plane, plane, outputs - min(outputs, p), left0, m00, m01, m02, m03);
    let left1 = filters - min(filters, 4u);
    put_quad(place + 4u * plane, code_at + 4u * plane, plane, outputs - min(outputs, p), left1, m10, m11, m12, m13);
    let left2 = filters - min(filters, 8u);
    put_quad(place + 8u * plane, code_at + 8u * plane, plane, outputs - min(outputs, p), left2, m20, m21, m22, m23);
    let left3 = filters - min(filters, 12u);
    put_quad(place + 12u * plane, code_at + 12u * plane, plane, outputs - min(outputs, p), left3, m30, m31, m32, m33);
    let left4 = filters - min(filters, 16u);
    put_quad(place + 16u * plane, code_at + 16u * plane, plane, outputs - min(outputs, p), left4, m40, m41, m42, m43);
    let left5 = filters - min(filters, 20u);
    put_quad(place + 20u * plane, code_at + 20u * plane, plane, outputs - min(outputs, p), left5, m50, m51, m52, m53);
    let left6 = filters - min(filters, 24u);
    put_quad(place + 24u * plane, code_at + 24u * plane, plane, outputs - min(outputs, p), left6, m60, m61, m62, m63);
    let left7 = filters - min(filters, 28u);
    put_quad(place + 28u * plane, code_at + 28u * plane, plane, outputs - min(outputs, p), left7, m70, m71, m72, m73);
}
