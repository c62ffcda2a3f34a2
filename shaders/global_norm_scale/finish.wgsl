// Global-norm clipping, second stage: scale = limit / max(norm, limit), where norm = sqrt(sum of partial[g]).
// partial: one float per workgroup of the first stage (reduce/sum_of_squares); scale: one float, at most 1.
// One invocation: every 64th partial. One workgroup, the only one: a tree over 64 sums in workgroup memory.
// Traffic: at most 1 KiB; the launch is all that it costs.
// Next rung: none. The gradients themselves are multiplied inside Adam, for no traffic of their own.

struct Params { partials: u32, limit: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> scale: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.partials; i += 64u) {
        sum += partial[i];
    }
    let total = tree_sum(lane, sum);
    if lane == 0u {
        scale[0] = params.limit / max(sqrt(total), params.limit);
    }
}
