// Convolution, gradient of b: db[k] = sum over n,p,q of dy[n,k,p,q] where the epilogue lets a gradient pass.
// dy: [N,K,PH,PW]; mask: y (ReLU) or argmax (ReLU and pooling); db: [K].
// One invocation: every 64th element of one filter. One workgroup: one filter; 64 partial sums, then a tree in workgroup memory.
// Traffic: reads dy and mask once: 1 addition per 5-8 bytes, memory-bound. Where in its window a maximum was does not matter for a sum.
// Next rung: four elements per load, which a CPU driver and a GPU both prefer.

override EPILOGUE: u32 = 0u;   // 0 none, 1 ReLU, 2 ReLU and 2x2 max-pooling

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> db: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

fn passes(at: u32) -> bool {
    if EPILOGUE == 1u { return bitcast<f32>(mask[at]) > 0.0; }
    if EPILOGUE == 2u { return extractBits(mask[at / 4u], at % 4u * 8u, 8u) != 255u; }
    return true;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let k = group.y * groups.x + group.x;
    if k >= params.k { return; }
    let plane = params.ph * params.pw;

    var sum = 0.0;
    for (var n = 0u; n < params.n; n++) {
        let start = (n * params.k + k) * plane;
        for (var at = start + lane; at < start + plane; at += 64u) {
            if passes(at) { sum += dy[at]; }
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u { db[k] = total; }
}
