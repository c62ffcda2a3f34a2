// Matrix product of factors in half precision, through workgroup memory: c[m,n] = bias[n] + Σ_k a[k,m] · b[k,n], then ReLU.
// a: [K][M] and b: [K][N] f16 from half/pack, padded with zeros to whole steps and tiles, in vec4s; bias: [N]; c: [M,N] f32, not padded.
// One invocation: 4x4 of c, 16 sums in f32. One workgroup: 256 of them, 64x64 of c, in steps of 8 along k.
// Traffic: 2 x 64 x 8 f16 (2 KiB) per 32,768 multiply-adds of a step: 32 FLOP per byte, half as much again as workgroup; half the cache is enough, too.
// A product of two f16 is exact in f32, and the sums are f32: all error comes from rounding the factors, 2^-11 each.
// Workgroup memory holds f32: a value is widened once when it is loaded, not in each of the 16 invocations that read it. Rows of a tile
// need no padding here: half/pack has turned both factors, so lanes read and write neighbours always.
// Next rung: cooperative: the same factors into matrix units, which multiply 16x16 by 16x16 in one instruction.

enable f16;

override RELU: u32 = 0u;
override BIAS: u32 = 0u;             // 0: bias is bound, but not added

struct Params {
    m: u32, n: u32, k: u32,          // k: padded
    reserved: u32,
    a_quads: u32, b_quads: u32,      // vec4s in a padded row of a and of b
    reserved0: u32, reserved1: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const STEP: u32 = 8u;                // k of a step
const TILE: u32 = STEP * 16u;        // vec4s: 16 of a factor per k

// Step by step in turn: tile of a, tile of b; tile of a, tile of b. 8 KiB.
var<workgroup> tiles: array<vec4<f32>, 4u * TILE>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Who loads what: the first 128 invocations a vec4 of a, the others one of b.
    let of_b = lane / TILE;
    let k = lane % TILE / 16u;
    var at: u32;
    if of_b == 0u {
        at = k * params.a_quads + group.y * 16u + lane % 16u;
    } else {
        at = k * params.b_quads + group.x * 16u + lane % 16u;
    }
    let step = STEP * select(params.a_quads, params.b_quads, of_b == 1u);

    var next: vec4<f32>;
    if of_b == 0u { next = vec4<f32>(a[at]); } else { next = vec4<f32>(b[at]); }
    tiles[lane] = next;
    workgroupBarrier();

    let row = lane / 16u;                             // the invocation's 4x4 in the tile, in fours
    let column = lane % 16u;
    var sum0 = vec4<f32>();                           // one vec4 per row, one component per column
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    var stage = 0u;
    for (var first = 0u; first < params.k; first += STEP) {
        // Start the loads of the next step now; they arrive while this one is computed. Behind the last there is none.
        at += step;
        if first + STEP < params.k {
            if of_b == 0u { next = vec4<f32>(a[at]); } else { next = vec4<f32>(b[at]); }
        }

        let from_a = stage * 2u * TILE + row;
        let from_b = stage * 2u * TILE + TILE + column;
        for (var s = 0u; s < STEP; s++) {
            let a4 = tiles[from_a + s * 16u];
            let b4 = tiles[from_b + s * 16u];
            sum0 += a4.x * b4;
            sum1 += a4.y * b4;
            sum2 += a4.z * b4;
            sum3 += a4.w * b4;
        }

        stage = 1u - stage;
        tiles[stage * 2u * TILE + lane] = next;
        workgroupBarrier();
    }

    let sums = array<vec4<f32>, 4>(sum0, sum1, sum2, sum3);
    for (var s = 0u; s < 4u; s++) {
        for (var t = 0u; t < 4u; t++) {
            let i = group.y * 64u + row * 4u + s;
            let j = group.x * 64u + column * 4u + t;
            if i < params.m && j < params.n {
                var z = sums[s][t];
                if BIAS == 1u { z += bias[j]; }
                if RELU == 1u { z = max(z, 0.0); }
                c[i * params.n + j] = z;
            }
        }
    }
}
