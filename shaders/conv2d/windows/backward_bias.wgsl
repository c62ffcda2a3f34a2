// Convolution, gradient of b, first half: partial[n,k] = sum over p,q of dy[n,k,p,q] where the epilogue lets a gradient pass.
// d0..d3: some planes [PH,PW] of dy each, m0..m3: their y (ReLU) or argmax (ReLU and pooling), all uniform windows; partial: [N,K].
// One invocation: every 8th quad of one plane in each window. One workgroup: a plane of each window; lanes are added with subgroupAdd,
// no shared memory.
// Traffic: dy and its mask once, 1 addition per 8 bytes. Where a CPU driver reads uniform blocks many times faster than storage
// buffers, that is what this sum is all about.
// Next rung: Winograd's gradient transform holds the sums of its tiles anyway.
override EPILOGUE: u32 = 0u;   // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling

struct Params {
    plane: u32, first: u32,       // elements of a plane; n*K + k of the first window's first
    step: u32, planes: u32,       // planes of a window; of this dispatch
    shift: vec4<u32>,             // where its first plane starts in each window, in elements
    mask_shift: vec4<u32>,        // the same of the masks, in bytes for argmax
}

@group(0) @binding(0) var<storage, read_write> partial: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> d0: array<vec4<f32>, 4096>;
@group(0) @binding(3) var<uniform> d1: array<vec4<f32>, 4096>;
@group(0) @binding(4) var<uniform> d2: array<vec4<f32>, 4096>;
@group(0) @binding(5) var<uniform> d3: array<vec4<f32>, 4096>;
@group(0) @binding(6) var<uniform> m0: array<vec4<u32>, 4096>;
@group(0) @binding(7) var<uniform> m1: array<vec4<u32>, 4096>;
@group(0) @binding(8) var<uniform> m2: array<vec4<u32>, 4096>;
@group(0) @binding(9) var<uniform> m3: array<vec4<u32>, 4096>;

// Where the mask of quad q is, in quads. A plane starts at the same element of a quad in both windows, so a quad's masks are a vec4,
// and its codes a word, of which there are four in a vec4.
fn mask_at(q: u32, shift: u32, mask_shift: u32) -> vec2<u32> {
    let m = 4u * q - shift + mask_shift;
    return select(vec2(m >> 2u, 0u), vec2(m >> 4u, (m >> 2u) & 3u), EPILOGUE == 2u);
}

// The sum of a quad's elements that are in the plane and that the epilogue lets pass.
fn count(q: u32, start: u32, plane: u32, value: vec4<f32>, mask: vec4<u32>, part: u32) -> f32 {
    let e = vec4(4u * q) + vec4(0u, 1u, 2u, 3u);
    var passes = (e >= vec4(start)) & (e < vec4(start + plane));
    if EPILOGUE == 1u {
        passes &= bitcast<vec4<f32>>(mask) > vec4(0.0);
    }
    if EPILOGUE == 2u {
        passes &= ((vec4(mask[part]) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)) != vec4(255u);
    }
    let v = select(vec4(0.0), value, passes);
    return v.x + v.y + v.z + v.w;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let plane = params.plane;
    let shift = params.shift;
    let mask_shift = params.mask_shift;
    let start = shift + group.x * plane;
    // The grid is 1 deep: adding z keeps Mesa from compiling the kernel anew for every value of params.plane.
    let quads = plane / 4u + 2u + group.z;
    var sum = vec4(0.0);
    for (var i = lane; i < quads; i += 8u) {
        let q = start / 4u + i;
        let a = mask_at(q.x, shift.x, mask_shift.x);
        let b = mask_at(q.y, shift.y, mask_shift.y);
        let c = mask_at(q.z, shift.z, mask_shift.z);
        let d = mask_at(q.w, shift.w, mask_shift.w);
        sum += vec4(
            count(q.x, start.x, plane, d0[q.x], m0[a.x], a.y), count(q.y, start.y, plane, d1[q.y], m1[b.x], b.y),
            count(q.z, start.z, plane, d2[q.z], m2[c.x], c.y), count(q.w, start.w, plane, d3[q.w], m3[d.x], d.y));
    }
    let total = subgroupAdd(sum);
    // Lane i writes the plane of window i.
    if lane < 4u {
        let index = lane * params.step + group.x;
        if index < params.planes {
            partial[params.first + index] = total[lane];
        }
    }
}
