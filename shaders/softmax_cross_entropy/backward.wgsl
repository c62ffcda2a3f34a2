// Softmax cross-entropy, backward: dx[n,k] = dy * w[label[n]] / batch * (p[n,k] - t[n,k]); 0 in padding rows.
// dy: one float; p (probabilities), dx (of the logits): [N,K]; label: [N]; w (class weights): [K]; t: the smoothed one-hot target.
// One invocation: one element. One workgroup: 64 of them, no shared memory.
// Traffic: reads p, writes dx, both once; 4 operations per 8 bytes, memory-bound and tiny.
// Next rung: none, a few hundred elements fit one launch.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, classes: u32, smoothing: f32, pad0: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> label: array<u32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read> step: Step;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.samples * params.classes {
        return;
    }
    let n = i / params.classes;
    if n >= step.valid {
        dx[i] = 0.0;
        return;
    }
    let y = min(label[n], params.classes - 1u);
    var t = params.smoothing / f32(params.classes);
    if i - n * params.classes == y {
        t += 1.0 - params.smoothing;
    }
    dx[i] = dy[0] * w[y] / f32(max(step.batch, 1u)) * (p[i] - t);
}
