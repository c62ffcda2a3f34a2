// Convolution, gradient of w: dw[k,c,u,v] = sum over n,i,j of g[n,k,i,j] * x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left].
// dy: [N,K,PH,PW]; mask: y (ReLU) or argmax (ReLU and pooling); x: [N,C,H,W], zero outside; dw: [splits,K,C,KH,KW]; g is dy seen through the epilogue.
// One invocation: one dw, over all samples and pixels; or, where a driver would end so long a loop, over the rows of a split. One workgroup:
// 64 of them, no shared memory.
// Traffic: two to three loads (8-12 bytes) per multiply-add, at most 1/4 FLOP per byte; K*C*KH*KW invocations (of each split) with long loops: few for a GPU.
// Next rung: all taps and several channels of one filter per invocation, pixels split over lanes and added up at the end.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// dy[n,k,i,j] seen through the epilogue: the gradient of the convolution before ReLU and pooling.
fn gradient(n: u32, k: u32, i: u32, j: u32) -> f32 {
    return through_epilogue(n * params.k + k, i, j, params.oh, params.ow);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let count = params.k * params.c * params.kh * params.kw;
    if index >= count { return; }
    let v = index % params.kw;
    let u = index / params.kw % params.kh;
    let c = index / (params.kw * params.kh) % params.c;
    let k = index / (params.kw * params.kh * params.c);

    // Of the rows of all samples, as many for each split, or one more.
    let rows = params.n * params.oh;
    let first = rows / params.splits * id.z + min(id.z, rows % params.splits);
    let last = first + rows / params.splits + u32(id.z < rows % params.splits);

    var sum = 0.0;
    for (var r = first; r < last; r++) {
        let n = r / params.oh;
        let i = r % params.oh;
        // Unsigned: a row above x wraps round to a huge number, so one compare covers both edges.
        let row = i * params.stride_h + u - params.pad_top;
        if row >= params.h { continue; }
        var row_sum = 0.0;             // short sums first: rounding grows with the length of a sum
        for (var j = 0u; j < params.ow; j++) {
            let column = j * params.stride_w + v - params.pad_left;
            if column >= params.w { continue; }
            row_sum += gradient(n, k, i, j) * x[((n * params.c + c) * params.h + row) * params.w + column];
        }
        sum += row_sum;
    }
    dw[id.z * count + index] = sum;
}
