//! Softmax and cross-entropy in one op: the loss of a classifier.

use super::{
    Array, Case, Entry, Fill, Io, Lowering, Op, Real, Saved, Step, grid_1d, looped, nested,
};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// `loss = sum over real samples of weight[label] * cross_entropy(target, softmax(logits)) / batch`, where the target is
/// `1 - s` at the label plus `s / K` everywhere (`s` the label smoothing, Szegedy et al. 2016).
///
/// Inputs: logits `[N, K]`, labels u32 `[N]`, class weights `[K]`; under mixup also the partners' labels u32 `[N]` and λ `[N]`
/// (see [`super::Augment`]). Outputs: loss `[1]`, probabilities `[N, K]`.
/// A mixed sample's loss is `λ · loss(label) + (1 − λ) · loss(partner's label)`, each with its own class weight (Zhang et al. 2018).
/// As in Keras, a class weight multiplies its samples' whole smoothed cross-entropy and the sum is divided by the number of
/// samples, not by the sum of weights. `batch` counts the whole batch, so the losses of its micro-batches add up.
/// Labels are checked where data enters; a kernel given a larger one takes the last class.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SoftmaxCrossEntropy {
    /// Label smoothing, in `[0, 1)`; 0 for none.
    pub label_smoothing: f32,
    /// Whether every sample has two labels, as mixup gives them.
    pub mixed: bool,
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "softmax_cross_entropy",
    cases,
    ladders: &[],
};

const WORKGROUP: usize = 64;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    samples: u32,
    classes: u32,
    smoothing: f32,
    pad: u32,
}

impl SoftmaxCrossEntropy {
    fn params(&self, n: usize, k: usize) -> Params {
        Params {
            samples: n as u32,
            classes: k as u32,
            smoothing: self.label_smoothing,
            pad: 0,
        }
    }

    /// The labels of sample `n` with the weight of each in its loss: class weight times share.
    fn labels<T: Real>(&self, x: &[&Array<T>], n: usize) -> Vec<(usize, T)> {
        let label = |t: &Array<T>| t.data[n].f64() as usize;
        let weight = |label: usize| x[2].data[label];
        let own = label(x[1]);
        if !self.mixed {
            return vec![(own, weight(own))];
        }
        let (other, share) = (label(x[3]), x[4].data[n]);
        vec![
            (own, share * weight(own)),
            (other, (T::one() - share) * weight(other)),
        ]
    }

    /// What the kernels bind for the partners' labels and for λ; without mixup stand-ins that they don't read.
    fn second<'a>(&self, io: &'a Io) -> (&'a Tensor, &'a Tensor) {
        match self.mixed {
            true => (io.x(3), io.x(4)),
            false => (io.x(1), io.x(2)),
        }
    }

    /// Target probability of class `j` when the label is `label`.
    fn target<T: Real>(&self, j: usize, label: usize, classes: usize) -> T {
        let s = T::lit(f64::from(self.label_smoothing));
        let everywhere = s / T::lit(classes as f64);
        if j == label {
            T::one() - s + everywhere
        } else {
            everywhere
        }
    }
}

impl Op for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("softmax_cross_entropy", message));
        let (logits, labels, weights, second) = match (x, self.mixed) {
            ([logits, labels, weights], false) => (logits, labels, weights, None),
            ([logits, labels, weights, other, share], true) => {
                (logits, labels, weights, Some((other, share)))
            }
            _ => {
                let more = if self.mixed {
                    ", partners' labels and shares"
                } else {
                    ""
                };
                return error(format!(
                    "takes logits, labels, class weights{more}, got {} inputs",
                    x.len()
                ));
            }
        };
        let &[n, k] = logits.shape.dims() else {
            return error(format!("logits are {}, not [N, K]", logits.shape));
        };
        if n == 0 || k == 0 {
            return error(format!(
                "logits are {}; at least one sample and one class are needed",
                logits.shape
            ));
        }
        if *labels != Spec::u32([n]) {
            return error(format!(
                "labels must be {n} u32 (one per row of the {} logits), got {} of {:?}",
                logits.shape, labels.shape, labels.dtype
            ));
        }
        if let Some((other, share)) = second
            && (other != labels || *share != Spec::f32([n]))
        {
            return error(format!(
                "partners' labels are {} of {:?}, shares {} of {:?}; they must be {n} u32 and {n} f32",
                other.shape, other.dtype, share.shape, share.dtype
            ));
        }
        if *weights != Spec::f32([k]) {
            return error(format!(
                "class weights are {}, the logits have {k} classes",
                weights.shape
            ));
        }
        if logits.dtype != DType::F32 {
            return error(format!("logits are {:?}, not F32", logits.dtype));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return error(format!(
                "label smoothing is {}; it must be in [0, 1)",
                self.label_smoothing
            ));
        }
        Ok(vec![Spec::f32([1]), logits.clone()])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }

    /// The probabilities are all of the logits that backward needs.
    fn saved(&self) -> Saved {
        Saved {
            inputs: if self.mixed { &[1, 2, 3, 4] } else { &[1, 2] },
            outputs: &[1],
        }
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let &[n, k] = io.x(0).dims() else {
            unreachable!("checked by output_specs")
        };
        l.check_iterations(
            "softmax_cross_entropy",
            looped(n.div_ceil(64), nested([k]) + nested([k]) + nested([k])),
        )?;
        let control = l.control();
        let (other, share) = self.second(io);
        let (x, y) = ([io.x(0), io.x(1), io.x(2)], [io.y(0), io.y(1)]);
        l.dispatch(
            kernel!("softmax_cross_entropy/forward", "tree_sum", "step")
                .with("MIXED", u32::from(self.mixed)),
            &[x[0], x[1], x[2], y[0], y[1], &control, other, share],
            self.params(n, k),
            [1, 1, 1],
        )
    }

    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let Some(dx) = io.dx(0) else { return Ok(()) };
        let &[n, k] = dx.dims() else {
            unreachable!("checked by output_specs")
        };
        let control = l.control();
        let (other, share) = self.second(io);
        let (p, labels, weights) = (io.y(1), io.x(1), io.x(2));
        l.dispatch(
            kernel!("softmax_cross_entropy/backward", "step").with("MIXED", u32::from(self.mixed)),
            &[io.dy(), p, labels, weights, dx, &control, other, share],
            self.params(n, k),
            grid_1d(n * k, WORKGROUP),
        )
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let logits = x[0];
        let k = logits.dims()[1];
        let mut loss = T::zero();
        let mut probabilities = Array::zeros(logits.shape.clone());
        for (n, row) in logits.data.chunks(k).enumerate() {
            let max = row.iter().copied().fold(T::neg_infinity(), T::max);
            let sum: T = row.iter().map(|&v| (v - max).exp()).sum();
            for (j, &v) in row.iter().enumerate() {
                probabilities.data[n * k + j] = (v - max).exp() / sum;
            }
            if n >= step.valid as usize {
                continue;
            }
            for (label, weight) in self.labels(x, n) {
                for (j, &v) in row.iter().enumerate() {
                    let log_probability = v - max - sum.ln();
                    loss = loss - weight * self.target::<T>(j, label, k) * log_probability;
                }
            }
        }
        let loss = loss / T::lit(f64::from(step.batch.max(1)));
        let shape = [1].into();
        let loss = Array {
            shape,
            data: vec![loss],
        };
        vec![loss, probabilities]
    }

    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        y: &[&Array<T>],
        dy: &Array<T>,
        step: &Step,
    ) -> Vec<Array<T>> {
        let probabilities = y[1];
        let k = probabilities.dims()[1];
        let mut dx = Array::zeros(probabilities.shape.clone());
        for n in 0..step.valid as usize {
            for (label, weight) in self.labels(x, n) {
                let scale = dy.data[0] * weight / T::lit(f64::from(step.batch.max(1)));
                for j in 0..k {
                    let i = n * k + j;
                    let target = self.target::<T>(j, label, k);
                    dx.data[i] = dx.data[i] + scale * (probabilities.data[i] - target);
                }
            }
        }
        vec![dx]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, n: usize, k: usize, label_smoothing, logits: Fill| {
        let op = SoftmaxCrossEntropy {
            label_smoothing,
            mixed: false,
        };
        let inputs = vec![
            (Spec::f32([n, k]), logits),
            (Spec::u32([n]), Fill::Integers(k as u32)),
            (Spec::f32([k]), Fill::Uniform(0.5, 2.0)),
        ];
        Case::new(name, op, inputs)
    };
    let mixed = |name, n: usize, k: usize, label_smoothing| {
        let op = SoftmaxCrossEntropy {
            label_smoothing,
            mixed: true,
        };
        let inputs = vec![
            (Spec::f32([n, k]), Fill::Normal(1.0)),
            (Spec::u32([n]), Fill::Integers(k as u32)),
            (Spec::f32([k]), Fill::Uniform(0.5, 2.0)),
            (Spec::u32([n]), Fill::Integers(k as u32)),
            (Spec::f32([n]), Fill::Uniform(0.5, 1.0)),
        ];
        Case::new(name, op, inputs)
    };
    vec![
        case("batch 1", 1, 10, 0.0, Fill::Normal(1.0)),
        case("one class", 3, 1, 0.0, Fill::Normal(1.0)),
        case("prime sizes, smoothed", 7, 11, 0.1, Fill::Normal(2.0)),
        case("more rows than lanes", 67, 3, 0.2, Fill::Normal(1.0)),
        case("partial batch", 5, 10, 0.1, Fill::Normal(1.0)).valid(3),
        case("second micro-batch", 3, 4, 0.1, Fill::Normal(1.0)).starting_at(2),
        case(
            "logits of 1e4 would overflow exp",
            4,
            5,
            0.0,
            Fill::Uniform(-1e4, 1e4),
        )
        .kinks(),
        mixed("two labels", 67, 3, 0.0),
        mixed("two labels, smoothed, partial batch", 7, 11, 0.1).valid(5),
        mixed("two labels, second micro-batch", 3, 4, 0.2).starting_at(2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.nn.functional.cross_entropy(logits, labels, weight, label_smoothing=0.1, reduction="none")` would weight the
    /// smoothing term by class; Keras weights whole samples. Checked against numbers worked out by hand.
    #[test]
    fn class_weights_multiply_whole_samples() {
        let logits = Array::<f64>::from_f32([2, 2], &[0.0, 0.0, 0.0, 3f32.ln()]);
        let labels = Array::from_f32([2], &[0.0, 1.0]);
        let weights = Array::from_f32([2], &[2.0, 3.0]);
        let op = SoftmaxCrossEntropy {
            label_smoothing: 0.2,
            mixed: false,
        };
        let y = op.forward_reference(&[&logits, &labels, &weights], &Step::full(2));
        // Row 0: p = 1/2, 1/2. Row 1: p = 1/4, 3/4; targets 0.1, 0.9.
        let row0 = 2f64.ln();
        let row1 = -(0.1 * 0.25f64.ln() + 0.9 * 0.75f64.ln());
        let expected = (2.0 * row0 + 3.0 * row1) / 2.0;
        assert!((y[0].data[0] - expected).abs() < 1e-7);
        assert!((y[1].data[3] - 0.75).abs() < 1e-7);
    }

    /// Linear in the target: a mixed loss is the mean of two plain ones.
    #[test]
    fn a_mixed_loss_is_a_mean_of_losses() {
        let logits = Array::<f64>::from_f32([1, 3], &[0.3, -1.0, 2.0]);
        let weights = Array::from_f32([3], &[2.0, 3.0, 0.5]);
        let step = Step::full(1);
        let plain = |label: f32| {
            let op = SoftmaxCrossEntropy {
                label_smoothing: 0.1,
                mixed: false,
            };
            let label = Array::from_f32([1], &[label]);
            op.forward_reference(&[&logits, &label, &weights], &step)[0].data[0]
        };
        let op = SoftmaxCrossEntropy {
            label_smoothing: 0.1,
            mixed: true,
        };
        let (a, b) = (Array::from_f32([1], &[0.0]), Array::from_f32([1], &[2.0]));
        let share = Array::from_f32([1], &[0.75]);
        let y = op.forward_reference(&[&logits, &a, &weights, &b, &share], &step);
        let expected = 0.75 * plain(0.0) + 0.25 * plain(2.0);
        assert!((y[0].data[0] - expected).abs() < 1e-12);
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let op = SoftmaxCrossEntropy::default();
        let message = |x: &[Spec]| op.output_specs(x).unwrap_err().to_string();
        let (logits, labels) = (Spec::f32([4, 10]), Spec::u32([4]));
        let text = message(&[logits.clone(), labels, Spec::f32([9])]);
        assert!(text.contains("class weights are 9"), "{text}");
        let text = message(&[logits, Spec::f32([4]), Spec::f32([10])]);
        assert!(text.contains("labels must be 4 u32"), "{text}");
    }
}
