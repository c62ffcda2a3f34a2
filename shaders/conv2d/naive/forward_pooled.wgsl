// Convolution, ReLU and 2x2 max-pooling in one: y[n,k,p,q] = max(0, largest of the four z[n,k,2p+a,2q+b]), z = w * x + b as in naive/forward.
// x: [N,C,H,W], zero outside; w: [K,C,KH,KW]; b: [K]; y: [N,K,PH,PW]; argmax: u8, as y, packed four to a u32; a*2+b, or 255 if y is 0.
// One invocation: four outputs that follow each other in memory, so that it owns a whole word of argmax. One workgroup: 64 of them.
// Traffic: as naive/forward, but z, four times as large as y, is never written or read again.
// Next rung: a tile of outputs in registers, whole 2x2 windows of it, so that the maximum needs no further loads.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let word = id.y * groups.x * 64u + id.x;
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
