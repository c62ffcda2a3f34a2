// Where the values of a column of F(2x2,3x3)'s transforms go. Stands on lib/winograd_small and lib/texel_factors.

fn put(at: u32, x: Four) {
    let s = params.position_stride;
    store(at, x.a);
    store(at + s, x.b);
    store(at + 2u * s, x.c);
    store(at + 3u * s, x.d);
}
