// Convolution 3x3, stride 1, 'same': y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n,c,i+u-1,j+v-1], then ReLU.
// x: [chunk,C,H,W], zero outside; w: [K,C,3,3]; b: [K]; y: [N,K,H,W].
// One invocation: a tile of 2 rows x 4 columns of 4 filters, 32 sums in registers as 8 vec4s. One workgroup: 64 tiles side by side, no shared memory.
// Traffic: 24 loads of x and 36 of w per 288 multiply-adds: 2.4 FLOP per byte, ten times naive/forward's; w is the same for the whole workgroup.
// Next rung: a workgroup shares its x and w through workgroup memory, so that 256 invocations load each value once.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
// y, argmax and params are bound by lib/store_plain or lib/store_pooled.

// x of sample n (within the chunk), channel c, zero outside. Unsigned: -1 wraps round to a huge number.
fn pixel(n: u32, c: u32, i: u32, j: u32) -> f32 {
    if i >= params.h || j >= params.w { return 0.0; }
    return x[((n * params.c + c) * params.h + i) * params.w + j];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    // A tile is 2 rows x 4 columns of 4 filters.
    let across = (params.w + 3u) / 4u;
    let down = (params.h + 1u) / 2u;
    let tile = group.x * 64u + lane;
    if tile >= across * down { return; }
    let i = tile / across * 2u;
    let j = tile % across * 4u;
    let k = group.y * 4u;
    let n = group.z;

    var top: array<vec4<f32>, 4>;                     // element f: filter k+f, component: column
    var bottom: array<vec4<f32>, 4>;
    for (var c = 0u; c < params.c; c++) {
        var row0: array<f32, 6>;                      // the input row under tap row u of the upper outputs …
        for (var s = 0u; s < 6u; s++) { row0[s] = pixel(n, c, i - 1u, j + s - 1u); }
        for (var u = 0u; u < 3u; u++) {
            var row1: array<f32, 6>;                  // … and of the lower ones, which the next tap row uses again
            for (var s = 0u; s < 6u; s++) { row1[s] = pixel(n, c, i + u, j + s - 1u); }
            for (var v = 0u; v < 3u; v++) {
                let t = vec4<f32>(row0[v], row0[v + 1u], row0[v + 2u], row0[v + 3u]);
                let l = vec4<f32>(row1[v], row1[v + 1u], row1[v + 2u], row1[v + 3u]);
                for (var f = 0u; f < 4u; f++) {
                    // A filter beyond the last repeats it and is not written.
                    let weight = w[(min(k + f, params.k - 1u) * params.c + c) * 9u + u * 3u + v];
                    top[f] += weight * t;
                    bottom[f] += weight * l;
                }
            }
            row0 = row1;
        }
    }

    for (var f = 0u; f < 4u; f++) {
        for (var q = 0u; q < 4u; q += 2u) {           // two windows of 2x2
            store(n, k + f, i, j + q, vec4<f32>(top[f][q], top[f][q + 1u], bottom[f][q], bottom[f][q + 1u]));
        }
    }
}
