// Winograd F(2x2,3x3), output transform: Y = Aᵀ M A turns the 4x4 products of a tile into its 2x2 outputs (Lavin & Gray 2015),
// then bias, ReLU and 2x2 max-pooling (a tile is one window), so that the activation before the epilogue is never in memory.
// m0..m7: products of positions 2q and 2q+1, [K/4][2][tile] vec4 over k, as uniform windows; b: [K]; y: [N,K,PH,PW];
// codes: window index of each maximum, one u32 each in the order of y (pooled only; packed to bytes afterwards).
// One invocation: one tile of four filters. One workgroup: 8 tiles; y counts filter quads; no shared memory.
// Traffic: 16 reads, 4 writes (1 when pooled) per tile and filter, 24 additions: bound by memory.
// Next rung: F(4x4,3x3), which reads 2.25 values per output instead of 4.

// Loads a part of every cache line of y (and codes) that the group will write, each lane for one of the four filters. A store to a line
// that is not in the cache waits for it, and stores wait one after the other; loads wait together.
fn touch(at: u32, lane: u32) -> u32 {
    let plane = params.ph * params.pw;
    let line = at + (lane & 3u) * plane;
    if EPILOGUE == 2u {
        return bitcast<u32>(y[line]) | codes[line - params.first_sample * params.filters * plane];
    }
    return bitcast<u32>(y[line + (lane >> 2u) * params.ow]);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = tile_of(group.x * 8u + lane, group.y);
    if !t.inside {
        return;
    }
    var e = t.plane + 2u * t.y * params.ow + 2u * t.x;
    if EPILOGUE == 2u {
        e = t.plane + t.y * params.pw + t.x;
    }
    // What was seen adds nothing, for the grid is 1 deep; but what is not used is not loaded.
    e += touch(e, lane) & group.z;
    let n = params.columns;
    let at = group.y * 2u * n + group.x * 8u + lane;
    let c0 = to_outputs(m0[at], m2[at], m4[at], m6[at]);
    let c1 = to_outputs(m0[at + n], m2[at + n], m4[at + n], m6[at + n]);
    let c2 = to_outputs(m1[at], m3[at], m5[at], m7[at]);
    let c3 = to_outputs(m1[at + n], m3[at + n], m5[at + n], m7[at + n]);
    let bias = biases(t.k);
    let r0 = to_outputs(c0.a, c1.a, c2.a, c3.a);
    let r1 = to_outputs(c0.b, c1.b, c2.b, c3.b);
    let step = steps(t.k);
    if EPILOGUE == 2u {
        pool(e, step, t.y < params.ph && t.x < params.pw, r0.a + bias, r0.b + bias, r1.a + bias, r1.b + bias);
        return;
    }
    let i = 2u * t.y;
    let j = 2u * t.x;
    let right = j + 1u < params.ow;
    let down = i + 1u < params.oh;
    put(e, step, true, r0.a + bias);
    put(e + 1u, step, right, r0.b + bias);
    put(e + params.ow, step, down, r1.a + bias);
    put(e + params.ow + 1u, step, right && down, r1.b + bias);
}
