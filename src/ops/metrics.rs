//! What an epoch is judged by, added up on the device: totals of loss and hits, and the table of predictions.

use super::util::WORKGROUP;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Real, Step, grid_1d, nested};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec};
use bytemuck::{Pod, Zeroable};

/// Adds a micro-batch to the epoch's totals.
///
/// Inputs: totals f32 `[4]`, which change; loss `[1]`, probabilities `[N,K]`, labels u32 `[N]`. The totals are
/// 0: sum of the samples' losses. A loss is already divided by [`Step::batch`], so it is multiplied back; a penalty scaled by
/// [`Step::share`] comes out once per sample. So `totals[0] / totals[2]` is the epoch's mean loss, batches of any size;
/// 1: samples whose most probable class (the first, in a tie) is the label; 2: real samples; 3: micro-batches.
/// A micro-batch that is all padding changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccumulateMetrics;

/// Registry line.
pub(super) const ACCUMULATE_ENTRY: Entry = Entry {
    name: "accumulate_metrics",
    cases: accumulate_cases,
    ladders: &[],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    samples: u32,
    columns: u32,
    table_rows: u32,
    pad: u32,
}

impl Op for AccumulateMetrics {
    fn name(&self) -> &'static str {
        "accumulate_metrics"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("accumulate_metrics", message));
        let [totals, loss, probabilities, labels] = x else {
            return error(format!(
                "takes totals, loss, probabilities and labels, got {} inputs",
                x.len()
            ));
        };
        if *totals != Spec::f32([4]) || *loss != Spec::f32([1]) {
            return error(format!(
                "totals are {}, loss is {}; they must be 4 f32 and 1 f32",
                totals.shape, loss.shape
            ));
        }
        let fits = match *probabilities.shape.dims() {
            [n, k] => k > 0 && probabilities.dtype == DType::F32 && *labels == Spec::u32([n]),
            _ => false,
        };
        if !fits {
            return error(format!(
                "probabilities are {}, labels {} of {:?}; they must be [N,K] and N u32",
                probabilities.shape, labels.shape, labels.dtype
            ));
        }
        Ok(vec![])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let dims = io.x(2).dims();
        let iterations = nested([dims[0].div_ceil(64), dims[1]]);
        l.check_iterations("accumulate_metrics", iterations)?;
        let params = Params {
            samples: dims[0] as u32,
            columns: dims[1] as u32,
            table_rows: 0,
            pad: 0,
        };
        let control = l.control();
        let tensors = [io.x(0), io.x(1), io.x(2), io.x(3), &control];
        let kernel = kernel!("accumulate_metrics/accumulate", "step");
        l.dispatch(kernel, &tensors, params, [1, 1, 1])
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let (mut totals, loss, probabilities, labels) = (x[0].clone(), x[1], x[2], x[3]);
        let k = probabilities.dims()[1];
        let mut hits = 0;
        for n in 0..step.valid as usize {
            let row = &probabilities.data[n * k..(n + 1) * k];
            let best = (0..k).fold(0, |best, j| if row[j] > row[best] { j } else { best });
            hits += usize::from(best == labels.data[n].f64() as usize);
        }
        if step.valid > 0 {
            let count = |v: f64| T::lit(v);
            let added = [
                loss.data[0] * count(f64::from(step.batch)),
                count(hits as f64),
                count(f64::from(step.valid)),
                T::one(),
            ];
            for (total, v) in totals.data.iter_mut().zip(added) {
                *total = *total + v;
            }
        }
        vec![totals]
    }
}

/// `table[cursor + i] = rows[i]` for the real samples: the predictions of an evaluation pass, in its order.
///
/// Inputs: table f32 `[M,K]`, which changes; rows `[N,K]`. Rows beyond the table's end are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreRows;

/// Registry line.
pub(super) const STORE_ENTRY: Entry = Entry {
    name: "store_rows",
    cases: store_cases,
    ladders: &[],
};

impl Op for StoreRows {
    fn name(&self) -> &'static str {
        "store_rows"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("store_rows", message));
        let [table, rows] = x else {
            return error(format!("takes table and rows, got {} inputs", x.len()));
        };
        let (&[_, columns], &[_, k]) = (table.shape.dims(), rows.shape.dims()) else {
            return error(format!(
                "table is {}, rows are {}; they must be [M,K] and [N,K]",
                table.shape, rows.shape
            ));
        };
        if columns != k || k == 0 || [table, rows].iter().any(|s| s.dtype != DType::F32) {
            return error(format!(
                "table is {}, rows are {}; both must be f32 with the same number of columns",
                table.shape, rows.shape
            ));
        }
        Ok(vec![])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let (table, rows) = (io.x(0), io.x(1));
        let params = Params {
            samples: rows.dims()[0] as u32,
            columns: rows.dims()[1] as u32,
            table_rows: table.dims()[0] as u32,
            pad: 0,
        };
        let control = l.control();
        let grid = grid_1d(rows.numel(), WORKGROUP);
        let tensors = [table, rows, &control];
        l.dispatch(kernel!("store_rows/store", "step"), &tensors, params, grid)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let mut table = x[0].clone();
        let k = table.dims()[1];
        let start = step.cursor as usize * k;
        let real = x[1].data.iter().take(step.valid as usize * k);
        for (t, &v) in table.data.iter_mut().skip(start).zip(real) {
            *t = v;
        }
        vec![table]
    }
}

fn accumulate_cases() -> Vec<Case> {
    let case = |name, n: usize, k: usize, probabilities: Fill| {
        let inputs = vec![
            (Spec::f32([4]), Fill::Uniform(0.0, 10.0)),
            (Spec::f32([1]), Fill::Uniform(0.0, 3.0)),
            (Spec::f32([n, k]), probabilities),
            (Spec::u32([n]), Fill::Integers(k as u32)),
        ];
        // The op's step takes its sample count from the first input, which is not a batch here.
        Case::new(name, AccumulateMetrics, inputs).valid(n)
    };
    vec![
        case("one sample", 1, 3, Fill::Uniform(0.0, 1.0)),
        case("more rows than lanes", 131, 3, Fill::Uniform(0.0, 1.0)),
        case("ties", 67, 5, Fill::Ties),
        case("partial batch", 9, 2, Fill::Uniform(0.0, 1.0)).valid(5),
        case("second micro-batch", 5, 3, Fill::Uniform(0.0, 1.0)).starting_at(6),
        case("all padding", 4, 2, Fill::Uniform(0.0, 1.0)).valid(0),
    ]
}

fn store_cases() -> Vec<Case> {
    let case = |name, m: usize, n: usize, k: usize| {
        let inputs = vec![
            (Spec::f32([m, k]), Fill::Normal(1.0)),
            (Spec::f32([n, k]), Fill::Normal(1.0)),
        ];
        Case::new(name, StoreRows, inputs).valid(n)
    };
    vec![
        case("one row", 1, 1, 1),
        case("prime sizes", 13, 7, 11),
        case("a batch longer than the table", 3, 5, 10),
        case("partial batch", 9, 4, 3).valid(2),
        case("beyond the table's end", 9, 4, 3).starting_at(7),
    ]
}
