//! What a forward pass in reduced precision is judged by. Rounding decides which of two almost equal values is the largest, and on which side of
//! ReLU's kink a value lies. Either answer is as good as the other, but the gradient goes where the answer says. So such a pass is held to its
//! own answers: what it chose has to be as large as the largest, within what the rung may be off anyway; and the gradients have to be those of
//! what it chose, within what the rungs that compute them may be off.

use super::record::Setup;
use super::{Writer, relative_error, rounding, writers};
use crate::error::Result;
use crate::ops::{Array, Case, Fill, Pass};
use crate::plan::Schedule;
use crate::reference::Executor;

/// What the values of a run are compared with.
pub(super) struct Judged<'a> {
    pub case: &'a Case,
    pub setup: &'a Setup,
    /// The reference's values of all checked tensors.
    pub expected: &'a [Array<f64>],
    /// See [`Run::only`](super::Run::only).
    pub only: Option<&'static str>,
}

impl Judged<'_> {
    /// Of each tensor that is checked its index, its error and the rounding that it is granted. `reference` has run; its outputs and gradients may
    /// become those of the device's choices.
    pub fn compare(
        &self,
        s: &Schedule,
        got: &[Vec<f32>],
        reference: &mut Executor<f64>,
    ) -> Result<Vec<(usize, f64, f64)>> {
        let Self { case, setup, .. } = *self;
        let writers = writers(s)?;
        let reduced = reduced_outputs(setup, s, &writers, self.only);
        let errors = match reduced {
            true => errors(case, setup, reference, self.expected, got),
            false => {
                let pairs = got.iter().zip(self.expected);
                pairs.map(|(g, e)| relative_error(g, &e.data)).collect()
            }
        };
        let choices = exact(case).then(|| named_by(case, setup, self.expected));
        let mut all = Vec::new();
        for (i, error) in errors.into_iter().enumerate() {
            let only = if reduced { None } else { self.only };
            let rounding = rounding(&writers, s.root(&setup.checked[i].1), only);
            let exact = |rounding| {
                if choices == Some(Some(i)) {
                    1.0
                } else {
                    rounding
                }
            };
            all.extend(rounding.map(|r| (i, error, exact(r))));
        }
        Ok(all)
    }
}

/// Whether the outputs of a run are those of the ladder `only`, in reduced precision: then everything is checked, gradients against those of the
/// outputs that the device found.
pub(super) fn reduced_outputs(
    setup: &Setup,
    s: &Schedule,
    writers: &[Writer],
    only: Option<&'static str>,
) -> bool {
    let y = setup.checked.iter().find(|(name, _)| name == "y");
    y.is_some_and(|(_, y)| {
        let own = writers.iter().filter(|w| w.root == s.root(y));
        only.is_some() && own.map(|w| w.family).any(|family| family == only)
    })
}

/// Where a case's outputs and gradients are among its checked tensors.
fn places(setup: &Setup, first: char) -> Vec<usize> {
    let named = |i: &usize| setup.checked[*i].0.starts_with(first);
    (0..setup.checked.len()).filter(named).collect()
}

/// Which of the checked tensors names choices, if `outputs`, values of all of them, are what the op's are.
pub(super) fn named_by(case: &Case, setup: &Setup, outputs: &[Array<f64>]) -> Option<usize> {
    let at = *places(setup, 'y').get(1)?;
    chosen(case, setup, outputs).map(|_| at)
}

/// Whether exact ties decide a case. Its values are few and small, so that f16 holds them all, and sums of their products are exact: then there
/// is one answer in any precision.
pub(super) fn exact(case: &Case) -> bool {
    case.inputs.iter().any(|i| i.fill == Fill::Ties)
}

/// What output 0 would be by the choices among `all`, the values of the checked tensors.
fn chosen(case: &Case, setup: &Setup, all: &[Array<f64>]) -> Option<Array<f64>> {
    let inputs = setup.inputs.iter().zip(&case.inputs);
    let x = inputs.map(|((t, values), _)| Array::from_f32(t.shape().clone(), values));
    let x: Vec<Array<f64>> = x.collect();
    let x: Vec<&Array<f64>> = x.iter().collect();
    let y: Vec<&Array<f64>> = places(setup, 'y').iter().map(|&i| &all[i]).collect();
    case.op.chosen(&x, &y)
}

/// The error of each checked tensor of a run whose outputs are in reduced precision, `got` beside the reference's `expected`. `reference` has run;
/// its outputs and gradients become those of `got`'s choices.
fn errors(
    case: &Case,
    setup: &Setup,
    reference: &mut Executor<f64>,
    expected: &[Array<f64>],
    got: &[Vec<f32>],
) -> Vec<f64> {
    let pairs = got.iter().zip(expected);
    let mut errors: Vec<f64> = pairs.map(|(g, e)| relative_error(g, &e.data)).collect();
    let outputs = places(setup, 'y');
    let tensors = setup.checked.iter().zip(got);
    let all = tensors.map(|((_, t), got)| Array::from_f32(t.shape().clone(), got));
    let all: Vec<Array<f64>> = all.collect();
    let mut sound = true;
    if let Some(by_choice) = chosen(case, setup, &all) {
        let error = relative_error(&by_choice.data, &expected[outputs[0]].data);
        sound = error.is_finite();
        if !exact(case) {
            errors[outputs[1]] = error;
        }
    }
    for &i in &outputs {
        reference.set(&setup.checked[i].1, &got[i]);
    }
    // Backward reads what it finds there; of something that is no choice the reference has no gradient.
    if sound {
        let nodes = setup.tape.nodes().iter();
        for node in nodes.filter(|n| n.pass == Pass::Backward) {
            reference.run_node(node, &setup.step);
        }
    }
    for i in places(setup, 'd') {
        let of_choices = reference.get(&setup.checked[i].1);
        errors[i] = match sound {
            true => relative_error(&got[i], &of_choices.data),
            false => f64::INFINITY,
        };
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::super::record::record;
    use super::*;
    use crate::ops::{Conv2d, Epilogue, HALF_ROUNDING, Op, Padding, registry};

    /// A pooling convolution's case, and the greatest error that a rung in f16 may have.
    fn pooling() -> (Case, f64) {
        let entry = registry().into_iter().find(|e| e.name == "conv2d");
        let cases = (entry.expect("an op").cases)();
        let mut cases = cases.into_iter();
        let case = cases.find(|c| c.name == "larger, pool").expect("a case");
        let tolerance = case.op.tolerance() * HALF_ROUNDING;
        (case, tolerance)
    }

    /// The errors of y, argmax and the gradients when a device finds what the reference does, but `edit` changes y and argmax.
    fn errors_after(case: &Case, edit: impl FnOnce(&mut [f32], &mut [f32])) -> Vec<(String, f64)> {
        let setup = record(case).expect("it fits");
        let mut reference = Executor::<f64>::new(&setup.tape);
        for (tensor, values) in &setup.inputs {
            reference.set(tensor, values);
        }
        reference.run(&setup.step);
        let of = |(_, t): &(String, crate::tensor::Tensor)| reference.get(t).clone();
        let expected: Vec<Array<f64>> = setup.checked.iter().map(of).collect();
        let single = |a: &Array<f64>| a.data.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let mut got: Vec<Vec<f32>> = expected.iter().map(single).collect();
        let names: Vec<&str> = setup.checked.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names[..2], ["y", "y1"]);
        let (y, rest) = got.split_at_mut(1);
        edit(&mut y[0], &mut rest[0]);
        let errors = errors(case, &setup, &mut reference, &expected, &got);
        let names = names.iter().map(|n| (*n).to_owned());
        names.zip(errors).collect()
    }

    fn error(all: &[(String, f64)], name: &str) -> f64 {
        all.iter().find(|(n, _)| n == name).expect(name).1
    }

    /// The sums of every window, from largest to smallest with their places, by a convolution that doesn't pool.
    fn windows(case: &Case) -> Vec<Vec<(f64, usize)>> {
        let setup = record(case).expect("it fits");
        let inputs = setup.inputs.iter();
        let x = inputs.map(|(t, values)| Array::<f64>::from_f32(t.shape().clone(), values));
        let x: Vec<_> = x.collect();
        let op = Conv2d {
            stride: [1, 1],
            padding: Padding::Same,
            epilogue: Epilogue::None,
        };
        let z = op.forward_reference(&[&x[0], &x[1], &x[2]], &setup.step);
        let &[n, k, h, w] = z[0].shape.dims() else {
            panic!("planes");
        };
        let [ph, pw] = [h / 2, w / 2];
        let window = |at: usize| {
            let (plane, i, j) = (at / (ph * pw), at / pw % ph, at % pw);
            let sum = |q: usize| z[0].data[(plane * h + 2 * i + q / 2) * w + 2 * j + q % 2];
            let mut window: Vec<(f64, usize)> = (0..4).map(|q| (sum(q), q)).collect();
            window.sort_by(|a, b| b.0.total_cmp(&a.0));
            window
        };
        (0..n * k * ph * pw).map(window).collect()
    }

    #[test]
    fn what_the_reference_chose_has_no_error() {
        let (case, _) = pooling();
        for (name, error) in errors_after(&case, |_, _| {}) {
            assert!(error < 1e-6, "{name}: {error}");
        }
    }

    /// A near-tie within the rounding may go either way; one element further down the window may not, and neither may a dead one.
    #[test]
    fn only_near_ties_may_be_chosen_otherwise() {
        let (case, tolerance) = pooling();
        let mut scale = 0.0f32;
        errors_after(&case, |y, _| scale = y.iter().fold(0.0, |m, &v| m.max(v)));
        let scale = f64::from(scale);
        let (mut near, mut clear) = (0, 0);
        for (at, window) in windows(&case).into_iter().enumerate() {
            let below = (window[0].0 - window[1].0) / scale;
            let inside = window[1].0 > 0.0 && below <= 0.9 * tolerance;
            let outside = window[0].0 > 0.0 && below >= 1.1 * tolerance;
            if !(inside && near < 3 || outside && clear < 3) {
                continue;
            }
            let found = errors_after(&case, |_, argmax| argmax[at] = window[1].1 as f32);
            // With argmax, the gradients go where it says: what the device computed from the reference's is no longer theirs.
            assert!(error(&found, "d0") > 1e-3, "{at}: {found:?}");
            let off = error(&found, "y1");
            assert!((off - below).abs() < 1e-6, "{at}: {off} {below}");
            assert_eq!(off <= tolerance, inside, "{at}: {off}");
            near += usize::from(inside);
            clear += usize::from(outside);
        }
        assert!(near > 0 && clear == 3, "{near} near-ties, {clear} others");
    }

    #[test]
    fn a_code_that_names_nothing_or_contradicts_y_is_no_choice() {
        let (case, tolerance) = pooling();
        let refused = |edit: fn(&mut [f32], &mut [f32])| {
            let found = errors_after(&case, edit);
            error(&found, "y1") > tolerance && error(&found, "d0").is_infinite()
        };
        assert!(refused(|_, argmax| argmax[5] = 4.0));
        assert!(refused(|_, argmax| argmax[5] = 254.0));
        // 255 where y is not 0, and a place where it is.
        assert!(refused(|y, argmax| {
            let at = y.iter().position(|&v| v > 0.0).expect("one passes");
            argmax[at] = 255.0;
        }));
        assert!(refused(|y, argmax| {
            let at = y.iter().position(|&v| v == 0.0).expect("one does not");
            argmax[at] = 2.0;
        }));
    }
}
