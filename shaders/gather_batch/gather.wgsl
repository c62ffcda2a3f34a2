// Gather a batch: x[n,:] = dataset[s,:] and y[n] = labels[s], where s = order[cursor + n]; padding samples repeat sample 0 of the batch.
// dataset: [M,P], x: [N,P] with P the elements of a sample; labels: [M]; order: sample numbers, a permutation of the epoch; y: [N].
// PARTNERS: the samples that mixup adds to these instead, see lib/partner.
// SHIFT: each sample moves in time, see lib/time_shift; what moves in comes from the sample before or after it in its track
// (neighbours: [M][2], the sample itself at a track's ends, which then is a circle). Without it, neighbours is any list.
// One invocation: one element. One workgroup: 64 of one sample, along grid x; samples along grid y. No shared memory.
// Traffic: reads and writes each element once, coalesced (a shift breaks a row's line once); the data set stays on the device, so the host
// sends 4 bytes per sample.
// Next rung: whole vec4s, which needs P to be a multiple of 4 (a sample of 187 x 130 is not), and samples that stay where they are.

@group(0) @binding(0) var<storage, read> dataset: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> neighbours: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<u32>;
@group(0) @binding(6) var<storage, read> step: Step;
@group(0) @binding(7) var<uniform> params: Params;

override SHIFT: bool = false;

// Where element i of the data set's sample lies once it has moved by this many frames.
fn moved(sample: u32, i: u32, shift: i32) -> u32 {
    let frames = i32(params.frames);
    let frame = i32(i % params.frames);
    var source = frame - shift;
    var whose = sample;
    if source < 0 {
        whose = neighbours[2u * sample];
        source += frames;
    } else if source >= frames {
        whose = neighbours[2u * sample + 1u];
        source -= frames;
    }
    return min(whose, params.dataset - 1u) * params.per_sample + i - u32(frame) + u32(source);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.y;
    let in_batch = position_of(n);
    let sample = sample_at(in_batch);
    let i = group.x * 64u + lane;
    if i < params.per_sample {
        var source = sample * params.per_sample + i;
        if SHIFT {
            source = moved(sample, i, time_shift(in_batch, params.shift, params.frames));
        }
        x[n * params.per_sample + i] = dataset[source];
    }
    if i == 0u {
        y[n] = labels[sample];
    }
}
