// Augmentation, first half: what happens to each sample of the batch, drawn from (seed, step, position in the batch).
// draws: [N][2], for the sample itself and for the partner that mixup adds; share: [N], the part that is the sample itself.
// One invocation: one sample, up to 10 calls of the generator, as many for its partner, one each for who that is and for the share.
// One workgroup: 64 samples.
// Traffic: 164 bytes written per sample, nothing read: a launch is all that it costs. Doing it in augment/apply instead would draw
// the same numbers again for each of a sample's thousands of elements.
// Next rung: none; augment/apply reads these as one broadcast line per sample.

struct Params {
    samples: u32, rows: u32, frames: u32, mixup: u32,
    row_masks: u32, row_mask: u32, frame_masks: u32, frame_mask: u32, // how many, and the largest
    gain: f32, offset: f32, pad0: u32, pad1: u32,
    quantiles: array<vec4<f32>, 16>,                    // upper half of Beta(alpha, alpha)'s quantile function, at i / 63
}

@group(0) @binding(0) var<storage, read_write> draws: array<Draw>;
@group(0) @binding(1) var<storage, read_write> share: array<f32>;
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<uniform> params: Params;

// Random words number `which` of the sample at this position; the first half of number 0 is lib/time_shift's.
fn words(position: u32, which: u32) -> vec2<u32> {
    return threefry(vec2<u32>(step.seed, AUGMENTATION), vec2<u32>(step.step, position * 16u + which));
}

// Uniform in [0, 1).
fn unit(word: u32) -> f32 {
    return f32(word >> 8u) * (1.0 / 16777216.0);
}

// First and one past the last of a mask over `size` rows or frames, at most `largest` wide.
fn mask(w: vec2<u32>, size: u32, largest: u32) -> vec2<f32> {
    let width = below(w.x, min(largest, size) + 1u);
    let start = below(w.y, size - width + 1u);
    return vec2<f32>(f32(start), f32(start + width));
}

fn drawn(position: u32, weight: f32) -> Draw {
    var d: Draw;
    d.gain = 1.0 + params.gain * (2.0 * unit(words(position, 0u).y) - 1.0);
    d.offset = params.offset * (2.0 * unit(words(position, 1u).x) - 1.0);
    d.weight = weight;
    for (var i = 0u; i < 4u; i++) {
        if i < params.row_masks {
            let m = mask(words(position, 2u + i), params.rows, params.row_mask);
            d.row_begin[i] = m.x;
            d.row_end[i] = m.y;
        }
        if i < params.frame_masks {
            let m = mask(words(position, 6u + i), params.frames, params.frame_mask);
            d.frame_begin[i] = m.x;
            d.frame_end[i] = m.y;
        }
    }
    return d;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = id.x;
    if n >= params.samples {
        return;
    }
    let position = step.sample_offset + n;
    var own = 1.0;
    if params.mixup != 0u {
        let at = unit(words(position, 1u).y) * 63.0;
        let i = u32(at);
        let low = params.quantiles[i / 4u][i % 4u];
        let next = i + 1u;
        own = low + (at - f32(i)) * (params.quantiles[next / 4u][next % 4u] - low);
    }
    share[n] = own;
    draws[2u * n] = drawn(position, own);
    // Without mixup nobody reads a partner's.
    if params.mixup != 0u {
        draws[2u * n + 1u] = drawn(partner(position), 1.0 - own);
    }
}
