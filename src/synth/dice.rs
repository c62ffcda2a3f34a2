//! Random choices of a composition.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator whose draws depend only on what it was made for.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of one bar of one track; bar 0 stands for the song as a whole, the first bar is 1.
    /// Each bar has its own stream, so a track's beginning does not depend on its length.
    pub(super) fn new(seed: u64, genre: usize, index: usize, bar: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((genre as u64) << 56 | (index as u64) << 24 | bar as u64);
        Self(rng)
    }

    pub(super) fn range(&mut self, range: Range<f64>) -> f64 {
        self.0.random_range(range)
    }

    /// A gain between two levels in dB.
    pub(super) fn gain_db(&mut self, range: Range<f64>) -> f32 {
        10f64.powf(self.range(range) / 20.0) as f32
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    pub(super) fn pick<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.0.random_range(0..options.len())]
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n)
    }

    /// White noise in -1..1.
    pub(super) fn noise(&mut self) -> f32 {
        self.0.random_range(-1.0f32..1.0)
    }
}
