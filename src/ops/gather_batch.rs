//! The batch, picked from a data set that lies on the device.

use super::augment::{partner, time_shift};
use super::util::WORKGROUP;
use super::{Array, Case, Entry, Fill, Io, Lowering, Op, Real, Step};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Spec};
use bytemuck::{Pod, Zeroable};

/// `x[i] = dataset[order[cursor + i]]`, and the labels likewise; [`Step::cursor`] walks through the epoch's order.
///
/// Inputs: dataset f32 `[M,R,F]`, labels u32 `[M]`, order u32 of any length. Outputs: x `[N,1,R,F]`, labels u32 `[N]`.
/// With a shift one more: neighbours u32 `[M,2]`, the samples before and after each in its track, or itself where there is none.
/// Padding samples repeat the batch's first one, so that they are finite. Indices beyond an end are taken for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatherBatch {
    /// Samples in a batch, N.
    pub n: usize,
    /// Not the samples themselves but those of the batch that mixup adds to each: see [`super::augment::partner`].
    pub partners: bool,
    /// Each sample moves in time by up to this many frames to either side (see [`super::augment::time_shift`]): the end of the
    /// sample before it in its track moves in, or the beginning of the one after it. A track of one segment is a circle.
    /// What moves in has the features of its own segment, whose decibels are relative to its own loudest bin: where the loudness of
    /// a track changes there is a step that a cut from the sound would not have.
    pub shift: usize,
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
    frames: u32,
    shift: u32,
    pad: [u32; 2],
}

/// Sample number `sample` of `x` (samples of equal size, rows of `frames`) moved by `shift` frames to the right, to the left when
/// negative, at most `frames`; what moves in comes from its neighbours, before and after it. With bytes for elements, frames and shift
/// count bytes.
pub fn copy_moved<T: Copy>(
    to: &mut [T],
    x: &[T],
    sample: usize,
    neighbours: [usize; 2],
    frames: usize,
    shift: isize,
) {
    let size = to.len();
    let [own, before, after] =
        [sample, neighbours[0], neighbours[1]].map(|s| &x[s * size..(s + 1) * size]);
    let by = shift.unsigned_abs();
    let rows = own
        .chunks(frames)
        .zip(before.chunks(frames))
        .zip(after.chunks(frames));
    for (to, ((own, before), after)) in to.chunks_mut(frames).zip(rows) {
        if shift >= 0 {
            to[..by].copy_from_slice(&before[frames - by..]);
            to[by..].copy_from_slice(&own[..frames - by]);
        } else {
            to[..frames - by].copy_from_slice(&own[by..]);
            to[frames - by..].copy_from_slice(&after[..by]);
        }
    }
}

impl Op for GatherBatch {
    fn name(&self) -> &'static str {
        "gather_batch"
    }

    fn output_specs(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        let error = |message: String| Err(Error::shape("gather_batch", message));
        let too_large = |message: String| Err(Error::too_large("gather_batch", message));
        let (dataset, labels, order, neighbours) = match (x, self.shift) {
            ([dataset, labels, order], 0) => (dataset, labels, order, None),
            ([dataset, labels, order, neighbours], 1..) => {
                (dataset, labels, order, Some(neighbours))
            }
            _ => {
                return error(format!(
                    "takes dataset, labels, order, and neighbours under a shift, got {} inputs",
                    x.len()
                ));
            }
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
        if let Some(neighbours) = neighbours
            && *neighbours != Spec::u32([m, 2])
        {
            return error(format!(
                "neighbours must be {m} x 2 u32, got {} of {:?}",
                neighbours.shape, neighbours.dtype
            ));
        }
        // Random numbers below these are made of 16 bits.
        if self.shift > 0 && f > 65_535 {
            return too_large(format!(
                "samples of {f} frames are too long to move; 65,535 are possible"
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
        let &[m, rows, frames] = io.x(0).dims() else {
            return Err(Error::shape("gather_batch", "dataset is not [M,R,F]"));
        };
        let per_sample = rows * frames;
        let params = Params {
            samples: self.n as u32,
            per_sample: per_sample as u32,
            dataset: m as u32,
            order: io.x(2).numel() as u32,
            frames: frames as u32,
            shift: self.shift.min(frames) as u32,
            pad: [0; 2],
        };
        let moves = self.shift > 0;
        if !moves && per_sample.is_multiple_of(4) {
            let kernel = kernel!(
                "gather_batch/gather_quads",
                "step",
                "threefry",
                "partner",
                "gathered"
            )
            .with("PARTNERS", u32::from(self.partners));
            let [dataset, labels, order] = [0, 1, 2].map(|i| io.x(i));
            let tensors = [dataset, labels, order, io.y(0), io.y(1), &l.control()];
            let groups = (per_sample / 4).div_ceil(WORKGROUP);
            return l.dispatch(kernel, &tensors, params, [groups as u32, self.n as u32, 1]);
        }
        // Without a shift nothing reads the neighbours.
        let neighbours = if moves { io.x(3) } else { io.x(2) };
        let control = l.control();
        let tensors = [
            io.x(0),
            io.x(1),
            io.x(2),
            neighbours,
            io.y(0),
            io.y(1),
            &control,
        ];
        let grid = [per_sample.div_ceil(WORKGROUP) as u32, self.n as u32, 1];
        let kernel = kernel!(
            "gather_batch/gather",
            "step",
            "threefry",
            "partner",
            "gathered",
            "time_shift"
        )
        .with("PARTNERS", u32::from(self.partners))
        .with("SHIFT", u32::from(moves));
        l.dispatch(kernel, &tensors, params, grid)
    }

    fn forward_reference<T: Real>(&self, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
        let (dataset, labels, order) = (x[0], x[1], x[2]);
        let (m, r, f) = (dataset.dims()[0], dataset.dims()[1], dataset.dims()[2]);
        let mut batch = Array::zeros([self.n, 1, r, f]);
        let mut y = Array::zeros([self.n]);
        for (i, sample) in batch.data.chunks_mut(r * f).enumerate() {
            let real = if i < step.valid as usize { i } else { 0 };
            let mut in_batch = step.sample_offset + real as u32;
            if self.partners {
                in_batch = partner(in_batch, step);
            }
            // The batch begins before this micro-batch.
            let position = (step.cursor - step.sample_offset + in_batch) as usize;
            let position = position.min(order.data.len() - 1);
            let index = (order.data[position].f64() as usize).min(m - 1);
            let (shift, neighbours) = match x.get(3) {
                Some(neighbours) => (
                    time_shift(in_batch, step, self.shift, f),
                    [0, 1].map(|i| (neighbours.data[2 * index + i].f64() as usize).min(m - 1)),
                ),
                None => (0, [index; 2]),
            };
            copy_moved(sample, &dataset.data, index, neighbours, f, shift);
            y.data[i] = labels.data[index];
        }
        vec![batch, y]
    }
}

fn cases() -> Vec<Case> {
    let moving = |name, n, [m, r, f]: [usize; 3], order: usize, partners, shift| {
        let mut inputs = vec![
            (Spec::f32([m, r, f]), Fill::Normal(1.0)),
            (Spec::u32([m]), Fill::Integers(10)),
            // Some numbers beyond the last sample, which must stay inside.
            (Spec::u32([order]), Fill::Integers(m as u32 + 2)),
        ];
        if shift > 0 {
            inputs.push((Spec::u32([m, 2]), Fill::Integers(m as u32 + 2)));
        }
        let op = GatherBatch { n, partners, shift };
        Case::new(name, op, inputs)
    };
    let case = |name, n, set, order, partners| moving(name, n, set, order, partners, 0);
    vec![
        case("one sample", 1, [1, 1, 1], 1, false),
        case("prime sizes", 3, [7, 5, 13], 7, false),
        case("a batch longer than the order", 5, [4, 11, 7], 3, false),
        case("partial batch", 4, [6, 3, 5], 6, false).valid(2),
        case("the end of the order", 4, [9, 3, 5], 11, false)
            .starting_at(7)
            .valid(3),
        case("whole vec4s", 5, [7, 6, 50], 7, false),
        case("whole vec4s, the end of the order", 4, [9, 4, 3], 11, false)
            .starting_at(7)
            .valid(3),
        case(
            "whole vec4s, partners, partial batch",
            4,
            [6, 2, 6],
            6,
            true,
        )
        .valid(2),
        case("partner of the only sample", 1, [3, 1, 1], 2, true),
        case("partners", 5, [7, 5, 13], 5, true),
        case("partners, partial batch", 4, [6, 3, 5], 6, true).valid(2),
        case("partners of a later micro-batch", 4, [9, 3, 5], 11, true).starting_at(7),
        moving("one frame to move", 2, [3, 2, 1], 2, false, 4),
        moving("moved by a frame at most", 5, [7, 5, 13], 7, false, 1),
        moving("moved around the circle", 67, [7, 3, 12], 67, false, 99),
        moving("moved partners, partial batch", 4, [6, 3, 5], 6, true, 2).valid(2),
        moving("moved in a later micro-batch", 4, [9, 11, 7], 11, true, 3).starting_at(7),
    ]
}
