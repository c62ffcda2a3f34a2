// A sum over the 64 lanes of a workgroup: by halves, so always in the same order.

var<workgroup> tree: array<f32, 64>;

// The sum of `mine` of all lanes, none of which may stay away. Once in a kernel: a second call writes `tree` while some lanes still read it.
fn tree_sum(lane: u32, mine: f32) -> f32 {
    tree[lane] = mine;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            tree[lane] += tree[lane + half];
        }
        workgroupBarrier();
    }
    return tree[0];
}
