//! Argmax of pooling: for each output a byte, the number of its maximum in the window, or [`DEAD`]. Kernels write such codes as one u32
//! each, since no two invocations may write one word, and its four bytes come from different ones; then they are packed.

use super::batch_cuts::Chunk;
use crate::error::Result;
use crate::kernel;
use crate::ops::products::windows::{WINDOW, window};
use crate::ops::{Lowering, grid_1d};
use crate::tensor::{Spec, Tensor};

/// Byte where no gradient passes.
pub(crate) const DEAD: u8 = 255;

/// Windows of one dispatch of the packing through windows.
const SHOWN: usize = 8;

/// Samples whose codes, `output` of each, fill whole words of argmax wherever the first of them starts.
pub fn samples_per_word(output: usize, pooled: bool) -> usize {
    if pooled && !output.is_multiple_of(4) {
        4
    } else {
        1
    }
}

/// Codes that are not yet packed, of some samples at a time.
pub struct Codes<'a> {
    /// One u32 per output; one in all where nothing is pooled, for the binding.
    pub tensor: Tensor,
    argmax: Option<&'a Tensor>,
    /// Samples in all, and those of which there is room for the codes.
    n: usize,
    held: usize,
    /// Whether they are read through uniform windows, as a CPU driver likes it.
    windows: bool,
}

impl<'a> Codes<'a> {
    /// Room for all of argmax.
    pub fn whole(argmax: &'a Tensor, l: &mut Lowering) -> Self {
        let n = argmax.dims()[0];
        Self {
            windows: false,
            ..Self::in_pieces(Some(argmax), n, n, l)
        }
    }

    /// Room for `held` of `n` samples at a time: all of them, or so many that the codes fill whole words (see [`samples_per_word`]).
    pub fn in_pieces(argmax: Option<&'a Tensor>, n: usize, held: usize, l: &mut Lowering) -> Self {
        let count = argmax.map_or(1, |argmax| held * argmax.numel() / n);
        Self {
            tensor: l.workspace("argmax, unpacked", Spec::u32([count])),
            argmax,
            n,
            held,
            windows: true,
        }
    }

    /// Room for those of any chunk, which [`samples_per_word`] is `words` for: whole words are filled by some chunks together.
    pub fn of_chunks(
        argmax: Option<&'a Tensor>,
        n: usize,
        words: usize,
        chunks: &[Chunk],
        l: &mut Lowering,
    ) -> Self {
        let held = match words {
            1 => chunks.iter().map(|c| c.samples.len()).max().unwrap_or(1),
            _ => words.min(n),
        };
        Self::in_pieces(argmax, n, held, l)
    }

    /// Codes of a sample.
    fn output(&self) -> usize {
        self.argmax.map_or(0, |argmax| argmax.numel() / self.n)
    }

    /// Which element of argmax the first code is for, while a sample is held.
    pub fn start(&self, sample: usize) -> usize {
        sample / self.held * self.held * self.output()
    }

    /// The place of the first code of a sample.
    pub fn first(&self, sample: usize) -> usize {
        sample % self.held * self.output()
    }

    /// Samples up to `end` are complete: pack those held, unless there is room for more.
    pub fn pack_until(&self, end: usize, l: &mut Lowering) -> Result<()> {
        let full = end.is_multiple_of(self.held) || end == self.n;
        let Some(argmax) = self.argmax.filter(|_| full) else {
            return Ok(());
        };
        let first = self.start(end - 1);
        let count = end * self.output() - first;
        match self.windows {
            true => self.pack_windows(argmax, first, count, l),
            false => {
                let words = count.div_ceil(4);
                let params = [words as u32, 0, 0, 0];
                let kernel = kernel!("conv2d/pack_argmax");
                l.dispatch(kernel, &[&self.tensor, argmax], params, grid_1d(words, 64))
            }
        }
    }

    /// The first `count` codes become the bytes of `argmax` from `first` on, a multiple of 4.
    fn pack_windows(
        &self,
        argmax: &Tensor,
        first: usize,
        count: usize,
        l: &mut Lowering,
    ) -> Result<()> {
        let words = count.div_ceil(4);
        for at in (0..words).step_by(SHOWN * WINDOW) {
            let here = (SHOWN * WINDOW).min(words - at);
            let params = [here as u32, (first / 4 + at) as u32, 0, 0];
            // Windows beyond the end show something else, which is not looked at.
            let windows = (0..SHOWN).map(|i| {
                let beyond = i * WINDOW >= here;
                window(&self.tensor, at + if beyond { 0 } else { i * WINDOW })
            });
            let kernel = kernel!("conv2d/pack_argmax_windows");
            let grid = [here.min(WINDOW).div_ceil(64) as u32, 1, 1];
            l.dispatch_windows(kernel, &[argmax], windows.collect(), params, grid)?;
        }
        Ok(())
    }
}

/// Codes of four channels to a word, as tiles of a product have them in registers: a byte per output like argmax itself, but in the
/// order `[K/4, N, PH, PW]`.
pub struct Quads<'a> {
    /// For the kernel that computes them.
    pub tensor: Tensor,
    argmax: &'a Tensor,
}

impl<'a> Quads<'a> {
    /// Room for all of argmax.
    pub fn of(argmax: &'a Tensor, l: &mut Lowering) -> Self {
        let k = argmax.dims()[1];
        let windows = argmax.numel() / k;
        let words = Spec::u32([k.div_ceil(4), windows]);
        let tensor = l.workspace("argmax by channels", words);
        Self { tensor, argmax }
    }

    /// Bring them into argmax's order.
    ///
    /// # Errors
    /// Those of a dispatch.
    pub fn order(&self, l: &mut Lowering) -> Result<()> {
        let [n, k] = [0, 1].map(|d| self.argmax.dims()[d]);
        let count = self.argmax.numel();
        let plane = count / (n * k);
        let params = [n as u32, k as u32, plane as u32, count as u32];
        let grid = grid_1d(count.div_ceil(4), 64);
        let tensors = [&self.tensor, self.argmax];
        l.dispatch(kernel!("conv2d/order_argmax"), &tensors, params, grid)
    }
}
