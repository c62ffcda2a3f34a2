// Average pooling, forward: y[n,c,i,j] = mean over the window (u,v) of x[n,c,i*STRIDE_H+u,j*STRIDE_W+v].
// x: [N,C,H,W], y: [N,C,OH,OW]. All sizes are constants of the pipeline.
// One invocation: one output. One workgroup: 64 outputs that follow each other in memory, no shared memory.
// Traffic: reads each window once, writes y; 1 addition per 4 bytes read: memory-bound. 32 lanes read 64 floats in a row by two loads that share
// their lines; four outputs per invocation would read by vec4s, but spread each load over four times as many lines.
// Next rung: for overlapping windows, sums of columns that neighbours share.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.planes * OH * OW { return; }
    let row = index / OW;
    let corner = (row / OH * H + row % OH * STRIDE_H) * W + (index - row * OW) * STRIDE_W;

    var sum = 0.0;
    for (var u = 0u; u < WINDOW_H; u++) {
        for (var v = 0u; v < WINDOW_W; v++) {
            sum += x[corner + u * W + v];
        }
    }
    y[index] = sum / f32(WINDOW_H * WINDOW_W);
}
