//! Times of single dispatches: by the device's own clock where it has one, by the wall clock elsewhere.
//!
//! A device clock is read by timestamp queries between the dispatches of one pass, so nothing else changes. Without one each
//! dispatch is submitted alone and awaited, which adds the cost of a submission (some 50 us) to every figure.
//!
//! The query sets and the two buffers that their values are read through exist as long as their [`Stopwatch`]. They hold 16
//! bytes per dispatch and are no part of a training plan: nobody profiles while training.

use super::session::mapped;
use super::{Gpu, Session, StepInputs};
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::mpsc;
use std::time::Instant;

/// What measured a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Timestamps written by the device.
    Timestamps,
    /// The host's clock around a submission of its own.
    Wall,
}

impl Clock {
    /// `timestamps` or `wall`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamps => "timestamps",
            Self::Wall => "wall",
        }
    }
}

/// When something ran, in milliseconds from the start of the measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Start.
    pub start_ms: f64,
    /// Duration.
    pub ms: f64,
}

/// Times of a step's dispatches.
#[derive(Debug, Clone)]
pub struct Timings {
    /// What measured the dispatches.
    pub clock: Clock,
    /// Median time of every dispatch of the program, summed over the micro-batches of a step.
    pub dispatch_ms: Vec<f64>,
    /// Median wall-clock time of the whole step, submitted as in training.
    pub step_ms: f64,
    /// One of the measured steps: (dispatch, when it ran), in order. Micro-batches repeat dispatches.
    pub spans: Vec<(usize, Span)>,
}

impl Timings {
    /// Time that the dispatches account for.
    pub fn busy_ms(&self) -> f64 {
        self.dispatch_ms.iter().sum()
    }

    /// Time of a step outside all dispatches: recording, submitting, waiting between kernels. 0 where dispatches were timed
    /// apart and so took longer than in the step.
    pub fn gap_ms(&self) -> f64 {
        (self.step_ms - self.busy_ms()).max(0.0)
    }
}

/// The median of some times; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Bytes of one timestamp.
const STAMP: u64 = 8;

/// The means to time groups of dispatches on one device.
#[derive(Debug)]
pub struct Stopwatch {
    queries: Option<Queries>,
}

#[derive(Debug)]
struct Queries {
    sets: Vec<wgpu::QuerySet>,
    resolved: wgpu::Buffer,
    readback: wgpu::Buffer,
    /// Nanoseconds per tick.
    period: f64,
    capacity: usize,
}

impl Stopwatch {
    /// A stopwatch for up to `groups` groups at a time, by the device's clock where it has one.
    ///
    /// # Errors
    /// When the driver refuses the queries.
    pub fn new(gpu: &Gpu, groups: usize) -> Result<Self> {
        let queries = if gpu.has_timestamps() {
            Some(Queries::new(gpu, groups + 1)?)
        } else {
            None
        };
        Ok(Self { queries })
    }

    /// A stopwatch that uses the wall clock even where the device has its own.
    pub fn wall() -> Self {
        Self { queries: None }
    }

    /// What it measures with.
    pub fn clock(&self) -> Clock {
        match self.queries {
            Some(_) => Clock::Timestamps,
            None => Clock::Wall,
        }
    }
}

impl Queries {
    /// Room for `capacity` timestamps, in sets as large as WebGPU allows.
    fn new(gpu: &Gpu, capacity: usize) -> Result<Self> {
        let most = wgpu::QUERY_SET_MAX_QUERIES as usize;
        gpu.create("creating timestamp queries", || {
            let sets = (0..capacity.div_ceil(most)).map(|i| {
                gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("timestamps"),
                    ty: wgpu::QueryType::Timestamp,
                    count: (capacity - i * most).min(most) as u32,
                })
            });
            let buffer = |label, usage| {
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    size: capacity as u64 * STAMP,
                    usage,
                    mapped_at_creation: false,
                })
            };
            use wgpu::BufferUsages as U;
            Self {
                sets: sets.collect(),
                resolved: buffer("timestamps", U::QUERY_RESOLVE | U::COPY_SRC),
                readback: buffer("timestamp readback", U::MAP_READ | U::COPY_DST),
                period: f64::from(gpu.queue.get_timestamp_period()),
                capacity,
            }
        })
    }

    /// Write the `index`-th timestamp.
    fn stamp(&self, pass: &mut wgpu::ComputePass, index: usize) {
        let most = wgpu::QUERY_SET_MAX_QUERIES as usize;
        pass.write_timestamp(&self.sets[index / most], (index % most) as u32);
    }

    /// Copy the first `count` timestamps to where the host can read them.
    fn resolve(&self, encoder: &mut wgpu::CommandEncoder, count: usize) {
        let most = wgpu::QUERY_SET_MAX_QUERIES as usize;
        for (i, set) in self.sets.iter().enumerate().take(count.div_ceil(most)) {
            let here = (count - i * most).min(most) as u32;
            let offset = (i * most) as u64 * STAMP;
            encoder.resolve_query_set(set, 0..here, &self.resolved, offset);
        }
        let bytes = count as u64 * STAMP;
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readback, 0, bytes);
    }

    /// Milliseconds of the first `count` timestamps, from the first.
    fn read(&self, gpu: &Gpu, count: usize) -> Result<Vec<f64>> {
        let slice = self.readback.slice(..count as u64 * STAMP);
        let (sender, receiver) = mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |r| drop(sender.send(r)));
        gpu.wait(None)?;
        mapped(gpu, &receiver)?;
        let view = slice
            .get_mapped_range()
            .map_err(|e| Error::device(format!("reading timestamps failed: {e}")))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        self.readback.unmap();
        let first = ticks.first().copied().unwrap_or(0);
        let ms = |t: &u64| t.saturating_sub(first) as f64 * self.period / 1e6;
        Ok(ticks.iter().map(ms).collect())
    }
}

impl Session<'_> {
    /// Run `groups` of a program's dispatches, one after the other, and say when each ran. Waits for the device.
    ///
    /// # Errors
    /// When there are more groups than the stopwatch has room for, or the device fails.
    pub fn time(
        &mut self,
        stopwatch: &Stopwatch,
        program: usize,
        groups: &[Range<usize>],
    ) -> Result<Vec<Span>> {
        let Some(queries) = &stopwatch.queries else {
            return self.time_by_wall(program, groups);
        };
        if groups.len() >= queries.capacity {
            return Err(Error::usage(format!(
                "{} groups of dispatches are to be timed, the stopwatch has room for {}",
                groups.len(),
                queries.capacity - 1
            )));
        }
        let mut encoder = self.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            queries.stamp(&mut pass, 0);
            for (i, group) in groups.iter().enumerate() {
                self.programs[program].encode(&mut pass, group.clone());
                queries.stamp(&mut pass, i + 1);
            }
        }
        queries.resolve(&mut encoder, groups.len() + 1);
        self.submit(encoder, None)?;
        let stamps = queries.read(self.gpu, groups.len() + 1)?;
        let span = |pair: &[f64]| Span {
            start_ms: pair[0],
            ms: (pair[1] - pair[0]).max(0.0),
        };
        Ok(stamps.windows(2).map(span).collect())
    }

    fn time_by_wall(&mut self, program: usize, groups: &[Range<usize>]) -> Result<Vec<Span>> {
        self.wait()?;
        let start = Instant::now();
        let mut spans = Vec::with_capacity(groups.len());
        for group in groups {
            let begin = start.elapsed();
            let mut encoder = self.encoder();
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.programs[program].encode(&mut pass, group.clone());
            }
            self.submit(encoder, None)?;
            self.wait()?;
            spans.push(Span {
                start_ms: begin.as_secs_f64() * 1e3,
                ms: (start.elapsed() - begin).as_secs_f64() * 1e3,
            });
        }
        Ok(spans)
    }

    /// Time every dispatch of a step of `program` `repeats` times, and the whole step as often. The steps really happen, with
    /// one more before to warm up: weights, moments and statistics change as in training.
    ///
    /// # Errors
    /// When the device fails.
    pub fn profile(
        &mut self,
        program: usize,
        inputs: &[StepInputs],
        repeats: usize,
    ) -> Result<Timings> {
        let repeats = repeats.max(1);
        let (batch, update) = {
            let p = &self.programs[program];
            (p.batch.clone(), p.update.clone())
        };
        let singly = |range: &Range<usize>| range.clone().map(|d| d..d + 1).collect::<Vec<_>>();
        let stopwatch = Stopwatch::new(self.gpu, batch.len() + update.len())?;
        self.run(program, inputs)?;
        self.wait()?;

        let mut step_ms = Vec::with_capacity(repeats);
        let mut totals = vec![Vec::with_capacity(repeats); batch.len().max(update.end)];
        let mut spans = Vec::new();
        for _ in 0..repeats {
            let start = Instant::now();
            self.run(program, inputs)?;
            self.wait()?;
            step_ms.push(start.elapsed().as_secs_f64() * 1e3);

            spans.clear();
            let mut end = 0.0;
            for (i, input) in inputs.iter().enumerate() {
                self.write_buffer("control", bytemuck::bytes_of(&input.step))?;
                for (name, bytes) in &input.data {
                    self.write_buffer(&format!("input {name}"), bytes)?;
                }
                let mut groups = singly(&batch);
                if i + 1 == inputs.len() {
                    groups.extend(singly(&update));
                }
                let timed = self.time(&stopwatch, program, &groups)?;
                let from = end;
                for (group, span) in groups.iter().zip(timed) {
                    let start_ms = from + span.start_ms;
                    end = start_ms + span.ms;
                    spans.push((group.start, Span { start_ms, ..span }));
                }
            }
            let mut sums = vec![0.0; totals.len()];
            for (dispatch, span) in &spans {
                sums[*dispatch] += span.ms;
            }
            for (all, sum) in totals.iter_mut().zip(sums) {
                all.push(sum);
            }
        }
        Ok(Timings {
            clock: stopwatch.clock(),
            dispatch_ms: totals.iter().map(|t| median(t)).collect(),
            step_ms: median(&step_ms),
            spans,
        })
    }
}
