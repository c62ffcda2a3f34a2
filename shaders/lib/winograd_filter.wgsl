// What the last steps of Winograd's weight gradients share: sizes, bindings, and the stores of dw.

struct Params { filters: u32, channels: u32, reserved0: u32, reserved1: u32 }

@group(0) @binding(0) var<storage, read> du: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

// Four channels.
alias Value = vec4<f32>;

// Channel quads of a filter.
fn quads() -> u32 {
    return (params.channels + 3u) / 4u;
}

fn put(at: u32, limit: u32, v: vec4<f32>) {
    for (var i = 0u; i < limit; i++) {
        dw[at + i * 9u] = v[i];
    }
}

// The 3x3 weights (columns a, b and d) of four channels of a filter, number i of all such.
fn store(i: u32, a: Three, b: Three, d: Three) {
    let k = i / quads();
    let c = 4u * (i - k * quads());
    let limit = min(4u, params.channels - c);
    let first = (k * params.channels + c) * 9u;
    put(first, limit, a.a);
    put(first + 1u, limit, b.a);
    put(first + 2u, limit, d.a);
    put(first + 3u, limit, a.b);
    put(first + 4u, limit, b.b);
    put(first + 5u, limit, d.b);
    put(first + 6u, limit, a.c);
    put(first + 7u, limit, b.c);
    put(first + 8u, limit, d.c);
}
