//! Adam over the flat parameter buffer, and the scale that clips gradients by their global norm.

use super::reduce::{Finish, partial_sums_of_squares, sum_of_squares};
use super::util::{Elementwise, WORKGROUP};
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Real, Step, grid_1d};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec};
use bytemuck::{Pod, Zeroable};

/// One step of Adam (Kingma & Ba 2015) in the form of Keras and of the end of the paper's section 2: epsilon is added to
/// `sqrt(v)` before any bias correction, which [`Step::alpha`] holds.
///
/// Inputs, all of one shape: parameters, gradients, first moments, second moments; and optionally a scale `[1]` that the
/// gradients are multiplied by (see [`GlobalNormScale`]). Changes parameters and both moments in place.
/// `m += (1 - beta1) (g - m)`, `v += (1 - beta2) (g^2 - v)`, `p -= lr * weight_decay * p + alpha * m / (sqrt(v) + epsilon)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Decay of the first moments.
    pub beta1: f32,
    /// Decay of the second moments.
    pub beta2: f32,
    /// Keeps the division finite.
    pub epsilon: f32,
    /// Decoupled weight decay (AdamW, Loshchilov & Hutter 2019); 0 for none.
    pub weight_decay: f32,
}

impl Default for Adam {
    /// Keras's defaults: 0.9, 0.999, 1e-7, no weight decay.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-7,
            weight_decay: 0.0,
        }
    }
}

impl Adam {
    /// The decimal that was meant: `1 - 0.999_f32` is 9.9998713e-4.
    fn decimal(beta: f32) -> f64 {
        beta.to_string().parse().unwrap_or(f64::from(beta))
    }

    /// `1 - beta`.
    fn rate(beta: f32) -> f32 {
        (1.0 - Self::decimal(beta)) as f32
    }

    /// The learning rate of step `t`, counted from 1, with the bias correction of both moments; Keras computes it like this:
    /// `alpha = lr * sqrt(1 - beta2^t) / (1 - beta1^t)`. It goes to the device as [`Step::alpha`].
    pub fn alpha(&self, lr: f64, t: u64) -> f64 {
        let power = |beta: f32| 1.0 - Self::decimal(beta).powf(t as f64);
        lr * power(self.beta2).sqrt() / power(self.beta1)
    }
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "adam",
    cases,
    ladders: &[],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    quads: u32,
    rate1: f32,
    rate2: f32,
    epsilon: f32,
    weight_decay: f32,
    pad: [u32; 3],
}

impl Op for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("adam", message));
        let ([p, g, m, v] | [p, g, m, v, _]) = x else {
            return error(format!(
                "takes parameters, gradients, two moments and perhaps a scale, got {} inputs",
                x.len()
            ));
        };
        if p.dtype != DType::F32 || [g, m, v].iter().any(|&t| t != p) {
            return error(format!(
                "parameters are {}, gradients {}, moments {} and {}; all must be f32 of one shape",
                p.shape, g.shape, m.shape, v.shape
            ));
        }
        if let Some(scale) = x.get(4)
            && *scale != Spec::f32([1])
        {
            return error(format!("scale is {}, not one f32", scale.shape));
        }
        let betas = [self.beta1, self.beta2];
        if betas.iter().any(|b| !(0.0..1.0).contains(b)) {
            return error(format!(
                "beta1 is {}, beta2 is {}; both must be in [0, 1)",
                self.beta1, self.beta2
            ));
        }
        Ok(vec![])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0, 2, 3]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let quads = io.x(0).numel().div_ceil(4);
        let params = Params {
            quads: quads as u32,
            rate1: Self::rate(self.beta1),
            rate2: Self::rate(self.beta2),
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            pad: [0; 3],
        };
        let scale = match io.x.get(4) {
            Some(Some(scale)) => scale.clone(),
            // Without clipping the scale is 1: a launch of a few microseconds instead of a second copy of the kernel.
            _ => {
                let one = l.workspace("scale of 1", Spec::f32([1]));
                let fill = Elementwise::new(1, 1.0);
                l.dispatch(kernel!("util/fill"), &[&one], fill, fill.grid())?;
                one
            }
        };
        let control = l.control();
        let tensors = [io.x(0), io.x(1), io.x(2), io.x(3), &scale, &control];
        let grid = grid_1d(quads, WORKGROUP);
        l.dispatch(kernel!("adam/update", "step"), &tensors, params, grid)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let real = |v: f32| T::lit(f64::from(v));
        let (rate1, rate2) = (real(Self::rate(self.beta1)), real(Self::rate(self.beta2)));
        let scale = x.get(4).map_or(T::one(), |s| s.data[0]);
        let (mut p, mut m, mut v) = (x[0].clone(), x[2].clone(), x[3].clone());
        for i in 0..p.data.len() {
            let g = scale * x[1].data[i];
            m.data[i] = m.data[i] + rate1 * (g - m.data[i]);
            v.data[i] = v.data[i] + rate2 * (g * g - v.data[i]);
            let decay = real(step.learning_rate) * real(self.weight_decay) * p.data[i];
            let move_by = real(step.alpha) * m.data[i] / (v.data[i].sqrt() + real(self.epsilon));
            p.data[i] = p.data[i] - decay - move_by;
        }
        vec![p, m, v]
    }
}

/// `scale = max_norm / max(norm, max_norm)` with `norm` the square root of the sum of all squared gradients: what TensorFlow's
/// `clip_by_global_norm` (Keras's `global_clipnorm`; Pascanu et al. 2013) multiplies every gradient by.
/// Input: the flat gradient buffer; the gaps between its tensors must hold 0. Output: `[1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GlobalNormScale {
    /// Largest norm that passes unchanged, above 0.
    pub max_norm: f32,
}

/// Registry line.
pub(super) const CLIP_ENTRY: Entry = Entry {
    name: "global_norm_scale",
    cases: clip_cases,
    ladders: &[],
};

impl Op for GlobalNormScale {
    fn name(&self) -> &'static str {
        "global_norm_scale"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("global_norm_scale", message));
        let [g] = x else {
            return error(format!("takes 1 input, got {}", x.len()));
        };
        if g.dtype != DType::F32 || g.numel() == 0 {
            return error(format!(
                "gradients are {} of {:?}, not a tensor of f32",
                g.shape, g.dtype
            ));
        }
        if !(self.max_norm.is_finite() && self.max_norm > 0.0) {
            return error(format!("max_norm is {}; it must be above 0", self.max_norm));
        }
        Ok(vec![Spec::f32([1])])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let partial = partial_sums_of_squares(io.x(0), l)?;
        let params = Finish::new(&partial, self.max_norm);
        let tensors = [&partial, io.y(0)];
        let kernel = kernel!("global_norm_scale/finish", "tree_sum");
        l.dispatch(kernel, &tensors, params, [1, 1, 1])
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        let limit = T::lit(f64::from(self.max_norm));
        let norm = sum_of_squares(x[0]).sqrt();
        vec![Array {
            shape: [1].into(),
            data: vec![limit / norm.max(limit)],
        }]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, adam: Adam, n: usize, clipped: bool| {
        let mut inputs = vec![
            (Spec::f32([n]), Fill::Normal(1.0)),
            (Spec::f32([n]), Fill::Normal(0.1)),
            (Spec::f32([n]), Fill::Normal(0.1)),
            (Spec::f32([n]), Fill::Uniform(0.0, 0.02)),
        ];
        if clipped {
            inputs.push((Spec::f32([1]), Fill::Uniform(0.2, 0.8)));
        }
        Case::new(name, adam, inputs)
    };
    let adam = Adam::default();
    let weight_decay = 0.1;
    vec![
        case("one element", adam, 1, false),
        case("prime size, scaled gradients", adam, 1009, true),
        case(
            "weight decay",
            Adam {
                weight_decay,
                ..adam
            },
            131,
            false,
        ),
    ]
}

fn clip_cases() -> Vec<Case> {
    let case = |name, max_norm, n: usize| {
        let op = GlobalNormScale { max_norm };
        Case::new(name, op, vec![(Spec::f32([n]), Fill::Normal(1.0))])
    };
    vec![
        case("one element", 0.01, 1),
        case("a norm that passes", 100.0, 131),
        case("a norm that is clipped, three workgroups", 1.0, 9001),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps of the algorithm as the paper prints it (Algorithm 1, bias-corrected moments): for a tiny epsilon the
    /// two forms are the same.
    #[test]
    fn bias_correction_matches_the_paper() {
        let adam = Adam {
            epsilon: 1e-30,
            ..Adam::default()
        };
        let (b1, b2, lr) = (0.9_f64, 0.999_f64, 0.01_f64);
        let (mut p, mut m, mut v) = (1.0_f64, 0.0_f64, 0.0_f64);
        let one = |x: f64| Array {
            shape: [1].into(),
            data: vec![x],
        };
        let mut state = [one(1.0), one(0.0), one(0.0)];
        for (t, g) in [(1, 0.5), (2, -2.0), (3, 0.1)] {
            m = b1 * m + (1.0 - b1) * g;
            v = b2 * v + (1.0 - b2) * g * g;
            let (m_hat, v_hat) = (m / (1.0 - b1.powi(t)), v / (1.0 - b2.powi(t)));
            p -= lr * m_hat / v_hat.sqrt();
            let step = Step {
                alpha: (lr * (1.0 - b2.powi(t)).sqrt() / (1.0 - b1.powi(t))) as f32,
                ..Step::full(1)
            };
            let x = [&state[0], &one(g), &state[1], &state[2]];
            state = adam
                .forward_reference(&x, &step)
                .try_into()
                .unwrap_or_else(|_| unreachable!("three tensors change"));
        }
        assert!((state[0].data[0] - p).abs() < 1e-8);
    }

    #[test]
    fn rates_are_those_of_the_decimals() {
        assert_eq!(Adam::rate(0.999), 0.001);
        assert_eq!(Adam::rate(0.9), 0.1);
    }
}
