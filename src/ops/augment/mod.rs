//! Augmentation of a batch on the device: gain, masks, and mixup of two samples.

mod cases;
mod draw;

use super::{Array, Entry, Io, Lowering, Op, Real, Step, grid_1d};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec};
use bytemuck::{Pod, Zeroable};
use draw::{Draw, drawn, quantiles};

pub use draw::{partner, time_shift};

/// `y[n] = λ · a(x[n]) + (1 − λ) · a'(partners[n])`, each sample under an augmentation of its own.
///
/// Inputs: x `[N,C,R,F]` (R feature rows, F frames), and under mixup the partners, of the same shape: the samples that
/// [`super::GatherBatch`] picks with `partners`. Outputs: y, as x; and λ `[N]`, which [`super::SoftmaxCrossEntropy`] reads.
///
/// An augmentation multiplies a sample, adds to it, and then sets masked rows and frames to 0, the mean of normalised features
/// (SpecAugment without time warping, Park et al. 2019); where a sample begins is [`super::GatherBatch`]'s to move. The
/// partner's is the one that it has as a sample itself. λ is drawn from Beta(α, α) (mixup, Zhang et al. 2018), the larger of λ
/// and 1 − λ, so that a sample's own label leads; by a table of the quantile function, linear between 64 nodes.
///
/// Everything is a function of (seed, step, position in the batch), see [`super::random`]: a resumed run and a batch cut into
/// micro-batches see the same numbers, and nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Augment {
    /// Factors are uniform in `1 ± gain`.
    pub gain: f32,
    /// Offsets are uniform in `± offset`, in deviations of normalised features.
    pub offset: f32,
    /// Number of masks over rows (frequency masks), at most [`Augment::MASKS`].
    pub row_masks: usize,
    /// Rows of the widest; widths are uniform from 0.
    pub row_mask: usize,
    /// Number of masks over frames (time masks), at most [`Augment::MASKS`].
    pub frame_masks: usize,
    /// Frames of the widest.
    pub frame_mask: usize,
    /// α of mixup's Beta(α, α); 0 for none.
    pub mixup: f32,
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "augment",
    cases: cases::cases,
    ladders: &[],
};

/// What `augment/draw` reads.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct DrawParams {
    samples: u32,
    rows: u32,
    frames: u32,
    mixup: u32,
    row_masks: u32,
    row_mask: u32,
    frame_masks: u32,
    frame_mask: u32,
    gain: f32,
    offset: f32,
    pad: [u32; 2],
    quantiles: [f32; Augment::NODES],
}

/// What `augment/apply` reads.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ApplyParams {
    per_sample: u32,
    rows: u32,
    frames: u32,
    pad: u32,
}

/// Workgroup size of these kernels.
const WORKGROUP: usize = 64;

impl Augment {
    /// Masks of each kind that a sample may have.
    pub const MASKS: usize = 4;

    /// Samples of the largest batch in which mixup draws partners.
    pub const MIXED: usize = 65_536;

    /// Nodes of the table of quantiles.
    const NODES: usize = 64;

    /// Whether two samples are mixed.
    pub fn mixes(&self) -> bool {
        self.mixup > 0.0
    }

    /// An error unless all settings make sense, whatever the shape of x.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        let error = |message: String| Err(Error::shape("augment", message));
        for (name, masks) in [("row", self.row_masks), ("frame", self.frame_masks)] {
            if masks > Self::MASKS {
                let most = Self::MASKS;
                return error(format!("{masks} {name} masks; at most {most} are possible"));
            }
        }
        if !(0.0..1.0).contains(&self.gain) {
            return error(format!("gain is {}; it must be in [0, 1)", self.gain));
        }
        if !(self.offset >= 0.0 && self.offset.is_finite()) {
            return error(format!("offset is {}; it must be 0 or more", self.offset));
        }
        if !(0.0..=100.0).contains(&self.mixup) {
            return error(format!(
                "mixup's alpha is {}; it must be in [0, 100]",
                self.mixup
            ));
        }
        Ok(())
    }

    /// `[N, elements of a sample, R, F]` of x.
    fn sizes(dims: &[usize]) -> Option<[usize; 4]> {
        let &[n, c, r, f] = dims else { return None };
        Some([n, c * r * f, r, f])
    }
}

impl Op for Augment {
    fn name(&self) -> &'static str {
        "augment"
    }

    fn output_specs(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("augment", message));
        let too_large = |message: String| Err(Error::too_large("augment", message));
        self.check()?;
        let wanted = if self.mixes() { 2 } else { 1 };
        if inputs.len() != wanted {
            return error(format!(
                "takes {}, got {} inputs",
                if self.mixes() { "x and partners" } else { "x" },
                inputs.len()
            ));
        }
        let x = &inputs[0];
        let Some([n, per_sample, rows, frames]) = Self::sizes(x.shape.dims()) else {
            return error(format!("x is {}, not [N,C,R,F]", x.shape));
        };
        if x.dtype != DType::F32 || x.numel() == 0 {
            return error(format!(
                "x is {} of {:?}; it must be f32 and not empty",
                x.shape, x.dtype
            ));
        }
        if inputs.iter().any(|other| other != x) {
            return error(format!(
                "partners are {}, x is {}; both must be alike",
                inputs[1].shape, x.shape
            ));
        }
        // Random numbers below these are made of 16 bits.
        if rows > 65_535 || frames > 65_535 {
            return too_large(format!(
                "samples of {rows} rows and {frames} frames are too large; 65,535 of each are possible"
            ));
        }
        if n > 65_535 || per_sample.div_ceil(WORKGROUP) > 65_535 {
            return too_large(format!("x of {} is too large to launch", x.shape));
        }
        Ok(vec![x.clone(), Spec::f32([n])])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let x = io.x(0);
        let Some([n, per_sample, rows, frames]) = Self::sizes(x.dims()) else {
            return Err(Error::shape("augment", "x is not [N,C,R,F]"));
        };
        let draws = l.workspace("draws", Spec::f32([n, 2, Draw::NUMBERS]));
        let control = l.control();
        let params = DrawParams {
            samples: n as u32,
            rows: rows as u32,
            frames: frames as u32,
            mixup: u32::from(self.mixes()),
            row_masks: self.row_masks as u32,
            row_mask: self.row_mask.min(rows) as u32,
            frame_masks: self.frame_masks as u32,
            frame_mask: self.frame_mask.min(frames) as u32,
            gain: self.gain,
            offset: self.offset,
            pad: [0; 2],
            quantiles: quantiles(self.mixup),
        };
        let kernel = kernel!("augment/draw", "step", "threefry", "partner", "draw");
        let tensors = [&draws, io.y(1), &control];
        l.dispatch(kernel, &tensors, params, grid_1d(n, WORKGROUP))?;
        let params = ApplyParams {
            per_sample: per_sample as u32,
            rows: rows as u32,
            frames: frames as u32,
            pad: 0,
        };
        let partners = if self.mixes() { io.x(1) } else { x };
        let kernel = kernel!("augment/apply", "draw").with("MIXUP", u32::from(self.mixes()));
        let grid = [per_sample.div_ceil(WORKGROUP) as u32, n as u32, 1];
        l.dispatch(kernel, &[x, partners, &draws, io.y(0)], params, grid)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let mut y = Array::zeros(x[0].shape.clone());
        let mut share = Array::zeros([x[0].dims()[0]]);
        let [n, per_sample, rows, frames] =
            Self::sizes(x[0].dims()).expect("shapes were checked when the op was recorded");
        for i in 0..n {
            let position = step.sample_offset + i as u32;
            let (own, lambda) = drawn(self, position, rows, frames, step);
            let sample = i * per_sample..(i + 1) * per_sample;
            let to = &mut y.data[sample.clone()];
            share.data[i] = T::lit(f64::from(lambda));
            own.add_to(to, &x[0].data[sample.clone()], share.data[i], rows, frames);
            if self.mixes() {
                let (other, _) = drawn(self, partner(position, step), rows, frames, step);
                let rest = T::one() - share.data[i];
                other.add_to(to, &x[1].data[sample], rest, rows, frames);
            }
        }
        vec![y, share]
    }
}
