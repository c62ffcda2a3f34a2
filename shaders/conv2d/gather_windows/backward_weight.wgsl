// Convolution 3x3 of few channels, gradient of w, first half: partial[n,band,part][k,c,u,v] = Σ g[n,k,i,j] · x[n,c,i+u-1,j+v-1]
// over a part of a band of rows, where g is dy read through the epilogue.
// x: a band of one plane; dy0..dy3: planes of filters k, k + step, …, [PH,PW]; mask0..3: y or argmax of these; all uniform windows.
// One invocation: every 8th element of dy in its part, of four filters; 36 sums in registers. One workgroup: 8 such lanes, whose sums
// subgroupAdd adds; x counts parts, y the planes of a window; no shared memory.
// Traffic: 9 reads of x per element of dy and 9 multiply-adds. Pooled, a gradient goes to one pixel in four: x is read only there,
// which does a quarter of the work of any rung that un-pools first.
// Next rung: with more channels each element of dy serves 9 multiply-adds per channel, and a matrix product reuses it (im2col).
override EPILOGUE: u32 = 0u;   // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling

struct Params {
    h: u32, w: u32, ph: u32, pw: u32,
    first: u32, end: u32,            // elements of a plane of dy in this band
    length: u32,                     // elements of a part
    filters: u32, channels: u32,
    first_filter: u32, step: u32,    // filter of window 0's first plane; filters from one window to the next
    channel: u32, first_partial: u32,
    x_shift: u32, skip: u32,         // where the band of x starts in its window; elements of the plane in front of it
    reserved: u32,
    dy_shift: vec4<u32>,             // where the band of dy starts in window i
    mask_shift: vec4<u32>,           // in bytes for argmax
}

@group(0) @binding(0) var<storage, read_write> partial: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> x: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> dy0: array<vec4<f32>, 4096>;
@group(0) @binding(4) var<uniform> dy1: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> dy2: array<vec4<f32>, 4096>;
@group(0) @binding(6) var<uniform> dy3: array<vec4<f32>, 4096>;
@group(0) @binding(7) var<uniform> mask0: array<vec4<u32>, 4096>;
@group(0) @binding(8) var<uniform> mask1: array<vec4<u32>, 4096>;
@group(0) @binding(9) var<uniform> mask2: array<vec4<u32>, 4096>;
@group(0) @binding(10) var<uniform> mask3: array<vec4<u32>, 4096>;

// Sums of the nine taps, one filter per component.
struct Sums {
    t00: vec4<f32>, t01: vec4<f32>, t02: vec4<f32>,
    t10: vec4<f32>, t11: vec4<f32>, t12: vec4<f32>,
    t20: vec4<f32>, t21: vec4<f32>, t22: vec4<f32>,
}

fn gradient(e: vec4<u32>) -> vec4<f32> {
    return vec4(dy0[e.x >> 2u][e.x & 3u], dy1[e.y >> 2u][e.y & 3u], dy2[e.z >> 2u][e.z & 3u], dy3[e.w >> 2u][e.w & 3u]);
}

fn mask(e: vec4<u32>) -> vec4<u32> {
    return vec4(mask0[e.x >> 2u][e.x & 3u], mask1[e.y >> 2u][e.y & 3u], mask2[e.z >> 2u][e.z & 3u], mask3[e.w >> 2u][e.w & 3u]);
}

// Pixels (r,s) of x for four filters, times their gradients; zero outside the plane.
fn tap(sum: vec4<f32>, g: vec4<f32>, r: vec4<i32>, s: vec4<i32>, h: i32, w: i32, start: u32, safe: u32) -> vec4<f32> {
    let inside = (r >= vec4(0)) & (s >= vec4(0)) & (r < vec4(h)) & (s < vec4(w));
    let e = select(vec4(safe), vec4(start) + vec4<u32>(r * w + s), inside);
    let value = vec4(x[e.x >> 2u][e.x & 3u], x[e.y >> 2u][e.y & 3u], x[e.z >> 2u][e.z & 3u], x[e.w >> 2u][e.w & 3u]);
    return sum + g * select(vec4(0.0), value, inside);
}

fn put(at: u32, step: vec4<u32>, exists: vec4<bool>, sum: vec4<f32>) {
    let total = vec4(subgroupAdd(sum.x), subgroupAdd(sum.y), subgroupAdd(sum.z), subgroupAdd(sum.w));
    if exists.x { partial[at] = total.x; }
    if exists.y { partial[at + step.y] = total.y; }
    if exists.z { partial[at + step.z] = total.z; }
    if exists.w { partial[at + step.w] = total.w; }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Copies: a load from params in a loop would be a gather each time.
    let h = i32(params.h);
    let w = i32(params.w);
    let pw = params.pw;
    let first = params.first;
    let safe = params.x_shift;
    let start = safe - params.skip;
    let plane = group.y * params.ph * pw;
    let dy_start = params.dy_shift + plane - first;
    let mask_start = params.mask_shift + plane - first;
    let filters = vec4(params.first_filter + group.y) + vec4(0u, 1u, 2u, 3u) * params.step;
    let exists = filters < vec4(params.filters);
    let from_element = first + group.x * params.length;
    // The grid is 1 deep: adding z keeps Mesa from compiling the kernel anew for every band.
    let to_element = min(from_element + params.length, params.end) + group.z;
    var s = Sums(
        vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
    for (var e = from_element + lane; e < to_element; e += 8u) {
        let down = e / pw;
        let across = e - down * pw;
        var i = vec4(i32(down));
        var j = vec4(i32(across));
        var g = gradient(dy_start + e);
        if EPILOGUE == 1u {
            g = select(vec4(0.0), g, bitcast<vec4<f32>>(mask(mask_start + e)) > vec4(0.0));
        }
        if EPILOGUE == 2u {
            let byte = mask_start + e;
            let code = (mask(byte >> vec4(2u)) >> ((byte & vec4(3u)) * 8u)) & vec4(255u);
            g = select(g, vec4(0.0), code == vec4(255u));
            i = 2 * i + vec4<i32>((code >> vec4(1u)) & vec4(1u));
            j = 2 * j + vec4<i32>(code & vec4(1u));
        }
        s.t00 = tap(s.t00, g, i - 1, j - 1, h, w, start, safe);
        s.t01 = tap(s.t01, g, i - 1, j, h, w, start, safe);
        s.t02 = tap(s.t02, g, i - 1, j + 1, h, w, start, safe);
        s.t10 = tap(s.t10, g, i, j - 1, h, w, start, safe);
        s.t11 = tap(s.t11, g, i, j, h, w, start, safe);
        s.t12 = tap(s.t12, g, i, j + 1, h, w, start, safe);
        s.t20 = tap(s.t20, g, i + 1, j - 1, h, w, start, safe);
        s.t21 = tap(s.t21, g, i + 1, j, h, w, start, safe);
        s.t22 = tap(s.t22, g, i + 1, j + 1, h, w, start, safe);
    }
    let filter_size = params.channels * 9u;
    let step = vec4(0u, 1u, 2u, 3u) * params.step * filter_size;
    let at = (params.first_partial + group.x) * params.filters * filter_size
        + (params.first_filter + group.y) * filter_size + params.channel * 9u;
    put(at, step, exists, s.t00);
    put(at + 1u, step, exists, s.t01);
    put(at + 2u, step, exists, s.t02);
    put(at + 3u, step, exists, s.t10);
    put(at + 4u, step, exists, s.t11);
    put(at + 5u, step, exists, s.t12);
    put(at + 6u, step, exists, s.t20);
    put(at + 7u, step, exists, s.t21);
    put(at + 8u, step, exists, s.t22);
}
