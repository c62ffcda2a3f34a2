// Softmax cross-entropy: p = softmax(x); loss = sum over n < valid of w[label] * -sum_k t[k] log p[n,k] / batch, t smoothed one-hot.
// x (logits), p: [N,K]; label: [N]; w (class weights): [K]; loss: one float. MIXED: a row's loss is share * loss(label) +
// (1 - share) * loss(label2), with label2 and share: [N].
// One invocation: every 64th row. One workgroup, the only one: the rows' losses are summed by a tree in workgroup memory.
// Traffic: three reads of x (from cache), one write of p; 2 exp per element. N K is some hundred floats: launch cost is all there is.
// Next rung: one workgroup per row and a second stage for the sum, once K is in the thousands.

struct Params { samples: u32, classes: u32, smoothing: f32, pad0: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> label: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> p: array<f32>;
@group(0) @binding(5) var<storage, read> step: Step;
@group(0) @binding(6) var<storage, read> label2: array<u32>; // stand-ins unless MIXED
@group(0) @binding(7) var<storage, read> share: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

override MIXED: bool = false;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    let classes = params.classes;
    var total = 0.0;
    for (var n = lane; n < params.samples; n += 64u) {
        let row = n * classes;
        // exp(x - max) is at most 1: it cannot overflow, and the largest term keeps the sum from vanishing.
        var largest = x[row];
        for (var k = 1u; k < classes; k++) {
            largest = max(largest, x[row + k]);
        }
        var sum = 0.0;
        var shifted = 0.0; // sum of x - max, for the part of the target that is spread over all classes
        for (var k = 0u; k < classes; k++) {
            let z = x[row + k] - largest;
            sum += exp(z);
            shifted += z;
        }
        for (var k = 0u; k < classes; k++) {
            p[row + k] = exp(x[row + k] - largest) / sum;
        }
        if n < step.valid {
            let y = min(label[n], classes - 1u);
            let s = params.smoothing;
            let cross_entropy = log(sum) - (1.0 - s) * (x[row + y] - largest) - s * shifted / f32(classes);
            if MIXED {
                let other = min(label2[n], classes - 1u);
                let second = log(sum) - (1.0 - s) * (x[row + other] - largest) - s * shifted / f32(classes);
                total += share[n] * w[y] * cross_entropy + (1.0 - share[n]) * w[other] * second;
            } else {
                total += w[y] * cross_entropy;
            }
        }
    }
    partial[lane] = total;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier(); // in the loop, which is the same for all; not in the branch
    }
    if lane == 0u {
        loss[0] = partial[0] / f32(max(step.batch, 1u));
    }
}
