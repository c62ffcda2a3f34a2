// Max-pooling, forward: y[n,c,i,j] = max over the window (u,v) of x[n,c,i*stride_h+u,j*stride_w+v].
// x: [N,C,H,W], y: [N,C,OH,OW], argmax: u8 as y, packed four to a u32: u * window_w + v of the maximum, the first of several.
// One invocation: four outputs that follow each other in memory, so that it owns a whole word of argmax. One workgroup: 64 of them.
// Traffic: reads each window once, writes y and a quarter of y's bytes again; 1 compare per 4 bytes read, so memory-bound.
// Next rung: fixed, the same with its sizes as constants. Beyond: fused into the convolution's epilogue, which never writes x at all.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

// Compilers may assume that floats are never NaN, so a comparison of v with itself would not do: look at the bits.
fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let word = id.y * groups.x * 64u + id.x;
    let count = params.planes * params.oh * params.ow;
    if word * 4u >= count { return; }

    var codes = 0u;
    for (var t = 0u; t < 4u; t++) {
        let index = word * 4u + t;
        if index >= count { break; }   // the last word may be partly filled
        let j = index % params.ow;
        let i = index / params.ow % params.oh;
        let plane = index / (params.ow * params.oh);
        let corner = (plane * params.h + i * params.stride_h) * params.w + j * params.stride_w;

        var best = x[corner];
        var code = 0u;
        for (var u = 0u; u < params.window_h; u++) {
            for (var v = 0u; v < params.window_w; v++) {
                let value = x[corner + u * params.w + v];
                // Strictly larger: the first maximum wins. A NaN beats every number, so that it is seen.
                if !is_nan(best) && (value > best || is_nan(value)) {
                    best = value;
                    code = u * params.window_w + v;
                }
            }
        }
        y[index] = best;
        codes |= code << (8u * t);
    }
    argmax[word] = codes;
}
