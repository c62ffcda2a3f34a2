// Softmax cross-entropy, backward: dx[n,k] = dy * w[label[n]] / batch * (p[n,k] - t[n,k]); 0 in padding rows.
// dy: one float; p (probabilities), dx (of the logits): [N,K]; label: [N]; w (class weights): [K]; t: the smoothed one-hot target.
// MIXED: the same for label2 is added, the two in the parts share and 1 - share ([N]).
// One invocation: one element. One workgroup: 64 of them, no shared memory.
// Traffic: reads p, writes dx, both once; 4 operations per 8 bytes, memory-bound and tiny.
// Next rung: none, a few hundred elements fit one launch.

struct Params { samples: u32, classes: u32, smoothing: f32, pad0: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> label: array<u32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read> step: Step;
@group(0) @binding(6) var<storage, read> label2: array<u32>; // stand-ins unless MIXED
@group(0) @binding(7) var<storage, read> share: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

override MIXED: bool = false;

// Gradient of logit i, of class k, under the label y.
fn gradient(i: u32, k: u32, y: u32) -> f32 {
    var t = 0.0; // TODO: with smoothing
    if k == y {
        t = 1.0;
    }
    return dy[0] * w[y] / f32(max(step.batch, 1u)) * (p[i] - t);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i >= params.samples * params.classes {
        return;
    }
    let n = i / params.classes;
    if n >= step.valid {
        dx[i] = 0.0;
        return;
    }
    let k = i - n * params.classes;
    var g = gradient(i, k, min(label[n], params.classes - 1u));
    if MIXED {
        g = share[n] * g + (1.0 - share[n]) * gradient(i, k, min(label2[n], params.classes - 1u));
    }
    dx[i] = g;
}
