// Convolution, ReLU and 2x2 max-pooling in one: y[n,k,p,q] = max(0, largest of the four z[n,k,2p+a,2q+b]), z = w * x + b as in forward_1_naive.
// x: [N,C,H,W], zero outside; w: [K,C,KH,KW]; b: [K]; y: [N,K,PH,PW]; argmax: u8, as y, packed four to a u32; a*2+b, or 255 if y is 0.
// One invocation: four outputs that follow each other in memory, so that it owns a whole word of argmax. One workgroup: 64 of them.
// Traffic: as forward_1_naive, but z, four times as large as y, is never written or read again.
// Next rung: a tile of outputs in registers, whole 2x2 windows of it, so that the maximum needs no further loads.

struct Params {
    n: u32, c: u32, h: u32, w: u32,                   // x: [N,C,H,W]
    k: u32, kh: u32, kw: u32,                         // w: [K,C,KH,KW]
    stride_h: u32, stride_w: u32, pad_top: u32, pad_left: u32,
    oh: u32, ow: u32,                                 // the convolution: [N,K,OH,OW]
    ph: u32, pw: u32,                                 // y and dy: [N,K,PH,PW]; OH, OW, or half of them when pooled
    reserved: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

fn convolution(n: u32, k: u32, i: u32, j: u32) -> f32 {
    var sum = b[k];
    for (var c = 0u; c < params.c; c++) {
        var window = 0.0;              // short sums first: rounding grows with the length of a sum
        for (var u = 0u; u < params.kh; u++) {
            // Unsigned: a row above x wraps round to a huge number, so one compare covers both edges.
            let row = i * params.stride_h + u - params.pad_top;
            if row >= params.h { continue; }
            for (var v = 0u; v < params.kw; v++) {
                let column = j * params.stride_w + v - params.pad_left;
                if column >= params.w { continue; }
                window += w[((k * params.c + c) * params.kh + u) * params.kw + v]
                     * x[((n * params.c + c) * params.h + row) * params.w + column];
            }
        }
        sum += window;
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let word = (group.y * groups.x + group.x) * 64u + lane;
    let count = params.n * params.k * params.ph * params.pw;
    if word * 4u >= count { return; }

    var codes = 0u;
    for (var t = 0u; t < 4u; t++) {
        let index = word * 4u + t;
        if index >= count { break; }   // the last word may be partly filled
        let q = index % params.pw;
        let p = index / params.pw % params.ph;
        let k = index / (params.pw * params.ph) % params.k;
        let n = index / (params.pw * params.ph * params.k);

        var best = convolution(n, k, 2u * p, 2u * q);
        var code = 0u;
        for (var a = 1u; a < 4u; a++) {
            let z = convolution(n, k, 2u * p + a / 2u, 2u * q + a % 2u);
            if z > best {              // strictly: the first maximum wins
                best = z;
                code = a;
            }
        }
        if !(best > 0.0) {             // ReLU is dead here: no gradient will pass
            best = 0.0;
            code = 255u;
        }
        y[index] = best;
        codes |= code << (8u * t);
    }
    argmax[word] = codes;
}
