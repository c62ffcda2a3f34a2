// Matrix product through workgroup memory: c[m,n] = bias[n] + Σ_k a[m,k] · b[n,k], then ReLU. One kernel for a dense layer's y, dx and dw.
// a: element (m,k) at m*a_row + k*a_k, 0 where mask is not positive; b: (n,k) at n*b_row + k*b_k; bias: [N]; c: [M,N]. Any sizes.
// One invocation: 4x4 of c, 16 sums in registers. One workgroup: 256 of them, 64x64 of c, in steps of 8 along k.
// Traffic: 2 x 64 x 8 floats (4 KiB) per 32,768 multiply-adds of a step, 16 FLOP per byte of memory, 16 times the 4x4 tile's 1; inside,
// two vec4s of workgroup memory (32 bytes, but 16 neighbours share them) per 16 multiply-adds.
//
// Why it is laid out as it is:
// - Coalescing. Of (row, k) one lies next to its neighbour in memory: k in x and w forward, the row in both factors of dw. The lanes that
//   load a tile run along that direction (A_ALONG_K, B_ALONG_K), so that neighbours use one cache line up instead of one line each.
// - Banks. In workgroup memory a tile is always [k][row], four rows in a vec4: what the inner loop wants. Lanes that load along k write
//   down a column of that; were a row 16 vec4s long, all would meet in the same banks and wait for each other. One vec4 of padding shifts
//   each row by one place (PITCH), and eight lanes write to eight different places. The inner loop's reads are free of conflicts anyway:
//   16 lanes read 16 neighbouring vec4s of b, and one vec4 of a that the memory hands to all of them at once.
// - Two of each tile. While one is read, the next step is on its way from memory and then written into the other, so there is one barrier
//   per step, and the loads' latency hides behind 128 multiply-adds per invocation.
// Next rung: windows, for CPU drivers, where workgroup memory is as slow as any; on a GPU half, factors of half the bytes.

override RELU: u32 = 0u;
override BIAS: u32 = 0u;            // 0: bias is bound, but not added
override MASK: u32 = 0u;            // 0: mask is bound, but not read
override A_ALONG_K: u32 = 1u;       // a_k is 1; else a_row is
override B_ALONG_K: u32 = 1u;       // b_k is 1; else b_row is

struct Params {
    m: u32, n: u32, k: u32, reserved: u32,
    a_row: u32, a_k: u32,           // from one row of a to the next, from one k to the next
    b_row: u32, b_k: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const STEP: u32 = 8u;               // k of a step
const PITCH: u32 = 17u;             // of a tile's row: 16 vec4s, four rows of a factor each, and one of padding
const TILE: u32 = STEP * PITCH;

// Step by step in turn: tile of a, tile of b; tile of a, tile of b. 8.5 KiB.
var<workgroup> tiles: array<vec4<f32>, 4u * TILE>;

// a[row..row+3, k], zero outside.
fn load_a(row: u32, k: u32) -> vec4<f32> {
    var quad = vec4<f32>(0.0);
    for (var r = 0u; r < 4u; r++) {
        if row + r < params.m && k < params.k {
            let at = (row + r) * params.a_row + k * params.a_k;
            if MASK == 0u || mask[at] > 0.0 { quad[r] = a[at]; }
        }
    }
    return quad;
}

// b[row..row+3, k], zero outside.
fn load_b(row: u32, k: u32) -> vec4<f32> {
    var quad = vec4<f32>(0.0);
    for (var r = 0u; r < 4u; r++) {
        if row + r < params.n && k < params.k { quad[r] = b[(row + r) * params.b_row + k * params.b_k]; }
    }
    return quad;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let m = group.y * 64u;                            // the workgroup's tile of c
    let n = group.x * 64u;

    // Who loads what: the first 128 invocations a vec4 of a, the others one of b.
    let of_b = lane / 128u;
    let e = lane % 128u;
    let along_k = select(A_ALONG_K, B_ALONG_K, of_b == 1u) == 1u;
    let k = select(e / 16u, e % STEP, along_k);
    let quad = select(e % 16u, e / STEP, along_k);
    let slot = of_b * TILE + k * PITCH + quad;

    var next: vec4<f32>;
    if of_b == 0u { next = load_a(m + quad * 4u, k); } else { next = load_b(n + quad * 4u, k); }
    tiles[slot] = next;
    workgroupBarrier();

    let row = lane / 16u;                             // the invocation's 4x4 in the tile, in fours
    let column = lane % 16u;
    var sum0 = vec4<f32>();                           // one vec4 per row, one component per column
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    var stage = 0u;
    for (var first = 0u; first < params.k; first += STEP) {
        // Start the loads of the next step now (zeros behind the last); they arrive while this one is computed.
        let k_next = first + STEP + k;
        if of_b == 0u { next = load_a(m + quad * 4u, k_next); } else { next = load_b(n + quad * 4u, k_next); }

        let from_a = stage * 2u * TILE + row;
        let from_b = stage * 2u * TILE + TILE + column;
        for (var s = 0u; s < STEP; s++) {
            let a4 = tiles[from_a + s * PITCH];
            let b4 = tiles[from_b + s * PITCH];
            sum0 += a4.x * b4;
            sum1 += a4.y * b4;
            sum2 += a4.z * b4;
            sum3 += a4.w * b4;
        }

        stage = 1u - stage;
        tiles[stage * 2u * TILE + slot] = next;
        workgroupBarrier();
    }

    let sums = array<vec4<f32>, 4>(sum0, sum1, sum2, sum3);
    for (var s = 0u; s < 4u; s++) {
        for (var t = 0u; t < 4u; t++) {
            let i = m + row * 4u + s;
            let j = n + column * 4u + t;
            if i < params.m && j < params.n {
                var z = sums[s][t];
                if BIAS == 1u { z += bias[j]; }
                if RELU == 1u { z = max(z, 0.0); }
                c[i * params.n + j] = z;
            }
        }
    }
}
