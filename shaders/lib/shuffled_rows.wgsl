// A matrix whose columns lie in the lanes of a subgroup.

// Rows first..first+3, one per matrix column: x * rows(..) is the four dot products with x.
fn rows(a: vec4<f32>, first: u32) -> mat4x4<f32> {
    return mat4x4(
        subgroupShuffle(a, first), subgroupShuffle(a, first + 1u),
        subgroupShuffle(a, first + 2u), subgroupShuffle(a, first + 3u));
}
