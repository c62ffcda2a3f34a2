// Convolution 3x3, stride 1, 'same': y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n,c,i+u-1,j+v-1], then ReLU; subgroups of 8 lanes.
// x: [C/4][chunk][ROWS][PITCH] vec4, padded (subgroup/pack_planes); w: [K/16][C/4][9][16] vec4 (subgroup/pack_weight); b: [K]; y: [N,K,H,W].
// One invocation (lane): 8 pixels of 16 filters, 128 sums in registers. One workgroup: one subgroup, 2 rows x 32 columns x 16 filters.
// Traffic: 20 + 18 vec4 loads per 4608 multiply-adds of a lane, 15 FLOP per byte; w crosses lanes by shuffles, not by loads or memory.
// Next rung: loads through uniform windows, many times cheaper on a CPU driver: im2col, or with 2.25 to 4 times fewer multiply-adds Winograd.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
// y, argmax and params are bound by lib/subgroup_plain or lib/subgroup_pooled.

const FILTERS: u32 = 16u;      // outputs of a workgroup: 16 filters x 2 rows x 4 groups of 8 pixels, all in registers

// Where the window of strip position q begins. Position q is column q % pitch of a row pair; the pairs of all samples follow
// each other, so that a tile may run over the end of a row. What it computes in the padding columns is dropped.
fn window(q: u32) -> u32 {
    let pair = q / params.pitch;
    if pair >= params.n * params.pairs { return 0u; }   // behind the last pair: a column of zeros
    let row = pair / params.pairs * params.rows + pair % params.pairs * 2u;
    return row * params.pitch + q % params.pitch;
}

// Each lane's right neighbour: lane 7 gets lane 0 of the next group. Both shuffles rotate by one lane.
fn shift(a: vec4<f32>, b: vec4<f32>, lane: u32) -> vec4<f32> {
    let next = (lane + 1u) % 8u;
    return select(subgroupShuffle(a, next), subgroupShuffle(b, next), lane == 7u);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let q = group.x * 32u + lane;
    let at0 = window(q);
    let at1 = window(q + 8u);
    let at2 = window(q + 16u);
    let at3 = window(q + 24u);
    let at4 = window(q + 32u);                       // only its first two pixels are needed, as right neighbours

    // Element f: filter f of the block, component g: pixel group g.
    var top: array<vec4<f32>, FILTERS>;              // the upper row of the pair
    var bottom: array<vec4<f32>, FILTERS>;

    let plane = params.n * params.rows * params.pitch;
    var weights = group.y * params.quads * 9u * FILTERS + lane;
    for (var c = 0u; c < params.quads; c++) {
        var row = c * plane;
        var n0 = x[row + at0]; var n1 = x[row + at1]; var n2 = x[row + at2]; var n3 = x[row + at3]; var n4 = x[row + at4];
        for (var u = 0u; u < 3u; u++) {
            // The row under the upper outputs was loaded for the lower ones one tap before.
            var t0 = n0; var t1 = n1; var t2 = n2; var t3 = n3; var t4 = n4;
            row += params.pitch;
            n0 = x[row + at0]; n1 = x[row + at1]; n2 = x[row + at2]; n3 = x[row + at3]; n4 = x[row + at4];
            var b0 = n0; var b1 = n1; var b2 = n2; var b3 = n3; var b4 = n4;
            for (var v = 0u; v < 3u; v++) {
                // Lane i loads filters i and i + 8; a shuffle with a constant lane then shares each with all lanes.
                let own = array<vec4<f32>, 2>(w[weights], w[weights + 8u]);
                weights += FILTERS;
                let t = transpose(mat4x4<f32>(t0, t1, t2, t3));     // t[i]: channel c+i of the four groups
                let b = transpose(mat4x4<f32>(b0, b1, b2, b3));
                for (var f = 0u; f < FILTERS; f++) {
                    let a = subgroupShuffle(own[f / 8u], f % 8u);
                    top[f] += a.x * t[0] + a.y * t[1] + a.z * t[2] + a.w * t[3];
                    bottom[f] += a.x * b[0] + a.y * b[1] + a.z * b[2] + a.w * b[3];
                }
                t0 = shift(t0, t1, lane); t1 = shift(t1, t2, lane); t2 = shift(t2, t3, lane); t3 = shift(t3, t4, lane);
                b0 = shift(b0, b1, lane); b1 = shift(b1, b2, lane); b2 = shift(b2, b3, lane); b3 = shift(b3, b4, lane);
                t4 = shift(t4, t4, lane); b4 = shift(b4, b4, lane);
            }
        }
    }

    for (var f = 0u; f < FILTERS; f++) {             // no break: the loop must unroll, or the sums leave their registers
        store(group.y * FILTERS + f, q, lane, top[f], bottom[f]);
    }
}
