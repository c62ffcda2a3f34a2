//! What the tiled rungs share: chunks of samples, and argmax from unpacked codes.

use crate::error::Result;
use crate::kernel;
use crate::ops::{Lowering, grid_1d};
use crate::tensor::Tensor;
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// Samples `0..n` in equal chunks whose packed copies, of `sample_bytes` each, stay below `cap` bytes (one sample is
/// always taken). Never empty.
pub(super) fn chunks(n: usize, sample_bytes: usize, cap: u64) -> Vec<Range<usize>> {
    let most = (cap as usize / sample_bytes.max(1)).clamp(1, n);
    let size = n.div_ceil(n.div_ceil(most));
    (0..n)
        .step_by(size)
        .map(|first| first..n.min(first + size))
        .collect()
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PackCodes {
    words: u32,
    reserved: [u32; 3],
}

/// Window indices of max-pooling, one u32 each, to the bytes of `argmax`.
pub(super) fn pack_codes(codes: &Tensor, argmax: &Tensor, l: &mut Lowering) -> Result<()> {
    let words = argmax.numel().div_ceil(4);
    let params = PackCodes {
        words: words as u32,
        reserved: [0; 3],
    };
    l.dispatch(
        kernel!("conv2d/pack_codes"),
        &[codes, argmax],
        params,
        grid_1d(words, 64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: usize = 16 << 20;

    #[test]
    fn chunks_cover_every_sample_once_and_stay_small() {
        for (n, bytes) in [
            (1, 1),
            (8, 3 << 20),
            (7, 20 << 20),
            (64, 1 << 20),
            (5, 4 << 20),
        ] {
            let chunks = chunks(n, bytes, CAP as u64);
            let samples: Vec<usize> = chunks.iter().cloned().flatten().collect();
            assert_eq!(samples, (0..n).collect::<Vec<_>>());
            assert!(
                chunks
                    .iter()
                    .all(|c| c.len() == 1 || c.len() * bytes <= CAP)
            );
            assert!(chunks.iter().all(|c| c.len() <= chunks[0].len()));
        }
    }
}
