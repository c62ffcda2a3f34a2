// Matrix product of one Winograd position: m[i,j] = Σ_k a[k,i] · b[k,j], k packed in vec4s: four multiply-adds per accumulator update.
// a0..a3: row panels [K/4][panel] vec4, b0..b3: column panels [K/4][panel] vec4, each a uniform window; m: vec4 over four rows.
// One workgroup (one subgroup of 8): 8 rows of each row panel x 8 columns of each column panel; one invocation: 32 rows x 4 columns.
// Lane i loads row i of a panel once and all lanes share it by subgroupShuffle with a constant lane (one permute instruction).
// Traffic: 8 vec4 loads per 512 multiply-adds, so bound by arithmetic where a load costs a few ns; a storage load here would cost
// 15 times more than these gathers from uniform blocks, which is the whole reason for the windows.
override ACCUMULATE: bool = false;   // add to m instead of writing it: for sums that arrive in chunks

struct Params {
    k4: u32, quads: u32,             // vec4s along k; row quads of m
    a_panel: u32, b_panel: u32,      // rows and columns of a panel
    first: u32, row_stride: u32,     // m: where this product starts, from one row quad to the next
    first_quad: u32, columns: u32,   // row quad of panel a0's first row; columns of m
}

@group(0) @binding(0) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> a0: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> a1: array<vec4<f32>, 4096>;
@group(0) @binding(4) var<uniform> a2: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> a3: array<vec4<f32>, 4096>;
@group(0) @binding(6) var<uniform> b0: array<vec4<f32>, 4096>;
@group(0) @binding(7) var<uniform> b1: array<vec4<f32>, 4096>;
@group(0) @binding(8) var<uniform> b2: array<vec4<f32>, 4096>;
@group(0) @binding(9) var<uniform> b3: array<vec4<f32>, 4096>;

// Rows first..first+3, one per matrix column: x * rows(..) is the four dot products with x.
fn rows(a: vec4<f32>, first: u32) -> mat4x4<f32> {
    return mat4x4(
        subgroupShuffle(a, first), subgroupShuffle(a, first + 1u),
        subgroupShuffle(a, first + 2u), subgroupShuffle(a, first + 3u));
}

fn put(quad: u32, column: u32, value: vec4<f32>) {
    if quad >= params.quads || column >= params.columns {
        return;
    }
    let at = params.first + quad * params.row_stride + column;
    if ACCUMULATE {
        m[at] += value;
    } else {
        m[at] = value;
    }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var a_at = group.y * 8u + lane;
    var b_at = group.x * 8u + lane;
    let a_step = params.a_panel;
    let b_step = params.b_panel;
    // The grid is 1 deep: adding z keeps Mesa from compiling the kernel anew for every value of params.k4.
    let k4 = params.k4 + group.z;
    var m00 = vec4(0.0); var m01 = vec4(0.0); var m02 = vec4(0.0); var m03 = vec4(0.0);
    var m10 = vec4(0.0); var m11 = vec4(0.0); var m12 = vec4(0.0); var m13 = vec4(0.0);
    var m20 = vec4(0.0); var m21 = vec4(0.0); var m22 = vec4(0.0); var m23 = vec4(0.0);
    var m30 = vec4(0.0); var m31 = vec4(0.0); var m32 = vec4(0.0); var m33 = vec4(0.0);
    var m40 = vec4(0.0); var m41 = vec4(0.0); var m42 = vec4(0.0); var m43 = vec4(0.0);
    var m50 = vec4(0.0); var m51 = vec4(0.0); var m52 = vec4(0.0); var m53 = vec4(0.0);
    var m60 = vec4(0.0); var m61 = vec4(0.0); var m62 = vec4(0.0); var m63 = vec4(0.0);
    var m70 = vec4(0.0); var m71 = vec4(0.0); var m72 = vec4(0.0); var m73 = vec4(0.0);
    for (var k = 0u; k < k4; k++) {
        let y0 = b0[b_at];
        let y1 = b1[b_at];
        let y2 = b2[b_at];
        let y3 = b3[b_at];
        let x0 = a0[a_at];
        let r0 = rows(x0, 0u);
        m00 += y0 * r0; m01 += y1 * r0; m02 += y2 * r0; m03 += y3 * r0;
        let r1 = rows(x0, 4u);
        m10 += y0 * r1; m11 += y1 * r1; m12 += y2 * r1; m13 += y3 * r1;
        let x1 = a1[a_at];
        let r2 = rows(x1, 0u);
        m20 += y0 * r2; m21 += y1 * r2; m22 += y2 * r2; m23 += y3 * r2;
        let r3 = rows(x1, 4u);
        m30 += y0 * r3; m31 += y1 * r3; m32 += y2 * r3; m33 += y3 * r3;
        let x2 = a2[a_at];
        let r4 = rows(x2, 0u);
        m40 += y0 * r4; m41 += y1 * r4; m42 += y2 * r4; m43 += y3 * r4;
        let r5 = rows(x2, 4u);
        m50 += y0 * r5; m51 += y1 * r5; m52 += y2 * r5; m53 += y3 * r5;
        let x3 = a3[a_at];
        let r6 = rows(x3, 0u);
        m60 += y0 * r6; m61 += y1 * r6; m62 += y2 * r6; m63 += y3 * r6;
        let r7 = rows(x3, 4u);
        m70 += y0 * r7; m71 += y1 * r7; m72 += y2 * r7; m73 += y3 * r7;
        a_at += a_step;
        b_at += b_step;
    }
    let quad = params.first_quad + group.y * 2u;
    let a_quads = a_step / 4u;
    let column = group.x * 8u + lane;
    put(quad, column, m00);
    put(quad, column + b_step, m01);
    put(quad, column + 2u * b_step, m02);
    put(quad, column + 3u * b_step, m03);
    put(quad + 1u, column, m10);
    put(quad + 1u, column + b_step, m11);
    put(quad + 1u, column + 2u * b_step, m12);
    put(quad + 1u, column + 3u * b_step, m13);
    put(quad + a_quads, column, m20);
    put(quad + a_quads, column + b_step, m21);
    put(quad + a_quads, column + 2u * b_step, m22);
    put(quad + a_quads, column + 3u * b_step, m23);
    put(quad + a_quads + 1u, column, m30);
    put(quad + a_quads + 1u, column + b_step, m31);
    put(quad + a_quads + 1u, column + 2u * b_step, m32);
    put(quad + a_quads + 1u, column + 3u * b_step, m33);
    put(quad + 2u * a_quads, column, m40);
    put(quad + 2u * a_quads, column + b_step, m41);
    put(quad + 2u * a_quads, column + 2u * b_step, m42);
    put(quad + 2u * a_quads, column + 3u * b_step, m43);
    put(quad + 2u * a_quads + 1u, column, m50);
    put(quad + 2u * a_quads + 1u, column + b_step, m51);
    put(quad + 2u * a_quads + 1u, column + 2u * b_step, m52);
    put(quad + 2u * a_quads + 1u, column + 3u * b_step, m53);
    put(quad + 3u * a_quads, column, m60);
    put(quad + 3u * a_quads, column + b_step, m61);
    put(quad + 3u * a_quads, column + 2u * b_step, m62);
    put(quad + 3u * a_quads, column + 3u * b_step, m63);
    put(quad + 3u * a_quads + 1u, column, m70);
    put(quad + 3u * a_quads + 1u, column + b_step, m71);
    put(quad + 3u * a_quads + 1u, column + 2u * b_step, m72);
    put(quad + 3u * a_quads + 1u, column + 3u * b_step, m73);
}
