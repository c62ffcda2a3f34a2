// Average pooling, forward: y[n,c,i,j] = mean over the window (u,v) of x[n,c,i*stride_h+u,j*stride_w+v].
// x: [N,C,H,W], y: [N,C,OH,OW].
// One invocation: one output. One workgroup: 64 outputs that follow each other in memory, no shared memory.
// Traffic: reads each window once, writes y; 1 addition per 4 bytes read, so memory-bound.
// Next rung: fixed, the same with its sizes as constants. Beyond: for overlapping windows, sums of columns that neighbours share.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.planes * params.oh * params.ow { return; }
    let j = index % params.ow;
    let i = index / params.ow % params.oh;
    let plane = index / (params.ow * params.oh);
    let corner = (plane * params.h + i * params.stride_h) * params.w + j * params.stride_w;

    var sum = 0.0;
    for (var u = 0u; u < params.window_h; u++) {
        for (var v = 0u; v < params.window_w; v++) {
            sum += x[corner + u * params.w + v];
        }
    }
    y[index] = sum / f32(params.window_h * params.window_w);
}
