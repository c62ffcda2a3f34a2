// Gather a batch by vec4s: x[n,:] = dataset[s,:] and y[n] = labels[s], where s = order[cursor + n]; padding samples repeat sample 0 of the batch.
// dataset: [M,P/4], x: [N,P/4] vec4s, with P the elements of a sample, a multiple of 4; labels: [M]; order: sample numbers; y: [N].
// PARTNERS: the samples that mixup adds to these instead, see lib/partner.
// One invocation: one vec4. One workgroup: 64 of one sample, along grid x; samples along grid y. No shared memory.
// Traffic: reads and writes each element once, coalesced, 16 bytes at a time; what finds the sample is paid once for four elements.
// Next rung: none.

@group(0) @binding(0) var<storage, read> dataset: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<u32>;
@group(0) @binding(5) var<storage, read> step: Step;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.y;
    let sample = sample_at(position_of(n));
    let i = group.x * 64u + lane;
    let quads = params.per_sample / 4u;
    if i < quads { x[n * quads + i] = dataset[sample * quads + i]; }
    if i == 0u { y[n] = labels[sample]; }
}
