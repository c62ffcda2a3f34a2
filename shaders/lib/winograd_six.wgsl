// A column of F(4x4,3x3)'s transforms, and where its values go. Stands on lib/texel_factors.

struct Six { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>, e: vec4<f32>, f: vec4<f32> }

fn put(at: u32, x: Six) {
    let s = params.position_stride;
    store(at, x.a);
    store(at + s, x.b);
    store(at + 2u * s, x.c);
    store(at + 3u * s, x.d);
    store(at + 4u * s, x.e);
    store(at + 5u * s, x.f);
}
