// Store rows: table[cursor + n, k] = rows[n,k] for the real samples n.
// table: [M,K]; rows: [N,K]. Rows beyond the table's end are left out.
// One invocation: one element. One workgroup: 64 of them, no shared memory.
// Traffic: reads and writes N K floats; the table is read back once per pass instead of once per batch.
// Next rung: none.

struct Step { seed: u32, step: u32, valid: u32, batch: u32, sample_offset: u32, cursor: u32, share: f32, learning_rate: f32,
              alpha: f32, reserved: array<u32, 7> }
struct Params { samples: u32, columns: u32, table_rows: u32, pad0: u32 }

@group(0) @binding(0) var<storage, read_write> table: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    let n = i / params.columns;
    if n < min(step.valid, params.samples) && step.cursor + n < params.table_rows {
        table[step.cursor * params.columns + i] = rows[i];
    }
}
