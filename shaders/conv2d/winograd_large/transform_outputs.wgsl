// Winograd F(4x4,3x3), output transform: Y = Aᵀ M A turns the 6x6 products of a tile into its 4x4 outputs (Lavin & Gray 2015),
// then bias, ReLU and 2x2 max-pooling, so that the activation before the epilogue is never in memory.
// m0..m8: products of positions 4q..4q+3, [K/4][4][tile] vec4 over k, as uniform windows; b: [K]; y: [N,K,PH,PW];
// codes: window index of each maximum, one u32 each in the order of y (pooled only; packed to bytes afterwards).
// One invocation: one tile of four filters. One workgroup: 8 tiles; y counts filter quads; no shared memory.
// Traffic: 36 reads, 16 writes (4 when pooled) per tile and filter, about 130 operations: bound by memory on a GPU, by loads here.
// Next rung: fused into the product, which would keep m in registers and save its write and read.
@group(0) @binding(12) var<uniform> m8: array<vec4<f32>, 4096>;

// Loads a part of every cache line of y (and codes) that the group will write, each lane for one of the four filters. A store to a line
// that is not in the cache waits for it, and stores wait one after the other; loads wait together.
fn touch(at: u32, lane: u32) -> u32 {
    let plane = params.ph * params.pw;
    let line = at + (lane & 3u) * plane;
    if EPILOGUE == 2u {
        let row = line + (lane >> 2u) * params.pw;
        return bitcast<u32>(y[row]) | codes[row - params.first_sample * params.filters * plane];
    }
    return bitcast<u32>(y[line]) | bitcast<u32>(y[line + params.ow]) | bitcast<u32>(y[line + 2u * params.ow])
        | bitcast<u32>(y[line + 3u * params.ow]);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = tile_of(group.x * 8u + lane, group.y);
    if !t.inside {
        return;
    }
    var e = t.plane + 4u * t.y * params.ow + 4u * t.x;
    if EPILOGUE == 2u {
        e = t.plane + 2u * t.y * params.pw + 2u * t.x;
    }
    // What was seen adds nothing, for the grid is 1 deep; but what is not used is not loaded.
    e += touch(e, lane) & group.z;
    let n = params.columns;
    let at = group.y * 4u * n + group.x * 8u + lane;
    let c0 = to_outputs(m0[at], m1[at + 2u * n], m3[at], m4[at + 2u * n], m6[at], m7[at + 2u * n]);
    let c1 = to_outputs(m0[at + n], m1[at + 3u * n], m3[at + n], m4[at + 3u * n], m6[at + n], m7[at + 3u * n]);
    let c2 = to_outputs(m0[at + 2u * n], m2[at], m3[at + 2u * n], m5[at], m6[at + 2u * n], m8[at]);
    let c3 = to_outputs(m0[at + 3u * n], m2[at + n], m3[at + 3u * n], m5[at + n], m6[at + 3u * n], m8[at + n]);
    let c4 = to_outputs(m1[at], m2[at + 2u * n], m4[at], m5[at + 2u * n], m7[at], m8[at + 2u * n]);
    let c5 = to_outputs(m1[at + n], m2[at + 3u * n], m4[at + n], m5[at + 3u * n], m7[at + n], m8[at + 3u * n]);
    let bias = biases(t.k);
    let r0 = to_outputs(c0.a, c1.a, c2.a, c3.a, c4.a, c5.a);
    let r1 = to_outputs(c0.b, c1.b, c2.b, c3.b, c4.b, c5.b);
    let r2 = to_outputs(c0.c, c1.c, c2.c, c3.c, c4.c, c5.c);
    let r3 = to_outputs(c0.d, c1.d, c2.d, c3.d, c4.d, c5.d);
    let step = steps(t.k);
    if EPILOGUE == 2u {
        let i = 2u * t.y;
        let j = 2u * t.x;
        let down = i + 1u < params.ph;
        let right = j + 1u < params.pw;
        pool(e, step, i < params.ph && j < params.pw, r0.a + bias, r0.b + bias, r1.a + bias, r1.b + bias);
        pool(e + 1u, step, i < params.ph && right, r0.c + bias, r0.d + bias, r1.c + bias, r1.d + bias);
        pool(e + params.pw, step, down && j < params.pw, r2.a + bias, r2.b + bias, r3.a + bias, r3.b + bias);
        pool(e + params.pw + 1u, step, down && right, r2.c + bias, r2.d + bias, r3.c + bias, r3.d + bias);
        return;
    }
    let i = 4u * t.y;
    let j = 4u * t.x;
    put(e, step, i + 0u < params.oh && j + 0u < params.ow, r0.a + bias);
    put(e + 1u, step, i + 0u < params.oh && j + 1u < params.ow, r0.b + bias);
    put(e + 2u, step, i + 0u < params.oh && j + 2u < params.ow, r0.c + bias);
    put(e + 3u, step, i + 0u < params.oh && j + 3u < params.ow, r0.d + bias);
    put(e + params.ow, step, i + 1u < params.oh && j + 0u < params.ow, r1.a + bias);
    put(e + params.ow + 1u, step, i + 1u < params.oh && j + 1u < params.ow, r1.b + bias);
    put(e + params.ow + 2u, step, i + 1u < params.oh && j + 2u < params.ow, r1.c + bias);
    put(e + params.ow + 3u, step, i + 1u < params.oh && j + 3u < params.ow, r1.d + bias);
    put(e + 2u * params.ow, step, i + 2u < params.oh && j + 0u < params.ow, r2.a + bias);
    put(e + 2u * params.ow + 1u, step, i + 2u < params.oh && j + 1u < params.ow, r2.b + bias);
    put(e + 2u * params.ow + 2u, step, i + 2u < params.oh && j + 2u < params.ow, r2.c + bias);
    put(e + 2u * params.ow + 3u, step, i + 2u < params.oh && j + 3u < params.ow, r2.d + bias);
    put(e + 3u * params.ow, step, i + 3u < params.oh && j + 0u < params.ow, r3.a + bias);
    put(e + 3u * params.ow + 1u, step, i + 3u < params.oh && j + 1u < params.ow, r3.b + bias);
    put(e + 3u * params.ow + 2u, step, i + 3u < params.oh && j + 2u < params.ow, r3.c + bias);
    put(e + 3u * params.ow + 3u, step, i + 3u < params.oh && j + 3u < params.ow, r3.d + bias);
}
