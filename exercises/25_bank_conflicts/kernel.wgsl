// Dense layer, forward, for few outputs: y[n,o] = b[o] + Σ_i w[o,i] · x[n,i], then ReLU.
// x: [N,I], w: [O,I] as pairs of vec4s along I (I is a multiple of 8); b: [O]; y: [N,O].
// One invocation: 8 samples x 8 outputs over every 64th pair of quads of I. One workgroup: 64 of them, whose sums are added up in
// workgroup memory: an 8x8 tile of y.
// Traffic: 16 vec4s (256 bytes) per 256 multiply-adds, 2 FLOP per byte: bound by memory, so made for products that are small.
//
// Why: a tile of 64x128 leaves a layer of 10 outputs one workgroup, which walks along I eight at a time, and each stage takes as long as
// memory takes to answer, some 500 ns: 16 us for 256 inputs. Here all of I is asked for at once; one answer later the products are there.
// - Coalescing. Neighbouring lanes read neighbouring 32 bytes of a row of x or w.
// - Sums. Parts are added in an order that sizes alone decide: the same bits in every run.
// Next rung: workgroup, which shares what it loads and reads a tenth; worth it as soon as there are tiles for all units of a GPU.

struct Params { n: u32, i: u32, o: u32, reserved: u32 }

override RELU: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<array<vec4<f32>, 2>>;
@group(0) @binding(1) var<storage, read> w: array<array<vec4<f32>, 2>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// Half of the tile's sums, 32 of them, 64 parts of each.
var<workgroup> parts: array<f32, 2048>;

// Where a part of a sum lies.
fn place(sum: u32, part: u32) -> u32 {
    return sum * 64u + part;
}

// The invocation's part of the sums: a matrix per sample, a component per output.
var<private> y0: mat2x4<f32>;
var<private> y1: mat2x4<f32>;
var<private> y2: mat2x4<f32>;
var<private> y3: mat2x4<f32>;
var<private> y4: mat2x4<f32>;
var<private> y5: mat2x4<f32>;
var<private> y6: mat2x4<f32>;
var<private> y7: mat2x4<f32>;

// Four inputs of one sample, each times eight weights.
fn products(sum: mat2x4<f32>, v: vec4<f32>, low: mat4x4<f32>, high: mat4x4<f32>) -> mat2x4<f32> {
    let first = sum + v.x * mat2x4<f32>(low[0], high[0]);
    let second = first + v.y * mat2x4<f32>(low[1], high[1]);
    let third = second + v.z * mat2x4<f32>(low[2], high[2]);
    return third + v.w * mat2x4<f32>(low[3], high[3]);
}

// Where eight rows of x or w begin, in pairs.
struct Rows { low: vec4<u32>, high: vec4<u32> }

// Rows behind the last are read as the last, and their sums dropped.
fn rows(first: u32, count: u32) -> Rows {
    let low = first + vec4<u32>(0u, 1u, 2u, 3u);
    let pairs = params.i / 8u;
    return Rows(min(low, vec4<u32>(count - 1u)) * pairs, min(low + 4u, vec4<u32>(count - 1u)) * pairs);
}

// A quad of pair i of eight rows of x times that of eight rows of w.
fn multiply(i: u32, quad: u32, n: Rows, o: Rows) {
    let low = transpose(mat4x4<f32>(w[o.low.x + i][quad], w[o.low.y + i][quad], w[o.low.z + i][quad], w[o.low.w + i][quad]));
    let high = transpose(mat4x4<f32>(w[o.high.x + i][quad], w[o.high.y + i][quad], w[o.high.z + i][quad], w[o.high.w + i][quad]));
    y0 = products(y0, x[n.low.x + i][quad], low, high);
    y1 = products(y1, x[n.low.y + i][quad], low, high);
    y2 = products(y2, x[n.low.z + i][quad], low, high);
    y3 = products(y3, x[n.low.w + i][quad], low, high);
    y4 = products(y4, x[n.high.x + i][quad], low, high);
    y5 = products(y5, x[n.high.y + i][quad], low, high);
    y6 = products(y6, x[n.high.z + i][quad], low, high);
    y7 = products(y7, x[n.high.w + i][quad], low, high);
}

fn put(row: u32, lane: u32, sums: mat2x4<f32>) {
    for (var o = 0u; o < 8u; o++) { parts[place(row * 8u + o, lane)] = sums[o / 4u][o % 4u]; }
}

// Add up the parts of four samples, two lanes a sum, and write them.
fn finish(n: u32, o: u32, lane: u32, s0: mat2x4<f32>, s1: mat2x4<f32>, s2: mat2x4<f32>, s3: mat2x4<f32>) {
    put(0u, lane, s0);
    put(1u, lane, s1);
    put(2u, lane, s2);
    put(3u, lane, s3);
    workgroupBarrier();
    let own = lane % 32u;
    let half = lane / 32u * 32u;
    var sum = 0.0;
    for (var i = 0u; i < 32u; i++) { sum += parts[place(own, half + i)]; }
    workgroupBarrier();
    parts[lane] = sum;
    workgroupBarrier();
    let sample = n + own / 8u;
    let output = o + own % 8u;
    if half == 0u && sample < params.n && output < params.o {
        var z = parts[own] + parts[own + 32u] + b[output];
        if RELU == 1u { z = max(z, 0.0); }
        y[sample * params.o + output] = z;
    }
    workgroupBarrier();
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.y * 8u;
    let o = group.x * 8u;
    let rows_n = rows(n, params.n);
    let rows_o = rows(o, params.o);
    let pairs = params.i / 8u;
    for (var first = 0u; first < pairs; first += 64u) {
        let i = first + lane;
        if i < pairs {
            multiply(i, 0u, rows_n, rows_o);
            multiply(i, 1u, rows_n, rows_o);
        }
    }
    finish(n, o, lane, y0, y1, y2, y3);
    finish(n + 4u, o, lane, y4, y5, y6, y7);
}
