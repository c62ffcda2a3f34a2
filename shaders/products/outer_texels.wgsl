// Sum of outer products: m[i,j] = Σ_t a[t,i] · b[t,j] over columns t, four neighbouring i or j to a texel: the product for factors whose
// texels run along their rows, not along the contraction as those of products/texels do.
// factors: both factors, [block of 32 t][row quad][t]; m: [product][row][column quad] vec4 over four columns.
// One workgroup (one subgroup of 8): 32 rows x 32 columns; x counts blocks of columns, y of rows, z products of equal sizes. One
// invocation: 32 rows x 4 columns.
// Lane i loads row quad i of a and column quad i of b, for four t at once; all lanes share a by subgroupShuffle with a constant lane.
// Four t to an update, for inside a loop a CPU driver blends every accumulator under the mask of lanes that are still running.
// Traffic: 8 texels per 512 multiply-adds. The lanes read 8 cache lines, but the four t of each are one line.
// The kernel touches the cache lines of m that it will write before it computes, as products/texels does.
// Next rung: tiles in workgroup memory (dense/workgroup/product), for GPUs, whose loads are coalesced and whose registers do not hold 32 x 4 sums.
override ACCUMULATE: bool = false;   // add to m instead of writing it: for sums that arrive in chunks

struct Params {
    count: u32, rows: u32,           // columns t that are summed; rows of m
    a_first: u32, b_first: u32,      // texel of row (column) 0 of product 0
    a_block: u32, b_block: u32,      // from one block of 32 t to the next
    a_product: u32, b_product: u32,  // from one product to the next
    quads: u32, reserved0: u32,      // column quads of m
    reserved1: u32, reserved2: u32,
}

@group(0) @binding(0) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var factors: texture_storage_2d<rgba32float, read>;

// Zero beyond the last t, where nothing was written.
fn texel(at: u32, inside: bool) -> vec4<f32> {
    return select(vec4(0.0), textureLoad(factors, vec2(at % 2048u, at / 2048u)), inside);
}

fn put(at: u32, inside: bool, value: vec4<f32>) {
    if inside {
        if ACCUMULATE {
            m[at] += value;
        } else {
            m[at] = value;
        }
    }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Copies: a load from params inside a loop or a store's branch would be a gather of its own.
    let a_block = params.a_block;
    let b_block = params.b_block;
    let quads = params.quads;
    let rows = params.rows;
    let first_row = group.y * 32u;
    let corner = (group.z * rows + first_row) * quads + group.x * 8u;
    var seen = 0u;
    for (var i = 0u; i < 8u; i++) {
        let line = corner + (4u * i + (lane >> 1u)) * quads + 4u * (lane & 1u);
        seen |= bitcast<u32>(m[line].x);
    }
    // Zero, for the grid is not that deep. Adding it keeps Mesa from compiling the kernel anew for every value of params.count.
    let zero = group.z >> 16u;
    let count = params.count + zero;
    let a_first = params.a_first + group.z * params.a_product + (group.y * 8u + lane) * 32u;
    let b_first = params.b_first + group.z * params.b_product + (group.x * 8u + lane) * 32u;
    var m0 = vec4(0.0); var m1 = vec4(0.0); var m2 = vec4(0.0); var m3 = vec4(0.0);
    var m4 = vec4(0.0); var m5 = vec4(0.0); var m6 = vec4(0.0); var m7 = vec4(0.0);
    var m8 = vec4(0.0); var m9 = vec4(0.0); var m10 = vec4(0.0); var m11 = vec4(0.0);
    var m12 = vec4(0.0); var m13 = vec4(0.0); var m14 = vec4(0.0); var m15 = vec4(0.0);
    var m16 = vec4(0.0); var m17 = vec4(0.0); var m18 = vec4(0.0); var m19 = vec4(0.0);
    var m20 = vec4(0.0); var m21 = vec4(0.0); var m22 = vec4(0.0); var m23 = vec4(0.0);
    var m24 = vec4(0.0); var m25 = vec4(0.0); var m26 = vec4(0.0); var m27 = vec4(0.0);
    var m28 = vec4(0.0); var m29 = vec4(0.0); var m30 = vec4(0.0); var m31 = vec4(0.0);
    for (var t = 0u; t < count; t += 4u) {
        let a_at = a_first + t / 32u * a_block + t % 32u;
        let b_at = b_first + t / 32u * b_block + t % 32u;
        let in1 = t + 1u < count;
        let in2 = t + 2u < count;
        let in3 = t + 3u < count;
        let x0 = texel(a_at, true);
        let x1 = texel(a_at + 1u, in1);
        let x2 = texel(a_at + 2u, in2);
        let x3 = texel(a_at + 3u, in3);
        let y = mat4x4(texel(b_at, true), texel(b_at + 1u, in1), texel(b_at + 2u, in2), texel(b_at + 3u, in3));
        // Row i of a quad at all four t.
        let a0 = vec4(x0.x, x1.x, x2.x, x3.x);
        let a1 = vec4(x0.y, x1.y, x2.y, x3.y);
        let a2 = vec4(x0.z, x1.z, x2.z, x3.z);
        let a3 = vec4(x0.w, x1.w, x2.w, x3.w);
        m0 += y * subgroupShuffle(a0, 0u); m1 += y * subgroupShuffle(a1, 0u); m2 += y * subgroupShuffle(a2, 0u); m3 += y * subgroupShuffle(a3, 0u);
        m4 += y * subgroupShuffle(a0, 1u); m5 += y * subgroupShuffle(a1, 1u); m6 += y * subgroupShuffle(a2, 1u); m7 += y * subgroupShuffle(a3, 1u);
        m8 += y * subgroupShuffle(a0, 2u); m9 += y * subgroupShuffle(a1, 2u); m10 += y * subgroupShuffle(a2, 2u); m11 += y * subgroupShuffle(a3, 2u);
        m12 += y * subgroupShuffle(a0, 3u); m13 += y * subgroupShuffle(a1, 3u); m14 += y * subgroupShuffle(a2, 3u); m15 += y * subgroupShuffle(a3, 3u);
        m16 += y * subgroupShuffle(a0, 4u); m17 += y * subgroupShuffle(a1, 4u); m18 += y * subgroupShuffle(a2, 4u); m19 += y * subgroupShuffle(a3, 4u);
        m20 += y * subgroupShuffle(a0, 5u); m21 += y * subgroupShuffle(a1, 5u); m22 += y * subgroupShuffle(a2, 5u); m23 += y * subgroupShuffle(a3, 5u);
        m24 += y * subgroupShuffle(a0, 6u); m25 += y * subgroupShuffle(a1, 6u); m26 += y * subgroupShuffle(a2, 6u); m27 += y * subgroupShuffle(a3, 6u);
        m28 += y * subgroupShuffle(a0, 7u); m29 += y * subgroupShuffle(a1, 7u); m30 += y * subgroupShuffle(a2, 7u); m31 += y * subgroupShuffle(a3, 7u);
    }
    // What was seen adds nothing; but what is not used is not loaded.
    let first = corner + lane + (seen & zero);
    let live = select(0u, rows - min(rows, first_row), group.x * 8u + lane < quads);
    put(first, live > 0u, m0);
    put(first + quads, live > 1u, m1);
    put(first + 2u * quads, live > 2u, m2);
    put(first + 3u * quads, live > 3u, m3);
    put(first + 4u * quads, live > 4u, m4);
    put(first + 5u * quads, live > 5u, m5);
    put(first + 6u * quads, live > 6u, m6);
    put(first + 7u * quads, live > 7u, m7);
    put(first + 8u * quads, live > 8u, m8);
    put(first + 9u * quads, live > 9u, m9);
    put(first + 10u * quads, live > 10u, m10);
    put(first + 11u * quads, live > 11u, m11);
    put(first + 12u * quads, live > 12u, m12);
    put(first + 13u * quads, live > 13u, m13);
    put(first + 14u * quads, live > 14u, m14);
    put(first + 15u * quads, live > 15u, m15);
    put(first + 16u * quads, live > 16u, m16);
    put(first + 17u * quads, live > 17u, m17);
    put(first + 18u * quads, live > 18u, m18);
    put(first + 19u * quads, live > 19u, m19);
    put(first + 20u * quads, live > 20u, m20);
    put(first + 21u * quads, live > 21u, m21);
    put(first + 22u * quads, live > 22u, m22);
    put(first + 23u * quads, live > 23u, m23);
    put(first + 24u * quads, live > 24u, m24);
    put(first + 25u * quads, live > 25u, m25);
    put(first + 26u * quads, live > 26u, m26);
    put(first + 27u * quads, live > 27u, m27);
    put(first + 28u * quads, live > 28u, m28);
    put(first + 29u * quads, live > 29u, m29);
    put(first + 30u * quads, live > 30u, m30);
    put(first + 31u * quads, live > 31u, m31);
}
