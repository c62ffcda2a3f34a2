// Max-pooling, forward: y[n,c,i,j] = max over the window (u,v) of x[n,c,i*STRIDE_H+u,j*STRIDE_W+v].
// x: [N,C,H,W], y: [N,C,OH,OW], argmax: u8 as y, packed four to a u32: u * WINDOW_W + v of the maximum, the first of several.
// All sizes are constants of the pipeline.
// One invocation: one output. One workgroup: 64 outputs that follow each other in memory; their 64 codes become 16 words in workgroup memory.
// Traffic: reads each window once, writes y and a quarter of y's bytes again; 1 compare per 4 bytes read: memory-bound. Neighbouring lanes read
// neighbouring windows; with four outputs per invocation each load would touch four times as many lines.
// Next rung: fused into the convolution's epilogue, which never writes x at all.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> codes: array<u32, 64>;

// Compilers may assume that floats are never NaN, so a comparison of v with itself would not do: look at the bits.
fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// The maximum of output index, into y; its number in the window.
fn maximum(index: u32) -> u32 {
    let row = index / OW;
    let corner = (row / OH * H + row % OH * STRIDE_H) * W + (index - row * OW) * STRIDE_W;
    var best = x[corner];
    var code = 0u;
    for (var u = 0u; u < WINDOW_H; u++) {
        for (var v = 0u; v < WINDOW_W; v++) {
            let value = x[corner + u * W + v];
            // Strictly larger: the first maximum wins. A NaN beats every number, so that it is seen.
            if !is_nan(best) && (value > best || is_nan(value)) {
                best = value;
                code = u * WINDOW_W + v;
            }
        }
    }
    y[index] = best;
    return code;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let first = (group.y * groups.x + group.x) * 64u;
    let count = params.planes * OH * OW;
    codes[lane] = 0u;
    if first + lane < count {
        codes[lane] = maximum(first + lane);
    }
    workgroupBarrier();
    let word = first / 4u + lane;
    if lane < 16u && 4u * word < count {
        let c = 4u * lane;
        argmax[word] = codes[c] | (codes[c + 1u] << 8u) | (codes[c + 2u] << 16u) | (codes[c + 3u] << 24u);
    }
}
