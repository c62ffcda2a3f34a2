//! Values of tensors: to bytes, from bytes, and how far they are from what they should be.

use crate::tensor::{DType, Tensor};

/// Values as the bytes of a tensor of this type.
pub fn to_bytes(dtype: DType, values: &[f32]) -> Vec<u8> {
    match dtype {
        DType::F32 => bytemuck::cast_slice(values).to_vec(),
        DType::U32 => values
            .iter()
            .flat_map(|&v| (v as u32).to_le_bytes())
            .collect(),
        DType::U8 => values.iter().map(|&v| v as u8).collect(),
    }
}

/// A tensor's values from its bytes.
pub fn from_bytes(tensor: &Tensor, bytes: &[u8]) -> Vec<f32> {
    let n = tensor.numel();
    match tensor.spec().dtype {
        DType::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(&bytes[..n * 4]),
        DType::U32 => {
            let words = bytemuck::pod_collect_to_vec::<u8, u32>(&bytes[..n * 4]);
            words.into_iter().map(|w| w as f32).collect()
        }
        DType::U8 => bytes[..n].iter().map(|&b| f32::from(b)).collect(),
    }
}

/// Greatest absolute difference, relative to the expected tensor's maximum; infinite when a value is not finite.
pub fn relative_error<T: crate::ops::Real>(got: &[T], expected: &[f64]) -> f64 {
    let scale = expected
        .iter()
        .fold(0.0f64, |m, v| m.max(v.abs()))
        .max(1e-6);
    if got.len() != expected.len() {
        return f64::INFINITY;
    }
    let mut worst = 0.0f64;
    for (&g, &e) in got.iter().zip(expected) {
        let error = (g.f64() - e).abs() / scale;
        if !error.is_finite() {
            return f64::INFINITY;
        }
        worst = worst.max(error);
    }
    worst
}
