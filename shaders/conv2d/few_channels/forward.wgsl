// Convolution of few input channels (a first layer's), any small window, stride and padding: y[n,k,i,j] = b[k] +
// sum over c,u,v of w[k,c,u,v] * x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left], with ReLU, or ReLU and 2x2 max-pooling.
// x: [N,C,H,W], zero outside; w: [K,C,KH,KW] and b: [K], read as vec4s; y: [N,K,OH,OW], or [N,K,PH,PW] and codes.
// One invocation: a tile of four outputs of some fours of filters, one four after the other. One workgroup: 64 tiles side by side, no shared memory.
// Traffic: x under a tile (16 floats for 3x3 and 2x2 outputs) once per share of the filters; w by the scalar unit, since its address is the same for
// all lanes; y once: 4 bytes (5 with argmax, pooled) per C*KH*KW multiply-adds (four times as many, pooled): for one channel and 3x3, pooled,
// 14 FLOP per byte. That is less than any GPU's memory asks for: the kernel is bound by writing y, as long as its instructions don't get in the way.
//
// Why no tile of a product: contracted over 9 (c,u,v), two stages of 8, of which 7 steps are padding, with their loads and barriers; then as many
// instructions to write 64 sums as to compute them. Here the whole contraction is in registers, and a sum is finished as soon as it is begun.
// Next rung: none; implicit_gemm from where a patch no longer fits the registers.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
// y (codes) and params are bound by lib/few_channels_plain or lib/few_channels_pooled.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = tile_of(group.x * 64u + lane);
    var pixels: Patch;
    load_patch(&pixels, tile, 0u, C);

    let place = place_of(tile);
    let size = C * KH * KW;                           // of a filter; so four filters are as many vec4s
    let last = min((group.y + 1u) * params.share, (params.k + 3u) / 4u);
    for (var quad = group.y * params.share; quad < last; quad++) {
        let bias = b[quad];
        // A filter beyond the last is made of what lies there, and is not written.
        var sums = array<vec4<f32>, 4>(bias, bias, bias, bias);
        for (var c = 0u; c < C; c++) {
            for (var u = 0u; u < KH; u++) {
                for (var v = 0u; v < KW; v++) {
                    let tap = (c * KH + u) * KW + v;
                    var weight: vec4<f32>;
                    for (var f = 0u; f < 4u; f++) {
                        let e = f * size + tap;
                        weight[f] = w[quad * size + e / 4u][e % 4u];
                    }
                    for (var o = 0u; o < 4u; o++) { sums[o] += weight * pixels[under(c, o, u, v)]; }
                }
            }
        }
        store(place, quad * 4u, sums);
    }
}
