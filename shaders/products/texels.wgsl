// Matrix product: m[i,j] = Σ_k a[k,i] · b[k,j], k packed in vec4s: four multiply-adds per accumulator update.
// factors: both factors, [block of 32 rows (columns)][k][row] over four k; m: vec4 over four rows.
// One workgroup (one subgroup of 8): 32 rows x 32 columns; x counts blocks of columns, y of rows, z products of equal sizes. One
// invocation: 32 rows x 4 columns, which are 8 apart.
// Lane i loads row i of 8 once and all lanes share it by subgroupShuffle with a constant lane (one permute instruction).
// Traffic: 8 texels per 512 multiply-adds, so bound by arithmetic where a load costs a few ns. A CPU driver loads a texel as one vector
// and turns eight of them into four registers with eight shuffles; of a buffer it gathers every number by itself
// (products/windows), and a texture has no limit of 64 KiB, so that one dispatch does what takes dozens there.
// The kernel touches the 64 cache lines of m that it will write before it computes: a store to a line that is not in the cache waits
// for it, and stores wait in a row; loads wait together. That took a quarter of the time where m is larger than the cache.
// Next rung: tiles in workgroup memory (dense/workgroup/product), for GPUs, whose loads are coalesced and whose registers do not hold 32 x 4 sums.

struct Params {
    k4: u32, quads: u32,             // texels along k; row quads of m
    a_first: u32, b_first: u32,      // texel of row (column) 0 of product 0
    a_product: u32, b_product: u32,  // from one product to the next
    row_stride: u32, columns: u32,   // m: from one row quad to the next; columns
    stride: u32, group_stride: u32,  // m: from one product of a group, from one group to the next
    group: u32, reserved: u32,       // products of a group, which share rows of m
}

@group(0) @binding(0) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var factors: texture_storage_2d<rgba32float, read>;

fn texel(at: u32) -> vec4<f32> {
    return textureLoad(factors, vec2(at % 2048u, at / 2048u));
}

fn put(at: u32, inside: bool, value: vec4<f32>) {
    if inside {
        m[at] = value;
    }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Copies: a load from params inside a loop or a store's branch would be a gather of its own.
    let row_stride = params.row_stride;
    var a_at = params.a_first + group.z * params.a_product + group.y * params.k4 * 32u + lane;
    var b_at = params.b_first + group.z * params.b_product + group.x * params.k4 * 32u + lane;
    let first_quad = group.y * 8u;
    let index_group = group.z / params.group;
    let corner = index_group * params.group_stride + (group.z - index_group * params.group) * params.stride
        + first_quad * row_stride + group.x * 32u;
    var seen = 0u;
    for (var q = 0u; q < 8u; q++) {
        seen |= bitcast<u32>(m[corner + q * row_stride + 4u * lane].x);
    }
    // Zero, for the grid is not that deep. Adding it keeps Mesa from compiling the kernel anew for every value of params.k4.
    let zero = group.z >> 16u;
    let k4 = params.k4 + zero;
    var m00 = vec4(0.0); var m01 = vec4(0.0); var m02 = vec4(0.0); var m03 = vec4(0.0);
    var m10 = vec4(0.0); var m11 = vec4(0.0); var m12 = vec4(0.0); var m13 = vec4(0.0);
    var m20 = vec4(0.0); var m21 = vec4(0.0); var m22 = vec4(0.0); var m23 = vec4(0.0);
    var m30 = vec4(0.0); var m31 = vec4(0.0); var m32 = vec4(0.0); var m33 = vec4(0.0);
    var m40 = vec4(0.0); var m41 = vec4(0.0); var m42 = vec4(0.0); var m43 = vec4(0.0);
    var m50 = vec4(0.0); var m51 = vec4(0.0); var m52 = vec4(0.0); var m53 = vec4(0.0);
    var m60 = vec4(0.0); var m61 = vec4(0.0); var m62 = vec4(0.0); var m63 = vec4(0.0);
    var m70 = vec4(0.0); var m71 = vec4(0.0); var m72 = vec4(0.0); var m73 = vec4(0.0);
    for (var k = 0u; k < k4; k++) {
        let x0 = texel(a_at);
        let x1 = texel(a_at + 8u);
        let x2 = texel(a_at + 16u);
        let x3 = texel(a_at + 24u);
        let y0 = texel(b_at);
        let y1 = texel(b_at + 8u);
        let y2 = texel(b_at + 16u);
        let y3 = texel(b_at + 24u);
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
        b_at += 32u;
    }
    // What was seen adds nothing; but what is not used is not loaded.
    let first = corner + lane + (seen & zero);
    let quads = params.quads;
    let column = group.x * 32u + lane;
    let inside0 = column < params.columns;
    let inside1 = column + 8u < params.columns;
    let inside2 = column + 16u < params.columns;
    let inside3 = column + 24u < params.columns;
    let live0 = first_quad + 0u < quads;
    let at0 = first + 0u * row_stride;
    put(at0, live0 && inside0, m00);
    put(at0 + 8u, live0 && inside1, m01);
    put(at0 + 16u, live0 && inside2, m02);
    put(at0 + 24u, live0 && inside3, m03);
    let live1 = first_quad + 1u < quads;
    let at1 = first + 1u * row_stride;
    put(at1, live1 && inside0, m10);
    put(at1 + 8u, live1 && inside1, m11);
    put(at1 + 16u, live1 && inside2, m12);
    put(at1 + 24u, live1 && inside3, m13);
    let live2 = first_quad + 2u < quads;
    let at2 = first + 2u * row_stride;
    put(at2, live2 && inside0, m20);
    put(at2 + 8u, live2 && inside1, m21);
    put(at2 + 16u, live2 && inside2, m22);
    put(at2 + 24u, live2 && inside3, m23);
    let live3 = first_quad + 3u < quads;
    let at3 = first + 3u * row_stride;
    put(at3, live3 && inside0, m30);
    put(at3 + 8u, live3 && inside1, m31);
    put(at3 + 16u, live3 && inside2, m32);
    put(at3 + 24u, live3 && inside3, m33);
    let live4 = first_quad + 4u < quads;
    let at4 = first + 4u * row_stride;
    put(at4, live4 && inside0, m40);
    put(at4 + 8u, live4 && inside1, m41);
    put(at4 + 16u, live4 && inside2, m42);
    put(at4 + 24u, live4 && inside3, m43);
    let live5 = first_quad + 5u < quads;
    let at5 = first + 5u * row_stride;
    put(at5, live5 && inside0, m50);
    put(at5 + 8u, live5 && inside1, m51);
    put(at5 + 16u, live5 && inside2, m52);
    put(at5 + 24u, live5 && inside3, m53);
    let live6 = first_quad + 6u < quads;
    let at6 = first + 6u * row_stride;
    put(at6, live6 && inside0, m60);
    put(at6 + 8u, live6 && inside1, m61);
    put(at6 + 16u, live6 && inside2, m62);
    put(at6 + 24u, live6 && inside3, m63);
    let live7 = first_quad + 7u < quads;
    let at7 = first + 7u * row_stride;
    put(at7, live7 && inside0, m70);
    put(at7 + 8u, live7 && inside1, m71);
    put(at7 + 16u, live7 && inside2, m72);
    put(at7 + 24u, live7 && inside3, m73);
}
