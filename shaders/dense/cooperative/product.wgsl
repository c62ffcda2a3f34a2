// Matrix product on matrix units ("tensor cores"): c[m,n] = Σ_k a[k,m] · b[k,n]. Experimental: an extension of wgpu, not part of WGSL.
// a: [K][M] and b: [K][N] f16 from half/pack, padded with zeros to multiples of 16 along k and 64 else; c: [M,N] f32, padded likewise.
// One subgroup of 32: 32x32 of c, as 2x2 fragments of 16x16 f32. One workgroup: four subgroups, 64x64 of c. A fragment lies in the registers
// of all lanes of its subgroup, in an order that only the device knows: it is loaded, multiplied and stored as a whole.
// Traffic: per 16 k, a subgroup loads four fragments of 512 bytes for four products of 4,096 multiply-adds: 16 FLOP per byte from the
// cache, and 32 from memory, since two subgroups each share a fragment. No workgroup memory, no barrier.
// Bias and ReLU follow in a pass of their own (finish): which element of a fragment a lane holds is not known here.
// Next rung: none. Vendors' libraries keep the tiles in workgroup memory, copied there while the matrix units work.

enable f16;
enable wgpu_cooperative_matrix;

struct Params {
    k: u32,                          // padded, as everything here
    a_row: u32, b_row: u32,          // elements of a row of a (M) and of b and c (N)
    reserved: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f16>;
@group(0) @binding(1) var<storage, read> b: array<f16>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_id) subgroup: u32) {
    let m = group.y * 64u + subgroup / 2u * 32u;      // the subgroup's part of c
    let n = group.x * 64u + subgroup % 2u * 32u;

    var c00 = coop_mat16x16<f32, C>();
    var c01 = coop_mat16x16<f32, C>();
    var c10 = coop_mat16x16<f32, C>();
    var c11 = coop_mat16x16<f32, C>();
    var a_at = m;
    var b_at = n;
    for (var k = 0u; k < params.k; k += 16u) {
        // Row k of a holds column k of the matrix that is multiplied: coopLoad reads column by column, coopLoadT row by row.
        let a0 = coopLoad<coop_mat16x16<f16, A>>(&a[a_at], params.a_row);
        let a1 = coopLoad<coop_mat16x16<f16, A>>(&a[a_at + 16u], params.a_row);
        let b0 = coopLoadT<coop_mat16x16<f16, B>>(&b[b_at], params.b_row);
        let b1 = coopLoadT<coop_mat16x16<f16, B>>(&b[b_at + 16u], params.b_row);
        c00 = coopMultiplyAdd(a0, b0, c00);
        c01 = coopMultiplyAdd(a0, b1, c01);
        c10 = coopMultiplyAdd(a1, b0, c10);
        c11 = coopMultiplyAdd(a1, b1, c11);
        a_at += 16u * params.a_row;
        b_at += 16u * params.b_row;
    }
    // Each place gets a name first: naga 30 computes what a coopStore's arguments need after the statement, which is too late.
    let row = params.b_row;
    let at00 = m * row + n;
    let at01 = at00 + 16u;
    let at10 = at00 + 16u * row;
    let at11 = at10 + 16u;
    coopStoreT(c00, &c[at00], row);
    coopStoreT(c01, &c[at01], row);
    coopStoreT(c10, &c[at10], row);
    coopStoreT(c11, &c[at11], row);
}
