// Where Winograd's tiles go under ReLU and 2x2 max-pooling: a tile is one window, or two by two. y: [N,K,PH,PW]; codes: [K/4,N*PH*PW], a byte for
// each of four channels: 2a+b of the maximum or 255 where y is 0 (order_argmax makes argmax of them). Stands on lib/winograd_chunk.

@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

const WINDOWS: u32 = TILE / 2u;      // along a side of a tile

// A word for each window of a tile.
struct Codes { words: array<array<u32, WINDOWS>, WINDOWS> }

// The outputs of a tile of channel k, column by column; c is k % 4. Of equal ones the first is the maximum.
fn store(t: Tile, k: u32, c: u32, z: array<Outputs, TILE>, codes: ptr<function, Codes>) {
    let i = t.row * WINDOWS;
    let j = t.column * WINDOWS;
    let at = ((t.sample * params.channels + k) * params.ph + i) * params.pw + j;
    for (var o = 0u; o < WINDOWS; o++) {
        for (var r = 0u; r < WINDOWS; r++) {
            let w = vec4<f32>(z[2u * r][2u * o], z[2u * r + 1u][2u * o], z[2u * r][2u * o + 1u], z[2u * r + 1u][2u * o + 1u]);
            var best = w.x;
            var code = 0u;
            code = select(code, 1u, w.y > best);
            best = max(best, w.y);
            code = select(code, 2u, w.z > best);
            best = max(best, w.z);
            code = select(code, 3u, w.w > best);
            best = max(best, w.w);
            let alive = best > 0.0;
            (*codes).words[o][r] |= select(255u, code, alive) << (c * 8u);
            if i + o < params.ph && j + r < params.pw { y[at + o * params.pw + r] = select(0.0, best, alive); }
        }
    }
}

fn store_codes(t: Tile, quad: u32, codes: Codes) {
    let i = t.row * WINDOWS;
    let j = t.column * WINDOWS;
    let at = ((quad * params.n + t.sample) * params.ph + i) * params.pw + j;
    for (var o = 0u; o < WINDOWS; o++) {
        for (var r = 0u; r < WINDOWS; r++) {
            if i + o < params.ph && j + r < params.pw { argmax[at + o * params.pw + r] = codes.words[o][r]; }
        }
    }
}
