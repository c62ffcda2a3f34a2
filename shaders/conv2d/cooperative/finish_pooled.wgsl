// What matrix units left, through ReLU and 2x2 max-pooling: y[first+n,k,i,j] = max(0, b[k] + the largest of product[k][n*positions+(2i+a)*columns+2j+c])
// for a, c = 0, 1, in f32, as the sums are; the convolution itself goes no further.
// product: rows of `pitch` floats, whole fours of them; b: [K]; y: [N,K,PH,PW]; codes: [K/4,N*PH*PW], a byte for each of four filters: 2a+c of the
// maximum or 255 where y is 0 (order_argmax makes argmax of them).
// One invocation: one window of four filters. One workgroup: 64 of them that follow each other in memory.
// Traffic: per y four reads of 4 bytes, whole lines, and one write of 5; no arithmetic to speak of.
// Next rung: fused into the product, which has the sums in registers; matrix units do not tell which.

struct Params {
    first: u32, n: u32, k: u32,      // samples first … first+n-1
    positions: u32, pitch: u32,      // of a sample; of a row
    columns: u32,                    // of the convolution
    down: u32, across: u32,          // windows
    batch: u32,                      // samples in all
    reserved0: u32, reserved1: u32, reserved2: u32,
}

@group(0) @binding(0) var<storage, read> product: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

// The sums of filters k to k+3 at a position.
fn four(k: u32, at: u32) -> vec4<f32> {
    let row = k * params.pitch + at;
    return vec4<f32>(product[row], product[row + params.pitch], product[row + 2u * params.pitch], product[row + 3u * params.pitch]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let plane = params.down * params.across;
    let windows = params.n * plane;
    let k = index / windows * 4u;
    if k >= params.k { return; }
    let n = index % windows / plane;
    let window = index % plane;
    let at = n * params.positions + window / params.across * 2u * params.columns + window % params.across * 2u;
    var bias: vec4<f32>;
    for (var o = 0u; o < 4u; o++) { bias[o] = b[min(k + o, params.k - 1u)]; }
    let below = at + params.columns;
    let z = pool(four(k, at) + bias, four(k, at + 1u) + bias, four(k, below) + bias, four(k, below + 1u) + bias);
    let sample = params.first + n;
    for (var o = 0u; o < 4u; o++) {
        if k + o < params.k { y[(sample * params.k + k + o) * plane + window] = z.value[o]; }
    }
    codes[(k / 4u * params.batch + sample) * plane + window] = z.code.x | (z.code.y << 8u) | (z.code.z << 16u) | (z.code.w << 24u);
}
