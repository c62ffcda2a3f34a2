// Packing for the subgroup rung: packed[k/BLOCK][c/4][u][v][k%BLOCK] = the vec4 w[k, c..c+3, u, v], zero beyond K and C.
// w: [K,C,3,3]; with TURNED it is read as the weight of the gradient of x, w[c,k,2-u,2-v]: K and C change places, taps turn by 180 degrees.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads w once (strided), writes it once; no arithmetic. Small beside x: 9 vec4 per 4 channels and filter.
// Next rung: none; the filters of a block lie side by side, so that the lanes of a subgroup load one each.

struct Params {
    k: u32, c: u32,              // filters and channels of the result
    quads: u32,                  // ceil(C/4)
    count: u32,                  // vec4s to write
}

override BLOCK: u32 = 16u;
override TURNED: u32 = 0u;

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= params.count { return; }
    let tap = index / BLOCK % 9u;
    let c = index / (BLOCK * 9u) % params.quads * 4u;
    let k = index / (BLOCK * 9u * params.quads) * BLOCK + index % BLOCK;

    var quad = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        if k < params.k && c + i < params.c {
            if TURNED == 1u {
                quad[i] = w[((c + i) * params.k + k) * 9u + 8u - tap];
            } else {
                quad[i] = w[(k * params.c + c + i) * 9u + tap];
            }
        }
    }
    packed[index] = quad;
}
