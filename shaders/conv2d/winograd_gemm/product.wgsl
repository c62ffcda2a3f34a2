// A batch of matrix products, one for each of the 16 or 36 multiplications of Winograd's tiles: c[b][j,i] = Σ_k rows[b](i,k) · columns[b](j,k).
// a: [B,steps,row_pitch] or, ALONG, [B,rows,steps]; b the same with columns; c: [splits,B,columns,c_pitch]. Steps are whole stages; pitches are vec4s.
// Forward and for the gradient of x, rows are tiles, columns channels of the result, steps those that are contracted (V, U, M); for dw, ALONG, rows
// are filters, columns channels, steps tiles (D, V, dU).
// One invocation: 8x8 of c, 64 sums in registers. One workgroup: 128 of them, 128x64 of c, in stages of 8 steps; z counts products and splits.
// Traffic: (128 + 64) x 8 floats (6 KiB) per 65,536 multiply-adds of a stage: 21 FLOP per byte, asked of the caches; workgroups that follow each
// other share their rows, and a product's columns (C*K floats) stay there for all of them. Inside, four vec4s (64 bytes) per 64 multiply-adds.
//
// Unlike the implicit product there is nothing to work out per step: three vec4s and three sums of addresses are a lane's share of a stage.
// - Coalescing. Across, 32 lanes read 512 bytes of a step. ALONG, two lanes take the 32 bytes of a row that a stage needs: 16 lines, of which the
//   next three stages find the rest in the cache.
// - Banks. Across, vec4s are written as they come, neighbours side by side. ALONG, four floats go to four steps: 32 lanes are 16 rows at two steps
//   that lie 4 * 68 (or 4 * 36) floats apart, 16 banks: 32 banks in all.
// Next rung: tiles transformed while they are loaded; f16 factors where the device has them.

alias Factor = f32;

struct Params {
    rows: u32, columns: u32, steps: u32,
    row_pitch: u32, column_pitch: u32, c_pitch: u32,  // vec4s
    splits: u32, split: u32,                          // parts that the steps are cut into; steps of one, whole stages
    batch: u32,                                       // products
    reserved0: u32, reserved1: u32, reserved2: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

override ALONG: u32 = 0u;                             // 1: the steps of a row (a column) follow each other in memory
override ADD: u32 = 0u;                               // 1: c holds sums already

// Vec4 number e of a stage: where it is in a factor of `count` rows. Rows that do not exist are read as the last, and their sums dropped.
fn start(e: u32, product: u32, first: u32, count: u32, pitch: u32, size: u32) -> u32 {
    if ALONG == 1u { return (product * count + min(first + e / 2u, count - 1u)) * pitch + e % 2u; }
    return (product * params.steps + e / (size / 4u)) * pitch + min(first / 4u + e % (size / 4u), pitch - 1u);
}

// Put vec4 number e of a stage where it belongs.
fn store_row(stage: u32, e: u32, v: vec4<f32>) {
    if ALONG == 1u {
        let r = e / 2u;
        let k = e % 2u * 2u;
        rows[r / 64u][stage][k][0][r % 64u / 4u][r % 4u] = v.x;
        rows[r / 64u][stage][k][1][r % 64u / 4u][r % 4u] = v.y;
        rows[r / 64u][stage][k + 1u][0][r % 64u / 4u][r % 4u] = v.z;
        rows[r / 64u][stage][k + 1u][1][r % 64u / 4u][r % 4u] = v.w;
    } else {
        let k = e / 32u;
        rows[e % 32u / 16u][stage][k / 2u][k % 2u][e % 16u] = Quad(v.x, v.y, v.z, v.w);
    }
}

fn store_column(stage: u32, e: u32, v: vec4<f32>) {
    if ALONG == 1u {
        let r = e / 2u;
        let k = e % 2u * 2u;
        columns[r / 32u][stage][k][0][r % 32u / 4u][r % 4u] = v.x;
        columns[r / 32u][stage][k][1][r % 32u / 4u][r % 4u] = v.y;
        columns[r / 32u][stage][k + 1u][0][r % 32u / 4u][r % 4u] = v.z;
        columns[r / 32u][stage][k + 1u][1][r % 32u / 4u][r % 4u] = v.w;
    } else {
        let k = e / 16u;
        columns[e % 16u / 8u][stage][k / 2u][k % 2u][e % 8u] = Quad(v.x, v.y, v.z, v.w);
    }
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let product = group.z / params.splits;
    let split = group.z % params.splits;
    let first = split * params.split;
    let stages = (min(params.split, params.steps - first) + STEP - 1u) / STEP;

    // From one stage to the next, in vec4s.
    let step_a = select(STEP * params.row_pitch, STEP / 4u, ALONG == 1u);
    let step_b = select(STEP * params.column_pitch, STEP / 4u, ALONG == 1u);
    var at_a = start(lane, product, group.y * ROWS, params.rows, params.row_pitch, ROWS) + first / STEP * step_a;
    var at_a2 = start(lane + 128u, product, group.y * ROWS, params.rows, params.row_pitch, ROWS) + first / STEP * step_a;
    var at_b = start(lane, product, group.x * COLUMNS, params.columns, params.column_pitch, COLUMNS) + first / STEP * step_b;
    store_row(0u, lane, a[at_a]);
    store_row(0u, lane + 128u, a[at_a2]);
    store_column(0u, lane, b[at_b]);
    workgroupBarrier();

    let p = lane % 16u;
    let f = lane / 16u;
    var sums: Sums;
    // Two stages a turn, so that each half of the tiles is at a fixed place. The next stage is on its way while one is computed.
    for (var turn = 0u; turn < stages; turn += 2u) {
        var v: vec4<f32>;
        var v2: vec4<f32>;
        var w: vec4<f32>;
        if turn + 1u < stages {
            at_a += step_a;
            at_a2 += step_a;
            at_b += step_b;
            v = a[at_a];
            v2 = a[at_a2];
            w = b[at_b];
        }
        stage_product(&sums, 0u, p, f);
        if turn + 1u >= stages { break; }
        store_row(1u, lane, v);
        store_row(1u, lane + 128u, v2);
        store_column(1u, lane, w);
        workgroupBarrier();
        if turn + 2u < stages {
            at_a += step_a;
            at_a2 += step_a;
            at_b += step_b;
            v = a[at_a];
            v2 = a[at_a2];
            w = b[at_b];
        }
        stage_product(&sums, 1u, p, f);
        if turn + 2u < stages {
            store_row(0u, lane, v);
            store_row(0u, lane + 128u, v2);
            store_column(0u, lane, w);
        }
        workgroupBarrier();
    }

    let products = params.c_pitch * params.columns;
    let batch = (split * params.batch + product) * products;
    for (var q = 0u; q < 2u; q++) {
        for (var g = 0u; g < 2u; g++) {
            let at = g * 8u + q * 4u;
            let row = group.y * (ROWS / 4u) + q * 16u + p;
            let column = group.x * COLUMNS + (g * 8u + f) * 4u;
            for (var o = 0u; o < 4u; o++) {
                if row < params.c_pitch && column + o < params.columns {
                    let z = vec4<f32>(sums[at][o], sums[at + 1u][o], sums[at + 2u][o], sums[at + 3u][o]);
                    let to = batch + (column + o) * params.c_pitch + row;
                    if ADD == 1u { c[to] += z; } else { c[to] = z; }
                }
            }
        }
    }
}
