// A sum over the lanes of a workgroup of 64, whose subgroups may have any size: 4, 16, 32 and 64 are in use, and some drivers choose per kernel.

var<workgroup> of_subgroups: array<f32, 64>;

// The sum of `mine` of all lanes, none of which may stay away; always in the same order on one device. `own` is the lane's number in its subgroup.
// Once in a kernel: a second call writes `of_subgroups` while some lanes still read it.
fn subgroup_sum(subgroup: u32, subgroups: u32, own: u32, mine: f32) -> f32 {
    let sum = subgroupAdd(mine);
    if own == 0u { of_subgroups[subgroup] = sum; }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < subgroups; i++) { total += of_subgroups[i]; }
    return total;
}
