// Where the values of a column of F(4x4,3x3)'s transforms go. Stands on lib/winograd_large and lib/texel_factors.

fn put(at: u32, x: Six) {
    let s = params.position_stride;
    store(at, x.a);
    store(at + s, x.b);
    store(at + 2u * s, x.c);
    store(at + 3u * s, x.d);
    store(at + 4u * s, x.e);
    store(at + 5u * s, x.f);
}
