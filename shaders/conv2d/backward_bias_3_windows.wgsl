// Convolution, gradient of b, first half: partial[n,k] = sum over p,q of dy[n,k,p,q] where the epilogue lets a gradient pass.
// dy: some planes [PH,PW], mask: their y (ReLU) or argmax (ReLU and pooling), both as uniform windows; partial: [N,K].
// One invocation: every 8th element of a plane. One workgroup: one plane; lanes are added with subgroupAdd, no shared memory.
// Traffic: dy and its mask once, 1 addition per 8 bytes. A CPU driver reads uniform blocks 15 times faster than storage buffers,
// which this sum is all about.
// Next rung: Winograd's gradient transform holds the sums of its tiles anyway.
override EPILOGUE: u32 = 0u;   // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling

struct Params {
    plane: u32, first: u32,        // elements of a plane; n*K + k of the window's first
    shift: u32, mask_shift: u32,   // where that plane starts in its window: in elements; for argmax in bytes
}

@group(0) @binding(0) var<storage, read_write> partial: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> dy: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> mask: array<vec4<u32>, 4096>;

fn passes(e: u32) -> bool {
    let m = e + params.mask_shift;
    if EPILOGUE == 1u {
        return bitcast<f32>(mask[m >> 2u][m & 3u]) > 0.0;
    }
    if EPILOGUE == 2u {
        let word = mask[m >> 4u][(m >> 2u) & 3u];
        return ((word >> ((m & 3u) * 8u)) & 255u) != 255u;
    }
    return true;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let start = group.x * params.plane;
    // The grid is 1 deep: adding z keeps Mesa from compiling the kernel anew for every value of params.plane.
    let end = start + params.plane + group.z;
    var sum = 0.0;
    for (var e = start + lane; e < end; e += 8u) {
        let at = e + params.shift;
        sum += select(0.0, dy[at >> 2u][at & 3u], passes(e));
    }
    let total = subgroupAdd(sum);
    if lane == 0u {
        partial[params.first + group.x] = total;
    }
}
