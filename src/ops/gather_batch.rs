//! The batch, picked from a data set that lies on the device.

use super::augment::partner;
use super::util::WORKGROUP;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Real, Step};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec};
use bytemuck::{Pod, Zeroable};

/// `x[i] = dataset[order[cursor + i]]`, and the labels likewise; [`Step::cursor`] walks through the epoch's order.
///
/// Inputs: dataset f32 `[M,R,F]`, labels u32 `[M]`, order u32 of any length. Outputs: x `[N,1,R,F]`, labels u32 `[N]`.
/// Padding samples repeat the batch's first one, so that they are finite. Indices beyond an end are taken for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatherBatch {
    /// Samples in a batch, N.
    pub n: usize,
    /// Not the samples themselves but those of the batch that mixup adds to each: see [`super::augment::partner`].
    pub partners: bool,
}

/// Registry line.
pub(super) const ENTRY: Entry = Entry {
    name: "gather_batch",
    cases,
    ladders: &[],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    samples: u32,
    per_sample: u32,
    dataset: u32,
    order: u32,
}

impl Op for GatherBatch {
    fn name(&self) -> &'static str {
        "gather_batch"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("gather_batch", message));
        let too_large = |message: String| Err(Error::too_large("gather_batch", message));
        let [dataset, labels, order] = x else {
            return error(format!(
                "takes dataset, labels and order, got {} inputs",
                x.len()
            ));
        };
        let &[m, r, f] = dataset.shape.dims() else {
            return error(format!("dataset is {}, not [M,R,F]", dataset.shape));
        };
        if dataset.dtype != DType::F32 || dataset.numel() == 0 {
            return error(format!(
                "dataset is {} of {:?}; it must be f32 and not empty",
                dataset.shape, dataset.dtype
            ));
        }
        if *labels != Spec::u32([m]) {
            return error(format!(
                "labels must be {m} u32 (one per sample), got {} of {:?}",
                labels.shape, labels.dtype
            ));
        }
        if order.dtype != DType::U32 || order.shape.rank() != 1 || order.numel() == 0 {
            return error(format!(
                "order is {} of {:?}; it must be a list of u32",
                order.shape, order.dtype
            ));
        }
        if !(1..=65_535).contains(&self.n) {
            return too_large(format!(
                "a batch of {} can't be launched; it has 1 to 65,535 samples",
                self.n
            ));
        }
        if (r * f).div_ceil(WORKGROUP) > 65_535 {
            return too_large(format!("a sample of {r}x{f} is too large to launch"));
        }
        Ok(vec![Spec::f32([self.n, 1, r, f]), Spec::u32([self.n])])
    }

    fn differentiable(&self) -> &'static [usize] {
        &[]
    }

    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let per_sample = io.x(0).numel() / io.x(0).dims()[0];
        let params = Params {
            samples: self.n as u32,
            per_sample: per_sample as u32,
            dataset: io.x(0).dims()[0] as u32,
            order: io.x(2).numel() as u32,
        };
        let control = l.control();
        let tensors = [io.x(0), io.x(1), io.x(2), io.y(0), io.y(1), &control];
        let grid = [per_sample.div_ceil(WORKGROUP) as u32, self.n as u32, 1];
        let kernel = kernel!("gather_batch/gather", "step", "threefry", "partner")
            .with("PARTNERS", u32::from(self.partners));
        l.dispatch(kernel, &tensors, params, grid)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let (dataset, labels, order) = (x[0], x[1], x[2]);
        let (m, r, f) = (dataset.dims()[0], dataset.dims()[1], dataset.dims()[2]);
        let mut batch = Array::zeros([self.n, 1, r, f]);
        let mut y = Array::zeros([self.n]);
        for (i, sample) in batch.data.chunks_mut(r * f).enumerate() {
            let real = if i < step.valid as usize { i } else { 0 };
            let in_batch = step.sample_offset + real as u32;
            let real = if self.partners {
                // The batch begins before this micro-batch.
                i64::from(partner(in_batch, step)) - i64::from(step.sample_offset)
            } else {
                real as i64
            };
            let position = (i64::from(step.cursor) + real) as usize;
            let position = position.min(order.data.len() - 1);
            let index = (order.data[position].f64() as usize).min(m - 1);
            sample.copy_from_slice(&dataset.data[index * r * f..(index + 1) * r * f]);
            y.data[i] = labels.data[index];
        }
        vec![batch, y]
    }
}

fn cases() -> Vec<Case> {
    let case = |name, n, [m, r, f]: [usize; 3], order: usize, partners| {
        let inputs = vec![
            (Spec::f32([m, r, f]), Fill::Normal(1.0)),
            (Spec::u32([m]), Fill::Integers(10)),
            // Some numbers beyond the last sample, which must stay inside.
            (Spec::u32([order]), Fill::Integers(m as u32 + 2)),
        ];
        Case::new(name, GatherBatch { n, partners }, inputs)
    };
    vec![
        case("one sample", 1, [1, 1, 1], 1, false),
        case("prime sizes", 3, [7, 5, 13], 7, false),
        case("a batch longer than the order", 5, [4, 11, 7], 3, false),
        case("partial batch", 4, [6, 3, 5], 6, false).valid(2),
        case("the end of the order", 4, [9, 3, 5], 11, false)
            .starting_at(7)
            .valid(3),
        case("partner of the only sample", 1, [3, 1, 1], 2, true),
        case("partners", 5, [7, 5, 13], 5, true),
        case("partners, partial batch", 4, [6, 3, 5], 6, true).valid(2),
        case("partners of a later micro-batch", 4, [9, 3, 5], 11, true).starting_at(7),
    ]
}
