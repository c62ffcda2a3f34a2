//! A step in parts: a micro-batch computed, what it gives read back, and the micro-batches of all ranks added up.

use super::{Session, StepInputs};
use crate::error::{Error, Result};
use crate::gpu::session::transfer::mapped;
use crate::ops::Step;
use crate::plan::{Place, STAGING_CHUNK};
use std::sync::mpsc;

impl Session<'_> {
    /// Compute one micro-batch of `program`, without adding it to anything (see [`crate::tape::Tape::sum_apart`]). Does not wait
    /// for it.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_apart(&mut self, program: usize, batch: &StepInputs) -> Result<()> {
        let own = self.programs[program].own.clone();
        self.submit_some(program, std::slice::from_ref(batch), false, &[own])
    }

    /// Add one micro-batch, whose bytes lie in `places`, to those before it. The `first` one of a step finds no sum of gradients,
    /// and after the `last` one comes the update.
    ///
    /// # Errors
    /// When the device fails.
    pub fn add(
        &mut self,
        program: usize,
        step: Step,
        places: &[Place],
        bytes: &[u8],
        [first, last]: [bool; 2],
    ) -> Result<()> {
        let mut rest = bytes;
        for &place in places {
            let (now, later) = rest
                .split_at_checked(place.bytes as usize)
                .ok_or_else(|| Error::usage("a micro-batch's share is shorter than planned"))?;
            self.write(place, now)?;
            rest = later;
        }
        let p = &self.programs[program];
        let mut ranges = vec![p.sums.clone()];
        if last {
            ranges.push(p.update.clone());
        }
        let data = Vec::new();
        self.submit_some(program, &[StepInputs { step, data }], first, &ranges)
    }

    /// Append the bytes at `places` to `bytes`: as few trips to the device as the readback buffer allows.
    ///
    /// # Errors
    /// When the device fails.
    pub fn read_into(&mut self, places: &[Place], bytes: &mut Vec<u8>) -> Result<()> {
        // (place, offset in it, bytes): pieces that together fill the readback buffer.
        let mut trip: Vec<(Place, u64, u64)> = Vec::new();
        let mut filled = 0;
        for &place in places {
            let mut at = 0;
            while at < place.bytes {
                let size = (place.bytes - at).min(STAGING_CHUNK - filled);
                trip.push((place, at, size));
                at += size;
                filled += size.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
                if filled == STAGING_CHUNK {
                    self.read_pieces(&trip, bytes)?;
                    trip.clear();
                    filled = 0;
                }
            }
        }
        if trip.is_empty() {
            return Ok(());
        }
        self.read_pieces(&trip, bytes)
    }

    fn read_pieces(&mut self, pieces: &[(Place, u64, u64)], bytes: &mut Vec<u8>) -> Result<()> {
        let aligned = |size: u64| size.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
        let target = self.buffers.get(self.readback).clone();
        let mut encoder = self.encoder();
        let mut end = 0;
        for &(place, at, size) in pieces {
            let source = self.buffers.get(place.buffer);
            encoder.copy_buffer_to_buffer(source, place.offset + at, &target, end, aligned(size));
            end += aligned(size);
        }
        self.submit(encoder, None)?;
        let slice = target.slice(..end);
        let (sender, receiver) = mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |r| drop(sender.send(r)));
        self.gpu.wait(None)?;
        mapped(self.gpu, &receiver)?;
        let view = slice
            .get_mapped_range()
            .map_err(|e| Error::device(format!("reading back failed: {e}")))
            .map_err(|e| self.gpu.explain(e))?;
        let mut from = 0;
        for &(.., size) in pieces {
            bytes.extend_from_slice(&view[from as usize..(from + size) as usize]);
            from += aligned(size);
        }
        drop(view);
        target.unmap();
        Ok(())
    }
}
