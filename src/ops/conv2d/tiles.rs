//! What the tiled rungs share: which problems they take, chunks of samples, and argmax from unpacked codes.

use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, Lowering, Problem, grid_1d};
use crate::tensor::Tensor;
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// The tiled rungs take windows of 3x3, stride 1, with the zeros of 'same'.
pub(super) fn same_3x3(problem: &Problem, _: &Capabilities) -> Result<(), String> {
    let is = |name: &str, value: usize| problem.get(name) == value;
    let window = is("kh", 3) && is("kw", 3) && is("stride_h", 1) && is("stride_w", 1);
    let same = is("pad_top", 1)
        && is("pad_left", 1)
        && is("oh", problem.get("h"))
        && is("ow", problem.get("w"));
    if window && same {
        Ok(())
    } else {
        Err("takes 3x3 windows with stride 1 and 'same' padding only".to_owned())
    }
}

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
