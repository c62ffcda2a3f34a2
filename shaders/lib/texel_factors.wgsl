// Storing factors of matrix products in a texture; the kernel's params have `position_stride`, the texels between two positions of Winograd's.

@group(0) @binding(2) var factors: texture_storage_2d<rgba32float, write>;

fn store(at: u32, value: vec4<f32>) {
    textureStore(factors, vec2(at % 2048u, at / 2048u), value);
}
