// Convolution, gradient of b: db[k] = sum over n,p,q of dy[n,k,p,q] where the epilogue lets a gradient pass.
// dy: [N,K,PH,PW] as vec4s; mask: y (ReLU) or argmax (ReLU and pooling, 16 codes to a vec4); db: [K].
// One invocation: every 64th quad of one filter. One workgroup: one filter; its subgroups, of whatever size, add up their lanes, then each other's sums.
// Traffic: as quads/backward_bias; what is saved is five of six trips through workgroup memory (with subgroups of 32; all with 64) at the end.
// Next rung: fused into the gradient of w, which reads the same dy.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32, @builtin(subgroup_invocation_id) own: u32) {
    let k = group.y * groups.x + group.x;
    if k >= params.k { return; }
    let total = subgroup_sum(subgroup, subgroups, own, sum_of_lane(k, lane));
    if lane == 0u { db[k] = total; }
}
