// Convolution, gradient of b, first half: partial[n,k] = sum over p,q of dy[n,k,p,q] where the epilogue lets a gradient pass.
// dy: some planes [PH,PW], mask: their y (ReLU) or argmax (ReLU and pooling), both as uniform windows; partial: [N,K].
// One invocation: every 8th quad of a plane. One workgroup: one plane; lanes are added with subgroupAdd, no shared memory.
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

// For the elements of quad q of the window.
fn passes(q: u32) -> vec4<bool> {
    // A plane starts at the same element of a quad in both windows, so a quad's masks are a vec4, and its codes a word.
    let m = 4u * q - params.shift + params.mask_shift;
    if EPILOGUE == 1u {
        return bitcast<vec4<f32>>(mask[m >> 2u]) > vec4(0.0);
    }
    if EPILOGUE == 2u {
        let word = mask[m >> 4u][(m >> 2u) & 3u];
        return ((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)) != vec4(255u);
    }
    return vec4(true);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let start = params.shift + group.x * params.plane;
    // The grid is 1 deep: adding z keeps Mesa from compiling the kernel anew for every value of params.plane.
    let end = start + params.plane + group.z;
    var sums = vec4(0.0);
    // A plane may begin and end within a quad: leave out what belongs to its neighbours.
    for (var q = start / 4u + lane; 4u * q < end; q += 8u) {
        let e = vec4(4u * q) + vec4(0u, 1u, 2u, 3u);
        let counts = (e >= vec4(start)) & (e < vec4(end)) & passes(q);
        sums += select(vec4(0.0), dy[q], counts);
    }
    let total = subgroupAdd(sums.x + sums.y + sums.z + sums.w);
    if lane == 0u {
        partial[params.first + group.x] = total;
    }
}
