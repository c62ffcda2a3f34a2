// Sum of squares, first stage: partial[g] = sum of x[i]^2 over the vec4s that workgroup g visits.
// x: any shape, viewed as vec4s (elements beyond the last are left out); partial: one float per workgroup.
// One invocation: every (64 * workgroups)-th vec4. One workgroup: a tree over its 64 sums in workgroup memory.
// Traffic: reads x once; 2 operations per 4 bytes, memory-bound. The order of additions is fixed, so the bits are too.
// Next rung: none; the second stage, in the op's own folder, adds up at most 256 partials.

struct Params { elements: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let whole = params.elements / 4u;
    let rest = params.elements % 4u;
    var sum = vec4<f32>(0.0); // four accumulators, so that rounding errors grow with a quarter of the additions
    for (var i = group.x * 64u + lane; i < whole; i += groups.x * 64u) {
        let v = x[i];
        sum += v * v;
    }
    if rest > 0u && group.x == 0u && lane == 0u {
        let v = select(vec4<f32>(0.0), x[whole], vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(rest));
        sum += v * v;
    }
    sums[lane] = (sum.x + sum.y) + (sum.z + sum.w);
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier(); // the next round reads what this one wrote
    }
    if lane == 0u {
        partial[group.x] = sums[0];
    }
}
