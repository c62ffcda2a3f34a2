//! Dropout: random zeros in training, against overfitting.

use super::random::uniform_16;
use super::util::WORKGROUP;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Pass, Real, Step, grid_1d};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// Inverted dropout: `y = x / (1 - rate)` with probability `1 - rate`, else 0 (Srivastava et al. 2014; Keras `Dropout`).
/// Input: x of any shape with the batch outermost.
///
/// The mask is a function of (seed, layer, step, position in the batch), see [`super::random`]: it is never stored, does not
/// change when a batch is split into micro-batches, and the backward kernel is the forward kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Probability of a zero, in `[0, 1)`.
    pub rate: f32,
    /// Number of the dropout layer within the model, so that no two layers share a mask.
    pub layer: u32,
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "dropout",
    cases,
    ladders: &[],
};

impl Dropout {
    /// An error unless the rate is in `[0, 1)`.
    pub(crate) fn check(&self, op: &str) -> Result<()> {
        if (0.0..1.0).contains(&self.rate) {
            return Ok(());
        }
        let message = format!("dropout rate is {}; it must be in [0, 1)", self.rate);
        Err(Error::shape(op, message))
    }

    /// 16-bit uniforms below this are dropped.
    pub(crate) fn threshold(&self) -> u32 {
        (self.rate * 65_536.0).round() as u32
    }

    /// What a kept value is multiplied by, so that the expectation stays.
    pub(crate) fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }

    /// Factor of element `i` of a tensor with `per_sample` elements per sample: 0 or [`Dropout::scale`].
    pub(crate) fn factor<T: Real>(&self, i: usize, per_sample: usize, step: &Step) -> T {
        let index = step
            .sample_offset
            .wrapping_mul(per_sample as u32)
            .wrapping_add(i as u32);
        if uniform_16(step.seed, self.layer, step.step, index) >= self.threshold() {
            T::lit(f64::from(self.scale()))
        } else {
            T::zero()
        }
    }

    fn apply(&self, x: &Tensor, l: &mut Lowering) -> Result<()> {
        let quads = x.numel().div_ceil(4);
        let params = Params {
            quads: quads as u32,
            per_sample: (x.numel() / x.dims()[0]) as u32,
            layer: self.layer,
            threshold: self.threshold(),
            scale: self.scale(),
            pad: [0; 3],
        };
        let control = l.control();
        let grid = grid_1d(quads, WORKGROUP);
        let kernel = kernel!("dropout/apply", "step", "threefry", "dropout")
            .with("DROPOUT", 1.0)
            .with("ALIGNED", aligned(params.per_sample));
        l.dispatch(kernel, &[x, &control], params, grid)
    }

    fn apply_reference<T: Real>(&self, x: &Array<T>, step: &Step) -> Array<T> {
        let per_sample = x.data.len() / x.dims()[0];
        let data = x.data.iter().enumerate();
        Array {
            shape: x.shape.clone(),
            data: data
                .map(|(i, &v)| v * self.factor(i, per_sample, step))
                .collect(),
        }
    }
}

/// Value of the kernels' `ALIGNED`: 1 when every sample begins on a quad of the generator.
pub(crate) fn aligned(per_sample: u32) -> f64 {
    f64::from(u8::from(per_sample.is_multiple_of(4)))
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    quads: u32,
    per_sample: u32,
    layer: u32,
    threshold: u32,
    scale: f32,
    pad: [u32; 3],
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let [x] = x else {
            let message = format!("takes 1 input, got {}", x.len());
            return Err(Error::shape("dropout", message));
        };
        self.check("dropout")?;
        if x.shape.rank() == 0 || x.numel() == 0 {
            let message = format!("x is {}; it needs at least one sample", x.shape);
            return Err(Error::shape("dropout", message));
        }
        Ok(vec![x.clone()])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    fn in_place(&self, _: Pass) -> Option<(usize, usize)> {
        Some((0, 0))
    }

    fn cheap_to_recompute(&self) -> bool {
        true
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        self.apply(io.y(0), l)
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        io.dx(0).map_or(Ok(()), |dx| self.apply(dx, l))
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        vec![self.apply_reference(x[0], step)]
    }

    fn backward_reference<T: Real>(
        &self,
        _: &[&Array<T>],
        _: &[&Array<T>],
        dy: &Array<T>,
        step: &Step,
    ) -> Vec<Array<T>> {
        vec![self.apply_reference(dy, step)]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rate, layer, shape: &[usize]| {
        let x = (Spec::f32(shape), Fill::Normal(1.0));
        Case::new(name, Dropout { rate, layer }, vec![x])
    };
    vec![
        case("one element", 0.5, 0, &[1, 1]),
        case("prime sizes", 0.3, 1, &[3, 5, 7, 11]),
        case("nothing dropped", 0.0, 2, &[2, 13]),
        case("nearly all dropped", 0.9, 3, &[5, 31]),
        case("partial batch", 0.7, 4, &[4, 9, 5]).valid(3),
        // Micro-batches that begin at every offset within the generator's quads.
        case("second micro-batch, offset 1", 0.5, 5, &[2, 7]).starting_at(3),
        case("second micro-batch, offset 2", 0.5, 6, &[3, 6]).starting_at(3),
        case("second micro-batch, offset 3", 0.5, 7, &[2, 3]).starting_at(5),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rate: f32, layer: u32, step: &Step, samples: usize, per_sample: usize) -> Vec<f32> {
        let n = samples * per_sample;
        let dropout = Dropout { rate, layer };
        (0..n)
            .map(|i| dropout.factor(i, per_sample, step))
            .collect()
    }

    #[test]
    fn rate_is_the_share_of_zeros() {
        let n = 100_000;
        for rate in [0.1, 0.3, 0.7] {
            let zeros = mask(rate, 0, &Step::full(1), 1, n);
            let share = zeros.iter().filter(|&&v| v == 0.0).count() as f32 / n as f32;
            // Five standard deviations of a binomial share.
            let bound = 5.0 * (rate * (1.0 - rate) / n as f32).sqrt();
            assert!((share - rate).abs() < bound, "rate {rate}: {share}");
        }
    }

    #[test]
    fn masks_differ_by_seed_layer_and_step_only() {
        let step = Step::full(4);
        let base = mask(0.5, 1, &step, 4, 50);
        assert_eq!(base, mask(0.5, 1, &step, 4, 50));
        assert_ne!(base, mask(0.5, 2, &step, 4, 50));
        assert_ne!(base, mask(0.5, 1, &Step { seed: 1, ..step }, 4, 50));
        assert_ne!(base, mask(0.5, 1, &Step { step: 2, ..step }, 4, 50));
    }

    #[test]
    fn splitting_a_batch_keeps_its_mask() {
        let (per_sample, step) = (7, Step::full(5));
        let whole = mask(0.5, 0, &step, 5, per_sample);
        let step = Step {
            sample_offset: 3,
            ..step
        };
        assert_eq!(whole[3 * per_sample..], mask(0.5, 0, &step, 2, per_sample));
    }

    #[test]
    fn a_rate_outside_0_1_is_refused() {
        for rate in [-0.1, 1.0, f32::NAN] {
            let specs = Dropout { rate, layer: 0 }.output_specs(&[Spec::f32([2, 3])]);
            let message = specs.unwrap_err().to_string();
            assert!(message.contains("must be in [0, 1)"), "{message}");
        }
    }
}
