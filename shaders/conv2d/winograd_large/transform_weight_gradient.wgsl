// Winograd F(4x4,3x3), weight gradient's last step: dw = Gᵀ dU G, the adjoint of the weight transform (Lavin & Gray 2015).
// du: [36][K][C/4] vec4 over channels; dw: [K,C,3,3].
// One invocation: four input channels of one filter. One workgroup: 64 of them in row order; no shared memory.
// Traffic: reads dU once, writes a quarter of it; tiny beside the product that made it.
// Next rung: none; one read and a quarter of a write per value is the least that the transform can do.

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let step = params.filters * quads();
    if id.x >= step { return; }
    var at = id.x;
    var y: array<Three, 6>;
    for (var i = 0u; i < 6u; i++) {
        y[i] = to_filter(du[at], du[at + step], du[at + 2u * step], du[at + 3u * step], du[at + 4u * step], du[at + 5u * step]);
        at += 6u * step;
    }
    let a = to_filter(y[0].a, y[1].a, y[2].a, y[3].a, y[4].a, y[5].a);
    let b = to_filter(y[0].b, y[1].b, y[2].b, y[3].b, y[4].b, y[5].b);
    let d = to_filter(y[0].c, y[1].c, y[2].c, y[3].c, y[4].c, y[5].c);
    store(id.x, a, b, d);
}
