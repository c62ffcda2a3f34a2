// Store rows: table[cursor + n, k] = rows[n,k] for the real samples n.
// table: [M,K]; rows: [N,K]. Rows beyond the table's end are left out.
// One invocation: one element. One workgroup: 64 of them, no shared memory.
// Traffic: reads and writes N K floats; the table is read back once per pass instead of once per batch.
// Next rung: none.

struct Params { samples: u32, columns: u32, table_rows: u32, pad0: u32 }

@group(0) @binding(0) var<storage, read_write> table: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    let n = i / params.columns;
    if n < min(step.valid, params.samples) && step.cursor + n < params.table_rows {
        table[step.cursor * params.columns + i] = rows[i];
    }
}
