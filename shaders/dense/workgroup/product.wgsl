// Matrix product through workgroup memory: c[m,n] = bias[n] + Σ_k a[m,k] · b[n,k], then ReLU. One kernel for a dense layer's y, dx and dw.
// a: element (m,k) at m*a_row + k*a_k, 0 where mask is not positive; b: (n,k) at n*b_row + k*b_k; bias: [N]; c: [M,N]. Any sizes.
// One invocation: 8x8 of c, 64 sums in registers. One workgroup: 128 of them, 64x128 of c, in stages of 8 along k.
// Traffic: (64 + 128) x 8 floats (6 KiB) per 65,536 multiply-adds of a stage: 21 FLOP per byte of memory; from workgroup memory an
// invocation reads four quads per 64 multiply-adds, 1 byte each.
//
// Why it is laid out as it is:
// - Coalescing. Four elements that follow each other in memory are one load: four k of a row where k runs fastest (A_ALONG_K, B_ALONG_K),
//   as in both factors forward; four rows at one k where rows do, as in both of dw. Lanes run along memory as well: two take the 32 bytes
//   of a row that a stage needs, or 16 to 32 the 256 to 512 bytes of a k.
// - Banks. Eight lanes read a vec4 each at once, from 32 banks of 4 bytes. The lanes of one row of invocations have neighbouring columns,
//   so they read neighbouring vec4s of b, twice 16 vec4s apart, instead of two that follow each other; their vec4 of a is the same for all,
//   which is one read. In a tile it is always [k][row]. Lanes that loaded along k write their four elements to four rows; the two lanes of
//   a row are 4 k apart there, and PAD makes that 16 banks, so that 32 lanes write to 32 banks.
// - Two of each tile. While one is read, the next stage is on its way from memory and then written into the other, so there is one
//   barrier per stage, and the loads' latency hides behind 512 multiply-adds. Both stages of a turn are written out: their places
//   in workgroup memory are constants of the instructions, and no address is computed for 28 of 32 loads.
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

// a and mask are bound by lib/dense_a_quads or lib/dense_a_floats, b by lib/dense_b_quads or lib/dense_b_floats: whether the longer stride of a
// factor is a multiple of 4, so that four elements are a vec4; else they may be parts of two, and are loaded one by one.
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const STEP: u32 = 8u;               // k of a stage
const ROWS: u32 = 64u;              // of a
const COLUMNS: u32 = 128u;          // rows of b
const PAD: u32 = 4u;

// A stage's tiles, in fours of k: at each k two halves of the rows, four rows in a quad. 12.5 KiB in all.
// No vec4s, though all loads are: lanes write single elements, and a language may write a vector's element by writing all four (Metal's does).
alias Quad = array<f32, 4>;
struct RowsOfA { k: array<array<array<Quad, 8>, 2>, 4>, pad: array<Quad, PAD> }
struct RowsOfB { k: array<array<array<Quad, 16>, 2>, 4>, pad: array<Quad, PAD> }
var<workgroup> a_tile: array<array<RowsOfA, 2>, 2>;
var<workgroup> b_tile: array<array<RowsOfB, 2>, 2>;

// The invocation's rows of c: four, and four further down.
var<private> c0: mat2x4<f32>;
var<private> c1: mat2x4<f32>;
var<private> c2: mat2x4<f32>;
var<private> c3: mat2x4<f32>;
var<private> c4: mat2x4<f32>;
var<private> c5: mat2x4<f32>;
var<private> c6: mat2x4<f32>;
var<private> c7: mat2x4<f32>;

// Four elements of a factor that follow each other in memory: where they are in the tile (row and k), and in the factor.
struct Cursor { row: u32, k: u32, at: u32 }
var<private> of_a: Cursor;
var<private> of_b: Cursor;
var<private> of_b2: Cursor;

fn start(e: u32, rows: u32, along_k: u32, quads: bool, first_row: u32, row_stride: u32, k_stride: u32) -> Cursor {
    var p = Cursor(e / 2u, e % 2u * 4u, 0u);
    if along_k == 0u { p = Cursor(e % (rows / 4u) * 4u, e / (rows / 4u), 0u); }
    p.at = (first_row + p.row) * row_stride + p.k * k_stride;
    if quads { p.at /= 4u; }
    return p;
}

fn store_a(stage: u32, quad: vec4<f32>) {
    let q = of_a.k / 4u;
    let half = of_a.row / 32u;
    let i = of_a.row / 4u % 8u;
    if A_ALONG_K == 1u {
        let j = of_a.row % 4u;
        a_tile[stage][q].k[0][half][i][j] = quad.x;
        a_tile[stage][q].k[1][half][i][j] = quad.y;
        a_tile[stage][q].k[2][half][i][j] = quad.z;
        a_tile[stage][q].k[3][half][i][j] = quad.w;
    } else {
        a_tile[stage][q].k[of_a.k % 4u][half][i] = Quad(quad.x, quad.y, quad.z, quad.w);
    }
}

// The first or second quad of b: along k the second is 64 rows further down, else 4 k further on.
fn store_b(stage: u32, second: u32, quad: vec4<f32>) {
    let i = of_b.row / 4u % 16u;
    if B_ALONG_K == 1u {
        let q = of_b.k / 4u;
        let j = of_b.row % 4u;
        b_tile[stage][q].k[0][second][i][j] = quad.x;
        b_tile[stage][q].k[1][second][i][j] = quad.y;
        b_tile[stage][q].k[2][second][i][j] = quad.z;
        b_tile[stage][q].k[3][second][i][j] = quad.w;
    } else {
        b_tile[stage][second].k[of_b.k][of_b.row / 64u][i] = Quad(quad.x, quad.y, quad.z, quad.w);
    }
}

// One k: eight rows of a times eight columns of b.
fn multiply(stage: u32, q: u32, k: u32, row: u32, column: u32) {
    let low = a_tile[stage][q].k[k][0][row];
    let high = a_tile[stage][q].k[k][1][row];
    let v = b_tile[stage][q].k[k][0][column];
    let w = b_tile[stage][q].k[k][1][column];
    let b8 = mat2x4<f32>(v[0], v[1], v[2], v[3], w[0], w[1], w[2], w[3]);
    c0 += low[0] * b8;
    c1 += low[1] * b8;
    c2 += low[2] * b8;
    c3 += low[3] * b8;
    c4 += high[0] * b8;
    c5 += high[1] * b8;
    c6 += high[2] * b8;
    c7 += high[3] * b8;
}

// A stage, while the one whose k begin at `next` is on its way into the other half.
fn advance(stage: u32, next: u32, row: u32, column: u32) {
    let a4 = next_a(next);
    let b4 = next_b(&of_b);
    let b4_2 = next_b(&of_b2);
    multiply(stage, 0u, 0u, row, column);
    multiply(stage, 0u, 1u, row, column);
    multiply(stage, 0u, 2u, row, column);
    multiply(stage, 0u, 3u, row, column);
    multiply(stage, 1u, 0u, row, column);
    multiply(stage, 1u, 1u, row, column);
    multiply(stage, 1u, 2u, row, column);
    multiply(stage, 1u, 3u, row, column);
    store_a(1u - stage, a4);
    store_b(1u - stage, 0u, b4);
    store_b(1u - stage, 1u, b4_2);
    workgroupBarrier();
}

// Write row i of c: columns j to j+3, and 64 further on.
fn store(i: u32, j: u32, sums: mat2x4<f32>) {
    if i >= params.m { return; }
    for (var h = 0u; h < 2u; h++) {
        for (var t = 0u; t < 4u; t++) {
            let n = j + h * 64u + t;
            if n < params.n {
                var z = sums[h][t];
                if BIAS == 1u { z += bias[n]; }
                if RELU == 1u { z = max(z, 0.0); }
                c[i * params.n + n] = z;
            }
        }
    }
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let m = group.y * ROWS;                           // the workgroup's tile of c
    let n = group.x * COLUMNS;
    let row = lane / 16u;
    let column = lane % 16u;

    of_a = start(lane, ROWS, A_ALONG_K, A_QUADS, m, params.a_row, params.a_k);
    of_b = start(lane, COLUMNS, B_ALONG_K, B_QUADS, n, params.b_row, params.b_k);
    of_b2 = start(lane + 128u, COLUMNS, B_ALONG_K, B_QUADS, n, params.b_row, params.b_k);
    store_a(0u, next_a(0u));
    store_b(0u, 0u, next_b(&of_b));
    store_b(0u, 1u, next_b(&of_b2));
    workgroupBarrier();
    // Two stages a turn, so that each half of the tiles is at a fixed place.
    for (var k = STEP; ; k += 2u * STEP) {
        advance(0u, k, row, column);
        if k >= params.k { break; }
        advance(1u, k + STEP, row, column);
        if k + STEP >= params.k { break; }
    }

    let i = m + row * 4u;
    let j = n + column * 4u;
    store(i, j, c0);
    store(i + 1u, j, c1);
    store(i + 2u, j, c2);
    store(i + 3u, j, c3);
    store(i + 32u, j, c4);
    store(i + 33u, j, c5);
    store(i + 34u, j, c6);
    store(i + 35u, j, c7);
}
