//! Argmax of pooling, for rungs that go through the batch in pieces: codes of a few samples, one u32 each, then bytes.

use crate::error::Result;
use crate::kernel;
use crate::ops::Lowering;
use crate::ops::product::{WINDOW, window};
use crate::tensor::Tensor;

/// Windows of one dispatch.
const SHOWN: usize = 8;

/// Samples whose codes, `output` of each, fill whole words of argmax wherever the first of them starts.
pub(super) fn samples_per_word(output: usize, pooled: bool) -> usize {
    if pooled && !output.is_multiple_of(4) {
        4
    } else {
        1
    }
}

/// The first `count` codes become the bytes of `argmax` from `first` on, a multiple of 4.
pub(super) fn pack(
    codes: &Tensor,
    count: usize,
    argmax: &Tensor,
    first: usize,
    l: &mut Lowering,
) -> Result<()> {
    let words = count.div_ceil(4);
    for at in (0..words).step_by(SHOWN * WINDOW) {
        let here = (SHOWN * WINDOW).min(words - at);
        let params = [here as u32, (first / 4 + at) as u32, 0, 0];
        // Windows beyond the end show something else, which is not looked at.
        let windows =
            (0..SHOWN).map(|i| window(codes, at + if i * WINDOW < here { i * WINDOW } else { 0 }));
        let kernel = kernel!("conv2d/pack_codes_windows");
        let grid = [here.min(WINDOW).div_ceil(64) as u32, 1, 1];
        l.dispatch_windows(kernel, &[argmax], windows.collect(), params, grid)?;
    }
    Ok(())
}
