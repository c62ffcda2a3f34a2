// Metrics: totals += (loss * batch, number of real n with argmax p[n,:] = label[n], real samples, 1).
// totals: 4 floats; loss: one float, already divided by batch; p (probabilities): [N,K]; label: [N].
// One invocation: every 64th row. One workgroup, the only one: the rows' hits are counted by a tree in workgroup memory.
// Traffic: reads p once: nothing beside its launch; what it saves is reading anything back in the middle of an epoch.
// Next rung: none.

struct Params { samples: u32, classes: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<storage, read_write> totals: array<f32>;
@group(0) @binding(1) var<storage, read> loss: array<f32>;
@group(0) @binding(2) var<storage, read> p: array<f32>;
@group(0) @binding(3) var<storage, read> label: array<u32>;
@group(0) @binding(4) var<storage, read> step: Step;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> hits: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var count = 0u;
    for (var n = lane; n < min(step.valid, params.samples); n += 64u) {
        let row = n * params.classes;
        var best = 0u;
        for (var k = 1u; k < params.classes; k++) {
            if p[row + k] > p[row + best] { // the first maximum wins
                best = k;
            }
        }
        count += select(0u, 1u, best == label[n]);
    }
    hits[lane] = count;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            hits[lane] += hits[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u && step.valid > 0u {
        totals[0] += loss[0] * f32(step.batch);
        totals[1] += f32(hits[0]);
        totals[2] += f32(step.valid);
        totals[3] += 1.0;
    }
}
