// Batch norm, backward, one row: partial[n,c] = (sum of g, sum of g * (x - mean[c])) over row (n,c); 0 in padding rows.
// dy, x: [N,C,S] viewed as vec4s, S = H*W; mean: [C]; g = dy through the dropout mask; partial: [N,C,2,2], sums as (high, low), which backward_combine joins.
// One invocation: blocks of 4 vec4s of dy and x. One workgroup: 8 of them, one row (n,c), joined after one barrier.
// Traffic: reads dy and x once, 4 operations per 8 bytes; eight loads in flight. One barrier per row instead of seven.
// Next rung: none; on a GPU rung 2 keeps more memory requests in flight (64 invocations a row), here the loads are what counts.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, channels: u32, spatial: u32, training: u32, epsilon: f32, layer: u32, threshold: u32, scale: f32 }

// Whether y goes through dropout, and whether every sample begins on a quad of the generator (its size is a multiple of 4).
// Both are decided when the pipeline is built: what is not needed is not compiled.
override DROPOUT: bool = false;
override ALIGNED: bool = false;

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> step: Step;
@group(0) @binding(5) var<uniform> params: Params;

// A sum and what rounding took from it: high + low carries about twice the digits of one f32.
struct Sum { high: f32, low: f32 }

var<private> zero: u32; // a reserved word of step

// x itself. Compilers may treat floats as real numbers, for which low below is 0, and would delete it; they can't see through this,
// because only the host knows that the reserved words of Step are 0.
fn opaque(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ zero);
}

// a + v with the rounding error of the addition in low (TwoSum, Knuth 1969; as a sum: Ogita, Rump & Oishi 2005).
fn add(a: Sum, v: f32) -> Sum {
    let high = opaque(a.high + v);
    let of_v = opaque(high - a.high); // the part of v that arrived
    return Sum(high, a.low + ((a.high - (high - of_v)) + (v - of_v)));
}

// Two sums together.
fn join(a: Sum, b: Sum) -> Sum {
    return add(Sum(a.high, a.low + b.low), b.high);
}

fn four_rounds(v: vec2<u32>, r: vec4<u32>) -> vec2<u32> {
    var x = v.x;
    var y = v.y;
    x += y; y = ((y << r.x) | (y >> (32u - r.x))) ^ x;
    x += y; y = ((y << r.y) | (y >> (32u - r.y))) ^ x;
    x += y; y = ((y << r.z) | (y >> (32u - r.z))) ^ x;
    x += y; y = ((y << r.w) | (y >> (32u - r.w))) ^ x;
    return vec2<u32>(x, y);
}

// Threefry-2x32, 20 rounds (Salmon et al. 2011): two random words from a key and a counter.
fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    const even = vec4<u32>(13u, 15u, 26u, 6u);
    const odd = vec4<u32>(17u, 29u, 16u, 24u);
    let k2 = 0x1BD11BDAu ^ key.x ^ key.y;
    var v = counter + key;
    v = four_rounds(v, even) + vec2<u32>(key.y, k2 + 1u);
    v = four_rounds(v, odd) + vec2<u32>(k2, key.x + 2u);
    v = four_rounds(v, even) + vec2<u32>(key.x, key.y + 3u);
    v = four_rounds(v, odd) + vec2<u32>(key.y, k2 + 4u);
    return four_rounds(v, even) + vec2<u32>(k2, key.x + 5u);
}

// 16-bit uniforms of batch elements 4 quad .. 4 quad + 3.
fn uniforms(quad: u32) -> vec4<u32> {
    let words = threefry(vec2<u32>(step.seed, params.layer), vec2<u32>(step.step, quad));
    return vec4<u32>(words.x & 0xFFFFu, words.x >> 16u, words.y & 0xFFFFu, words.y >> 16u);
}

// Dropout factors, 0 or scale, of tensor elements 4 i .. 4 i + 3.
fn dropout(i: u32) -> vec4<f32> {
    if !DROPOUT {
        return vec4<f32>(1.0);
    }
    let first = step.sample_offset * params.channels * params.spatial + 4u * i; // position of element 4 i in the whole batch
    var u = uniforms(first / 4u);
    let shift = first % 4u;
    if !ALIGNED && shift != 0u { // the four elements straddle two quads of the batch
        let next = uniforms(first / 4u + 1u);
        switch shift {
            case 1u: { u = vec4<u32>(u.yzw, next.x); }
            case 2u: { u = vec4<u32>(u.zw, next.xy); }
            default: { u = vec4<u32>(u.w, next.xyz); }
        }
    }
    return select(vec4<f32>(0.0), vec4<f32>(params.scale), u >= vec4<u32>(params.threshold));
}

// Both sums, (sum of g, sum of g * (x - mean)).
struct Sums { g: Sum, product: Sum }

var<workgroup> lanes: array<Sums, 8>;

// all with one block more: within a block values are summed as they are, which costs little accuracy; blocks with compensation.
fn add_block(all: Sums, block: vec2<f32>) -> Sums {
    return Sums(add(all.g, block.x), add(all.product, block.y));
}

// (sum of g, sum of g * (x - mean)) over those components of vec4 q that lie in the row.
fn some(q: u32, average: f32, inside: vec4<bool>) -> vec2<f32> {
    let g = select(vec4<f32>(0.0), dy[q] * dropout(q), inside);
    let d = select(vec4<f32>(0.0), x[q] - average, inside);
    return vec2<f32>(dot(g, vec4<f32>(1.0)), dot(g, d));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = step.reserved[0];
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let first = (start + 3u) / 4u; // the first vec4 that lies in the row as a whole
    let last = end / 4u; // and the one after the last
    let average = mean[group.x];
    var all = Sums(Sum(0.0, 0.0), Sum(0.0, 0.0));
    if group.y < step.valid {
        var q = first + lane;
        for (; q + 24u < last; q += 32u) {
            let x0 = x[q] - average;
            let x1 = x[q + 8u] - average;
            let x2 = x[q + 16u] - average;
            let x3 = x[q + 24u] - average;
            let g0 = dy[q] * dropout(q);
            let g1 = dy[q + 8u] * dropout(q + 8u);
            let g2 = dy[q + 16u] * dropout(q + 16u);
            let g3 = dy[q + 24u] * dropout(q + 24u);
            let sum = (g0 + g1) + (g2 + g3);
            let product = (g0 * x0 + g1 * x1) + (g2 * x2 + g3 * x3);
            all = add_block(all, vec2<f32>(dot(sum, vec4<f32>(1.0)), dot(product, vec4<f32>(1.0))));
        }
        for (; q < last; q += 8u) {
            all = add_block(all, some(q, average, vec4<bool>(true)));
        }
        // Up to three elements before the first whole vec4 and after the last, in vec4s shared with the rows beside.
        let corners = vec4<u32>(0u, 1u, 2u, 3u);
        if lane == 0u && start < 4u * first {
            all = add_block(all, some(first - 1u, average, 4u * (first - 1u) + corners >= vec4<u32>(start)));
        }
        if lane == 1u && 4u * last < end {
            all = add_block(all, some(last, average, 4u * last + corners < vec4<u32>(end)));
        }
    }
    lanes[lane] = all;
    workgroupBarrier();
    if lane == 0u {
        for (var i = 1u; i < 8u; i++) {
            all = Sums(join(all.g, lanes[i].g), join(all.product, lanes[i].product));
        }
        partial[row] = vec4<f32>(all.g.high, all.g.low, all.product.high, all.product.low);
    }
}
