// A factor for products/windows: x[r,k], rows of a matrix along the contraction, packed to panels of vec4s along k, through a mask.
// x: rows along k, [count][K/4] vec4, or (ALONG_K = 0) columns, [K][count/4] vec4; mask: like x, x counts as 0 where it is not positive.
// packed: [chunk][panel][k4][width] vec4, zero where x has no element: the contraction is cut into chunks, the rows into panels.
// One invocation: 4 rows of 4 k, a transposition in registers when x runs along the rows. One workgroup: 64 of them; no shared memory.
// Traffic: one read (two with a mask) and one write per element, all as vec4s; the product reads each element count/128 times or so.
// Next rung: none; a product that reads x as it is would gather from storage, which costs a CPU driver more than this copy.

override ALONG_K: u32 = 1u;
override MASK: u32 = 0u;             // 0: mask is bound, but not read

struct Params {
    count: u32, k: u32,              // rows; elements along the contraction
    pitch: u32,                      // x: vec4s from one row (column) to the next
    quads: u32,                      // rows of all panels, in fours
    k4: u32, chunks: u32,            // vec4s along k in a chunk
    width: u32, stride: u32,         // rows of a panel; vec4s from one panel to the next
    size: u32,                       // vec4s of a chunk
    reserved0: u32, reserved1: u32, reserved2: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

fn load(at: u32, inside: bool) -> vec4<f32> {
    var quad = vec4<f32>(0.0);
    if inside {
        quad = x[at];
        if MASK == 1u { quad = select(vec4<f32>(0.0), quad, mask[at] > vec4<f32>(0.0)); }
    }
    return quad;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let quad = index % params.quads;
    let k = index / params.quads;                     // in vec4s
    if k >= params.chunks * params.k4 { return; }

    var rows: mat4x4<f32>;                            // one column per row of x
    if ALONG_K == 1u {
        let at = quad * 4u * params.pitch + k;
        let left = select(0u, params.count - min(params.count, quad * 4u), k < params.pitch);
        rows = mat4x4<f32>(
            load(at, 0u < left), load(at + params.pitch, 1u < left),
            load(at + 2u * params.pitch, 2u < left), load(at + 3u * params.pitch, 3u < left));
    } else {
        let at = k * 4u * params.pitch + quad;
        let left = select(0u, params.k - min(params.k, k * 4u), quad < params.pitch);
        rows = transpose(mat4x4<f32>(
            load(at, 0u < left), load(at + params.pitch, 1u < left),
            load(at + 2u * params.pitch, 2u < left), load(at + 3u * params.pitch, 3u < left)));
    }

    let row = quad * 4u;                              // a panel's width is a multiple of 8
    let place = k / params.k4 * params.size + row / params.width * params.stride
        + k % params.k4 * params.width + row % params.width;
    packed[place] = rows[0];
    packed[place + 1u] = rows[1];
    packed[place + 2u] = rows[2];
    packed[place + 3u] = rows[3];
}
