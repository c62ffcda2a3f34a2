// A column of F(2x2,3x3)'s transforms, and where its values go. Stands on lib/texel_factors.

struct Four { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> }

fn put(at: u32, x: Four) {
    let s = params.position_stride;
    store(at, x.a);
    store(at + s, x.b);
    store(at + 2u * s, x.c);
    store(at + 3u * s, x.d);
}
