// Augmentation, second half: y[n,c,r,f] = a(x[n])[c,r,f] * w + a'(p[n])[c,r,f] * (1 - w), where a multiplies, adds, then masks rows
// and frames with 0 (the mean of normalised features), as drawn by augment/draw.
// x, p (partners; x again when there is no mixup), y: [N,C,R,F]; draws: [N][2].
// One invocation: one element. One workgroup: 64 neighbours of one sample, along grid x; samples along grid y. No workgroup memory.
// Traffic: reads x once, p too under mixup, and writes y once, 8 or 12 bytes per element for some 30 operations: memory-bound. A sample's draws are one
// address for a whole workgroup, so they come through the scalar cache.
// Next rung: fused into gather_batch, which would save one read and one write, for data that lies on the device.

struct Params { per_sample: u32, rows: u32, frames: u32, pad0: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> draws: array<Draw>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

override MIXUP: bool = false;

// Whether a mask covers this row or this frame.
fn masked(d: Draw, row: f32, frame: f32) -> bool {
    let r = vec4<f32>(row);
    let f = vec4<f32>(frame);
    return any((r >= d.row_begin) & (r < d.row_end)) || any((f >= d.frame_begin) & (f < d.frame_end));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.y;
    let i = group.x * 64u + lane;
    if i >= params.per_sample {
        return;
    }
    let line = i / params.frames; // channel and row
    let frame = i - line * params.frames;
    let row = f32(line % params.rows);
    let at = n * params.per_sample + i;
    let own = draws[2u * n];
    var value = select(x[at] * own.gain + own.offset, 0.0, masked(own, row, f32(frame)));
    if MIXUP {
        let other = draws[2u * n + 1u];
        let mixed = select(p[at] * other.gain + other.offset, 0.0, masked(other, row, f32(frame)));
        value = own.weight * value + other.weight * mixed;
    }
    y[at] = value;
}
