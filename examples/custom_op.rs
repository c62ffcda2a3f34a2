//! An op of your own, from outside the crate: kernels in WGSL, forward and backward, checked against finite differences, then
//! recorded on a tape and trained: `cargo run --release --example custom_op`.

use gtzan_gpu::ops::{Array, Case, Dense, Entry, Fill, Io, Kernel, Lowering, Op, Real, Saved};
use gtzan_gpu::ops::{Step, grid_1d, register};
use gtzan_gpu::tape::{Init, Tape};
use gtzan_gpu::tensor::{Spec, Tensor};
use gtzan_gpu::{Classifier, Gpu, Learning, Mode, Result, gradcheck, wgsl};

/// `y = x * x`, of any shape.
#[derive(Debug)]
struct Square;

/// What the gradient check tries it on.
fn cases() -> Vec<Case> {
    let case = |name, x| Case::new(name, Square, vec![(Spec::f32(x), Fill::Normal(1.0))]);
    vec![case("one", [1, 1]), case("odd sizes", [3, 67])]
}

/// Launch a kernel with one invocation per element of the last tensor.
fn launch(kernel: Kernel, tensors: &[&Tensor], l: &mut Lowering) -> Result<()> {
    let n = tensors[tensors.len() - 1].numel();
    l.dispatch(kernel, tensors, [n as u32, 0, 0, 0], grid_1d(n, 64))
}

impl Op for Square {
    fn name(&self) -> &'static str {
        "square"
    }
    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![x[0].clone()])
    }
    fn differentiable(&self) -> &'static [usize] {
        &[0]
    }
    fn saved(&self) -> Saved {
        Saved::inputs(&[0])
    }
    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        launch(wgsl!("square/forward"), &[io.x(0), io.y(0)], l)
    }
    fn backward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let tensors = [io.x(0), io.dy(), io.wanted(0)];
        launch(wgsl!("square/backward"), &tensors, l)
    }
    fn forward_reference<T: Real>(&self, x: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        vec![x[0].map(|x| x * x)]
    }
    fn backward_reference<T: Real>(
        &self,
        x: &[&Array<T>],
        _: &[&Array<T>],
        dy: &Array<T>,
        _: &Step,
    ) -> Vec<Array<T>> {
        vec![x[0].zip(dy, |x, dy| T::lit(2.0) * x * dy)]
    }
}

/// Linear, squared, linear: a conic section between two classes.
fn network(tape: &mut Tape, x: &Tensor, _: Mode) -> Result<Tensor> {
    let dense = |tape: &mut Tape, x: &Tensor, name: &str, [fan_in, fan_out]: [usize; 2]| {
        let init = Init::GlorotUniform { fan_in, fan_out };
        let w = tape.parameter(&format!("{name}.weight"), [fan_out, fan_in], init);
        let b = tape.parameter(&format!("{name}.bias"), [fan_out], Init::Constant(0.0));
        tape.apply(Dense { relu: false }, &[x, &w, &b])
    };
    let hidden = dense(tape, x, "fc1", [2, 8])?;
    let squares = tape.apply(Square, &[&hidden])?;
    dense(tape, &squares, "fc2", [8, 2])
}

/// Check and train; returns the accuracy on points that were not trained on.
pub fn learn() -> Result<f64> {
    let gpu = Gpu::open(&Default::default())?;
    register(Entry::new("square", cases))?;
    let checked = gradcheck::run(Some("square"), Some(&gpu), gradcheck::Scope::Every, |row| {
        println!("{} of '{}': {:?}", row.tensor, row.case, row.gpu_error);
    })?;
    assert!(checked.rows.iter().all(|row| row.ok), "a wrong kernel");

    // Points of a grid, and whether they lie within the unit circle; every third is kept for the test.
    let place = |i: usize| i as f32 * 0.14 - 1.33;
    let points = (0..400).map(|i| [place(i % 20), place(i / 20)]);
    let (test, train): (Vec<_>, Vec<_>) = points.enumerate().partition(|(i, _)| i % 3 == 0);
    let x = |of: &[(usize, [f32; 2])]| of.iter().flat_map(|p| p.1).collect::<Vec<f32>>();
    let inside = |p: &(usize, [f32; 2])| u32::from(p.1[0].hypot(p.1[1]) < 1.0);
    let y = |of: &[(usize, [f32; 2])]| of.iter().map(inside).collect::<Vec<u32>>();

    let mut ring = Classifier::new(&gpu, &network, [2], 2, Learning::at(2e-2))?;
    let losses = ring.fit(&x(&train), &y(&train), 60)?;
    println!("loss {:.3} to {:.3}", losses[0], losses[59]);
    Ok(ring.evaluate(&x(&test), &y(&test))?.accuracy)
}

pub fn main() -> Result<()> {
    println!("accuracy {:.3}", learn()?);
    Ok(())
}
