// Adam: m += (1-b1)(g-m), v += (1-b2)(g^2-v), p -= lr wd p + alpha m / (sqrt(v) + eps), where g is the gradient times scale.
// p, g, m, v: all parameters, gradients and moments of the model, each one flat buffer viewed as vec4s; scale: one float.
// One invocation: one vec4. One workgroup: 64 of them, no shared memory.
// Traffic: reads p, g, m, v and writes p, m, v: 15 operations per 28 bytes, memory-bound. One launch for the whole model.
// Next rung: none in f32; moments kept in 16 bits would save a quarter of the bytes.

// rate1 = 1 - beta1, rate2 = 1 - beta2, rounded once on the host: 1 - 0.999 in f32 is off by 1.3e-5 of itself.
struct Params { quads: u32, rate1: f32, rate2: f32, epsilon: f32, weight_decay: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<storage, read_write> p: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;
@group(0) @binding(5) var<storage, read> step: Step;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i >= params.quads {
        return;
    }
    let gradient = g[i] * scale[0];
    let m_new = m[i] + params.rate1 * (gradient - m[i]);
    let v_new = v[i] + params.rate2 * (gradient * gradient - v[i]);
    let decayed = p[i] - step.learning_rate * params.weight_decay * p[i];
    p[i] = decayed - step.alpha * m_new / (sqrt(v_new) + params.epsilon);
    m[i] = m_new;
    v[i] = v_new;
}
