// Gradient of a 3x3 weight ('same', stride 1): dw[k,c,u,v] = sum over n,i,j of g[n,k,i,j] * x[n,c,i+u-1,j+v-1]; through workgroup memory.
// dy: [N,K,PH,PW]; mask: y (ReLU) or argmax (ReLU and pooling); x: [N,C,H,W]; dw: [SPLITS,K,C,3,3] partial sums (sum_partials adds them up).
// One invocation: 9 taps of 4 filters and one channel, 36 sums in registers. One workgroup: 128 of them, 32 filters x 16 channels, 16 pixels at a time.
// Traffic: 512 floats of g and 864 of x per 73,728 multiply-adds: 27 FLOP per byte from memory; inside, one vec4 and 3 floats per 36 multiply-adds.
// Next rung: for GPUs implicit_gemm, any window and stride; for CPU drivers subgroup, where lanes are channels, four pixels share a vec4, and g crosses lanes by shuffles instead of through workgroup memory.

const PIXELS: u32 = 16u;                              // pixels of a row per stage
const PITCH: u32 = 57u;                               // of a channel's 3 x 18 floats in memory: odd, so that 16 channels hit 16 banks
const IMAGE: u32 = 16u * PITCH;
const ROUNDS: u32 = 7u;                               // 3 * 18 * 16 floats by 128 invocations

// Two of each: while one is read, the next stage is written into the other, so one barrier per stage is enough. 11.1 KiB.
var<workgroup> image: array<f32, 2u * IMAGE>;
var<workgroup> gradients: array<vec4<f32>, 2u * PIXELS * 8u>;

// Float e of a stage: column e % 18 of input row e / 18 % 3 of channel e / 54. Consecutive e are neighbours in x: loads coalesce.
fn load_pixel(e: u32, c: u32, row: u32, j: u32) -> f32 {
    let channel = c + e / 54u;
    if e >= 864u || channel >= params.c || row >= params.n * params.h { return 0.0; }
    return pixel(row / params.h, channel, row % params.h + e / 18u % 3u - 1u, j + e % 18u - 1u);
}

fn load_gradients(quad: u32, row: u32, j: u32) -> vec4<f32> {
    var g = vec4<f32>(0.0);
    for (var f = 0u; f < 4u; f++) {
        if quad + f < params.k && j < params.w && row < params.n * params.h {
            g[f] = gradient(row / params.h, quad + f, row % params.h, j);
        }
    }
    return g;
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = group.x * 16u;
    let k = group.y * 32u;
    let channel = lane % 16u;
    let quad = lane / 16u;
    let split = rows_of(group.z);
    let from_row = split.x;
    let to_row = split.y;
    let segments = (params.w + PIXELS - 1u) / PIXELS;
    let stages = (to_row - from_row) * segments;

    var sum: array<vec4<f32>, 9>;                     // element u*3+v, component: filter
    var next: array<f32, ROUNDS>;
    var next_g: vec4<f32>;
    // One turn more than there are stages: turn t loads stage t and computes stage t - 1.
    for (var turn = 0u; turn <= stages; turn++) {
        let row = from_row + turn / segments;
        let j = turn % segments * PIXELS;
        for (var t = 0u; t < ROUNDS; t++) { next[t] = load_pixel(lane + t * 128u, c, row, j); }
        next_g = load_gradients(k + lane % 8u * 4u, row, j + lane / 8u);

        if turn > 0u {
            let from_x = (turn - 1u) % 2u * IMAGE + channel * PITCH;
            let from_g = (turn - 1u) % 2u * PIXELS * 8u + quad;
            var left = vec3<f32>(image[from_x], image[from_x + 18u], image[from_x + 36u]);
            var middle = vec3<f32>(image[from_x + 1u], image[from_x + 19u], image[from_x + 37u]);
            for (var p = 0u; p < PIXELS; p++) {
                let at = from_x + p + 2u;
                let right = vec3<f32>(image[at], image[at + 18u], image[at + 36u]);
                let g = gradients[from_g + p * 8u];
                for (var u = 0u; u < 3u; u++) {
                    sum[u * 3u] += left[u] * g;
                    sum[u * 3u + 1u] += middle[u] * g;
                    sum[u * 3u + 2u] += right[u] * g;
                }
                left = middle;
                middle = right;
            }
        }

        for (var t = 0u; t < ROUNDS; t++) {
            let e = lane + t * 128u;
            if e < 864u { image[turn % 2u * IMAGE + e / 54u * PITCH + e % 54u] = next[t]; }
        }
        gradients[turn % 2u * PIXELS * 8u + lane / 8u * 8u + lane % 8u] = next_g;
        workgroupBarrier();
    }

    for (var f = 0u; f < 4u; f++) {
        let filter_ = k + quad * 4u + f;
        if filter_ < params.k && c + channel < params.c {
            for (var tap = 0u; tap < 9u; tap++) {
                dw[((group.z * params.k + filter_) * params.c + c + channel) * 9u + tap] = sum[tap][f];
            }
        }
    }
}
