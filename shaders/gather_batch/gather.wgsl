// Gather a batch: x[n,:] = dataset[s,:] and y[n] = labels[s], where s = order[cursor + n]; padding samples repeat sample 0 of the batch.
// dataset: [M,P], x: [N,P] with P the elements of a sample; labels: [M]; order: sample numbers, a permutation of the epoch; y: [N].
// PARTNERS: the samples that mixup adds to these instead, see lib/partner.
// One invocation: one element. One workgroup: 64 of one sample, along grid x; samples along grid y. No shared memory.
// Traffic: reads and writes each element once, coalesced; the data set stays on the device, so the host sends 4 bytes per sample.
// Next rung: whole vec4s, which needs P to be a multiple of 4 (a sample of 187 x 130 is not).

struct Params { samples: u32, per_sample: u32, dataset: u32, order: u32 }

@group(0) @binding(0) var<storage, read> dataset: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<u32>;
@group(0) @binding(5) var<storage, read> step: Step;
@group(0) @binding(6) var<uniform> params: Params;

override PARTNERS: bool = false;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.y;
    let real = select(0u, n, n < step.valid);
    var position = step.cursor + real;
    if PARTNERS {
        position = step.cursor - step.sample_offset + partner(step.sample_offset + real);
    }
    position = min(position, params.order - 1u);
    let sample = min(order[position], params.dataset - 1u);
    let i = group.x * 64u + lane;
    if i < params.per_sample {
        x[n * params.per_sample + i] = dataset[sample * params.per_sample + i];
    }
    if i == 0u {
        y[n] = labels[sample];
    }
}
