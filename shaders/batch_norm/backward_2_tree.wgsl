// Batch norm, backward, one row: partial[n,c] = (sum of g, sum of g * (x - mean[c])) over row (n,c); 0 in padding rows.
// dy, x: [N,C,S] viewed as vec4s, S = H*W; mean: [C]; g = dy through the dropout mask; partial: [N,C,2,2], sums as (high, low), which backward_combine joins.
// One invocation: every 64th vec4 of a row. One workgroup: one row (n,c); a tree in workgroup memory adds up its 64 pairs of sums.
// Traffic: reads dy and x once, 8 operations per 8 bytes, coalesced: memory-bound, unless dropout's 25 integer operations per element weigh in.
// Next rung: a workgroup of 8 with four loads of each in flight and one barrier: for drivers where barriers are dear.

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

var<workgroup> sums: array<Sum, 64>;
var<workgroup> products: array<Sum, 64>;

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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = step.reserved[0];
    let row = group.y * params.channels + group.x;
    let start = row * params.spatial;
    let end = start + params.spatial;
    let real = group.y < step.valid;
    let last = select(start / 4u, (end + 3u) / 4u, real); // no vec4 at all in a padding row
    let average = mean[group.x];
    var sum = Sum(0.0, 0.0);
    var product = Sum(0.0, 0.0);
    for (var q = start / 4u + lane; q < last; q += 64u) {
        let i = 4u * q + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = (i >= vec4<u32>(start)) & (i < vec4<u32>(end)); // the first and last vec4 belong to two rows
        let g = select(vec4<f32>(0.0), dy[q] * dropout(q), inside);
        // Four values are summed as they are, which costs little accuracy; fours are joined with compensation.
        sum = add(sum, dot(g, vec4<f32>(1.0)));
        product = add(product, dot(g, select(vec4<f32>(0.0), x[q] - average, inside)));
    }
    sums[lane] = sum;
    products[lane] = product;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] = join(sums[lane], sums[lane + half]);
            products[lane] = join(products[lane], products[lane + half]);
        }
        workgroupBarrier();
    }
    if lane == 0u {
        partial[row] = vec4<f32>(sums[0].high, sums[0].low, products[0].high, products[0].low);
    }
}
