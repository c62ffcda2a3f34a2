// Convolution, gradient of b: db[k] = sum over n,p,q of dy[n,k,p,q] where the epilogue lets a gradient pass.
// dy: [N,K,PH,PW] as vec4s; mask: y (ReLU) or argmax (ReLU and pooling, 16 codes to a vec4); db: [K].
// One invocation: every 64th quad of one filter. One workgroup: one filter; 64 partial sums, then a tree in workgroup memory.
// Traffic: as tree/backward_bias, in a quarter of the loads: a vec4 of dy and one word of argmax (or a vec4 of y) per 4 additions.
// Next rung: subgroups add up their lanes without workgroup memory.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let k = group.y * groups.x + group.x;
    if k >= params.k { return; }
    let total = tree_sum(lane, sum_of_lane(k, lane));
    if lane == 0u { db[k] = total; }
}
