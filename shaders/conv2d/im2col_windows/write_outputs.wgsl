// im2col, output: the product's rows become planes, with bias, ReLU and 2x2 max-pooling on the way, so that the activation before
// the epilogue is never in memory.
// m0..m3: the product, [K/4][position] vec4 over k, four blocks of filter quads and b: [K], as uniform windows; y: [N,K,PH,PW];
// codes: window index of each maximum, one u32 each in the order of y (pooled only; packed to bytes afterwards).
// One invocation: one output (of four positions when pooled) of four filters in each window. One workgroup: 8 outputs in row order;
// y counts the quads of a window; no shared memory.
// Traffic: one read and one write per output, 4 reads when pooled; no arithmetic to speak of.
// Next rung: fused into the product, which has the sums in registers (conv2d/implicit_texels/product does so).
override EPILOGUE: u32 = 0u;    // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling
override BIAS: bool = true;     // add b first

struct Params {
    plane: u32, outputs: u32,              // of y; outputs of this band
    first_output: u32, first_column: u32,  // where in a plane of y; column of the product of the band's first position
    width: u32, pw: u32,                   // positions of a row; of y
    columns: u32, filters: u32,            // of a row of m; K
    first_quad: u32, quads: u32,           // filter quad of m0; quads of a window
    sample: u32, first_code: u32,          // n; where its codes start
    bias: u32, reserved0: u32, reserved1: u32, reserved2: u32,  // b: its first vec4 in the window
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<uniform> b: array<vec4<f32>, 4096>;
@group(0) @binding(4) var<uniform> m0: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> m1: array<vec4<f32>, 4096>;
@group(0) @binding(6) var<uniform> m2: array<vec4<f32>, 4096>;
@group(0) @binding(7) var<uniform> m3: array<vec4<f32>, 4096>;

fn finish(w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>, bias: vec4<f32>) -> Pooled {
    if EPILOGUE == 2u {
        return pool(w0 + bias, w1 + bias, w2 + bias, w3 + bias);
    }
    let value = w0 + select(vec4(0.0), bias, BIAS);
    return Pooled(select(value, max(value, vec4(0.0)), EPILOGUE == 1u), vec4(0u));
}

fn put(at: u32, code_at: u32, inside: bool, value: f32, code: u32) {
    if inside {
        y[at] = value;
        if EPILOGUE == 2u {
            codes[code_at] = code;
        }
    }
}

// Filters k..k+3, as far as they exist; `limit` is K, or 0 where there is no output.
fn put_quad(k: u32, limit: u32, place: u32, code_place: u32, plane: u32, result: Pooled) {
    let at = place + k * plane;
    let code_at = code_place + k * plane;
    put(at, code_at, k < limit, result.value.x, result.code.x);
    put(at + plane, code_at + plane, k + 1u < limit, result.value.y, result.code.y);
    put(at + 2u * plane, code_at + 2u * plane, k + 2u < limit, result.value.z, result.code.z);
    put(at + 3u * plane, code_at + 3u * plane, k + 3u < limit, result.value.w, result.code.w);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let output = group.x * 8u + lane;
    let inside = output < params.outputs;
    // Copies: a load from params in a branch would be a gather of its own.
    let width = params.width;
    let plane = params.plane;
    let limit = select(0u, params.filters, inside);
    var position = output;
    if EPILOGUE == 2u {
        let i = output / params.pw;
        position = 2u * (i * width + output - i * params.pw);
    }
    let e = group.y * params.columns + params.first_column + select(0u, position, inside);
    let place = params.sample * params.filters * plane + params.first_output + output;
    let code_place = params.first_code + params.first_output + output;
    let quad = params.first_quad + group.y;
    let step = params.quads;
    let bias = params.bias + quad;
    put_quad(4u * quad, limit, place, code_place, plane,
        finish(m0[e], m0[e + 1u], m0[e + width], m0[e + width + 1u], b[bias]));
    put_quad(4u * (quad + step), limit, place, code_place, plane,
        finish(m1[e], m1[e + 1u], m1[e + width], m1[e + width + 1u], b[bias + step]));
    put_quad(4u * (quad + 2u * step), limit, place, code_place, plane,
        finish(m2[e], m2[e + 1u], m2[e + width], m2[e + width + 1u], b[bias + 2u * step]));
    put_quad(4u * (quad + 3u * step), limit, place, code_place, plane,
        finish(m3[e], m3[e + 1u], m3[e + width], m3[e + width + 1u], b[bias + 3u * step]));
}
