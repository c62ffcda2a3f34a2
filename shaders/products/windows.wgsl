// Matrix product: m[i,j] = Σ_k a[k,i] · b[k,j], k packed in vec4s: four multiply-adds per accumulator update.
// a0..a3: row panels, b0..b3: column panels, each a uniform window of [K/4][panel] or [panel][K/4] vec4s; m: vec4 over four rows.
// One workgroup (one subgroup of 8): 8 rows of each row panel x 8 columns of each column panel; one invocation: 32 rows x 4 columns.
// Lane i loads row i of a panel once and all lanes share it by subgroupShuffle with a constant lane (one permute instruction).
// Traffic: 8 vec4 loads per 512 multiply-adds, so bound by arithmetic where a load costs a few ns; a storage load here would cost
// 2 to 15 times more than these gathers from uniform blocks, which is the whole reason for the windows.
// The kernel touches the 64 cache lines of m that it will write before it computes: a store to a line that is not in the cache waits
// for it, and stores wait in a row; loads wait together. That took a quarter of the time where m is larger than the cache.
// Next rung: products/texels, which loads a vec4 as one vector and sees all of a factor; on a GPU, tiles in workgroup memory (dense/workgroup/product).
override ACCUMULATE: bool = false;   // add to m instead of writing it: for sums that arrive in chunks

struct Params {
    k4: u32, quads: u32,             // vec4s along k; row quads of m
    a_panel: u32, b_panel: u32,      // rows and columns of a panel
    a_row: u32, a_k: u32,            // in a panel of a: from one row to the next, from one vec4 along k to the next
    b_column: u32, b_k: u32,
    first: u32, row_stride: u32,     // m: the column where these blocks start, from one row quad to the next
    first_quad: u32, columns: u32,   // row quad of panel a0's first row; columns of m from there
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
    var a_at = (group.y * 8u + lane) * params.a_row;
    var b_at = (group.x * 8u + lane) * params.b_column;
    let a_step = params.a_k;
    let b_step = params.b_k;
    // Copies: a load from params inside a loop or a store's branch would be a gather of its own.
    let a_quads = params.a_panel / 4u;
    let b_panel = params.b_panel;
    let row_stride = params.row_stride;
    let first_quad = params.first_quad + group.y * 2u;
    let corner = params.first + first_quad * row_stride + group.x * 8u;
    var seen = 0u;
    for (var p = 0u; p < 4u; p++) {
        let line = corner + (p * a_quads + (lane >> 2u)) * row_stride + (lane & 3u) * b_panel;
        seen |= bitcast<u32>(m[line].x) | bitcast<u32>(m[line + 4u].x);
    }
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
    let quads = params.quads;
    let columns = params.columns;
    let first_column = group.x * 8u + lane;
    // What was seen adds nothing; but what is not used is not loaded.
    let first = corner + lane + (seen & group.z);
    let limit = u32(max(0, i32(columns) - i32(first_column)));
    let inside0 = 0u * b_panel < limit;
    let inside1 = 1u * b_panel < limit;
    let inside2 = 2u * b_panel < limit;
    let inside3 = 3u * b_panel < limit;
    let quad0 = 0u;
    let live0 = first_quad + quad0 < quads;
    let at0 = first + quad0 * row_stride;
    put(at0, live0 && inside0, m00);
    put(at0 + b_panel, live0 && inside1, m01);
    put(at0 + 2u * b_panel, live0 && inside2, m02);
    put(at0 + 3u * b_panel, live0 && inside3, m03);
    let quad1 = 1u;
    let live1 = first_quad + quad1 < quads;
    let at1 = first + quad1 * row_stride;
    put(at1, live1 && inside0, m10);
    put(at1 + b_panel, live1 && inside1, m11);
    put(at1 + 2u * b_panel, live1 && inside2, m12);
    put(at1 + 3u * b_panel, live1 && inside3, m13);
    let quad2 = a_quads;
    let live2 = first_quad + quad2 < quads;
    let at2 = first + quad2 * row_stride;
    put(at2, live2 && inside0, m20);
    put(at2 + b_panel, live2 && inside1, m21);
    put(at2 + 2u * b_panel, live2 && inside2, m22);
    put(at2 + 3u * b_panel, live2 && inside3, m23);
    let quad3 = a_quads + 1u;
    let live3 = first_quad + quad3 < quads;
    let at3 = first + quad3 * row_stride;
    put(at3, live3 && inside0, m30);
    put(at3 + b_panel, live3 && inside1, m31);
    put(at3 + 2u * b_panel, live3 && inside2, m32);
    put(at3 + 3u * b_panel, live3 && inside3, m33);
    let quad4 = 2u * a_quads;
    let live4 = first_quad + quad4 < quads;
    let at4 = first + quad4 * row_stride;
    put(at4, live4 && inside0, m40);
    put(at4 + b_panel, live4 && inside1, m41);
    put(at4 + 2u * b_panel, live4 && inside2, m42);
    put(at4 + 3u * b_panel, live4 && inside3, m43);
    let quad5 = 2u * a_quads + 1u;
    let live5 = first_quad + quad5 < quads;
    let at5 = first + quad5 * row_stride;
    put(at5, live5 && inside0, m50);
    put(at5 + b_panel, live5 && inside1, m51);
    put(at5 + 2u * b_panel, live5 && inside2, m52);
    put(at5 + 3u * b_panel, live5 && inside3, m53);
    let quad6 = 3u * a_quads;
    let live6 = first_quad + quad6 < quads;
    let at6 = first + quad6 * row_stride;
    put(at6, live6 && inside0, m60);
    put(at6 + b_panel, live6 && inside1, m61);
    put(at6 + 2u * b_panel, live6 && inside2, m62);
    put(at6 + 3u * b_panel, live6 && inside3, m63);
    let quad7 = 3u * a_quads + 1u;
    let live7 = first_quad + quad7 < quads;
    let at7 = first + quad7 * row_stride;
    put(at7, live7 && inside0, m70);
    put(at7 + b_panel, live7 && inside1, m71);
    put(at7 + 2u * b_panel, live7 && inside2, m72);
    put(at7 + 3u * b_panel, live7 && inside3, m73);
}
