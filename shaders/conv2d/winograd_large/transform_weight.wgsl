// Winograd F(4x4,3x3), weight transform: U = G g Gᵀ for every 3x3 filter g (Lavin & Gray 2015); turned by 180° for backward-input.
// w: [K,C,3,3]; factors: [36][block of 32 rows][contraction/4][row] over the contracted channel: rows are k and c is contracted in forward,
// the other way round in backward-input.
// One invocation: one row, four contracted channels. One workgroup: 64 invocations, no shared memory.
// Traffic: reads w once, writes 4 times as much; tiny beside the product it prepares. It runs every step, as weights change.
// Next rung: none; it could be kept for both passes of a step, for a workspace that lives as long.

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    let quad = id.y;
    if row >= params.rows { return; }
    var y: array<Six, 3>;
    for (var j = 0u; j < 3u; j++) {
        y[j] = of_filter(tap(j, row, quad), tap(3u + j, row, quad), tap(6u + j, row, quad));
    }
    let at = factor_of(row, quad);
    let next = 6u * params.position_stride;
    put(at, of_filter(y[0].a, y[1].a, y[2].a));
    put(at + next, of_filter(y[0].b, y[1].b, y[2].b));
    put(at + 2u * next, of_filter(y[0].c, y[1].c, y[2].c));
    put(at + 3u * next, of_filter(y[0].d, y[1].d, y[2].d));
    put(at + 4u * next, of_filter(y[0].e, y[1].e, y[2].e));
    put(at + 5u * next, of_filter(y[0].f, y[1].f, y[2].f));
}
