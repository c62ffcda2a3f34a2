//! Bytes to the device and back, through the upload ring and the readback buffer.

use super::Session;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::buffers::Buffers;
use crate::plan::{Place, STAGING_CHUNK, UPLOAD_RING};
use std::sync::mpsc;

/// One upload buffer of the ring.
#[derive(Debug)]
pub(super) struct Upload {
    pub buffer: usize,
    /// The submission that last read it; it is mapped again once that is done.
    pub pending: Option<wgpu::SubmissionIndex>,
    pub mapped: Option<mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>>,
}

impl Session<'_> {
    /// Write f32 or u32 values (as bytes) to a place.
    ///
    /// # Errors
    /// When the data is longer than the place, or the device fails.
    pub fn write(&mut self, place: Place, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > place.bytes {
            return Err(Error::usage(format!(
                "{} bytes don't fit a tensor of {}",
                bytes.len(),
                place.bytes
            )));
        }
        self.write_bytes(place.buffer, place.offset, bytes)
    }

    /// Write to a buffer by its planned name, from its start.
    ///
    /// # Errors
    /// When there is no such buffer, the data is longer than it, or the device fails.
    pub fn write_buffer(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let (buffer, size) = self.named(name)?;
        self.write(
            Place {
                buffer,
                offset: 0,
                bytes: size,
            },
            bytes,
        )
    }

    /// Read a whole buffer by its planned name.
    ///
    /// # Errors
    /// When there is no such buffer, or the device fails.
    pub fn read_buffer(&mut self, name: &str) -> Result<Vec<u8>> {
        let (buffer, bytes) = self.named(name)?;
        self.read(Place {
            buffer,
            offset: 0,
            bytes,
        })
    }

    /// Whether the plan has a buffer of this name.
    pub fn has_buffer(&self, name: &str) -> bool {
        self.plan.find(name).is_some()
    }

    pub(super) fn named(&self, name: &str) -> Result<(usize, u64)> {
        let index = self
            .plan
            .find(name)
            .ok_or_else(|| Error::usage(format!("the plan has no buffer '{name}'")))?;
        Ok((index, self.plan.buffers[index].bytes))
    }

    pub(super) fn write_bytes(&mut self, buffer: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        for (i, piece) in bytes.chunks(self.plan.upload_bytes as usize).enumerate() {
            let at = offset + i as u64 * self.plan.upload_bytes;
            let slot = self.fill_upload(&[(0, piece)])?;
            let mut encoder = self.encoder();
            let source = self.buffers.get(self.uploads[slot].buffer);
            let size = (piece.len() as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
            encoder.copy_buffer_to_buffer(source, 0, self.buffers.get(buffer), at, size);
            self.submit(encoder, Some(slot))?;
        }
        Ok(())
    }

    /// Read the bytes at a place; waits for the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn read(&mut self, place: Place) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(place.bytes as usize);
        self.read_into(&[place], &mut bytes)?;
        Ok(bytes)
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

    /// Put `pieces` (offset, bytes) into the next upload buffer of the ring, waiting for the device if it still reads it.
    pub(super) fn fill_upload(&mut self, pieces: &[(u64, &[u8])]) -> Result<usize> {
        let slot = self.next_upload;
        self.next_upload = (slot + 1) % UPLOAD_RING;
        let upload = &mut self.uploads[slot];
        if let Some(receiver) = upload.mapped.take() {
            self.gpu.wait(upload.pending.take())?;
            mapped(self.gpu, &receiver)?;
        }
        let buffer = self.buffers.get(upload.buffer);
        {
            let mut view = buffer
                .get_mapped_range_mut(..)
                .map_err(|e| Error::device(format!("the upload buffer can't be filled: {e}")))
                .map_err(|e| self.gpu.explain(e))?;
            for (offset, bytes) in pieces {
                let at = *offset as usize;
                view.slice(at..at + bytes.len()).copy_from_slice(bytes);
            }
        }
        buffer.unmap();
        Ok(slot)
    }
}

impl Upload {
    pub(super) fn request_map(&mut self, buffers: &Buffers) {
        let (sender, receiver) = mpsc::channel();
        let buffer = buffers.get(self.buffer);
        buffer
            .slice(..)
            .map_async(wgpu::MapMode::Write, move |r| drop(sender.send(r)));
        self.mapped = Some(receiver);
    }
}

pub(in crate::gpu) fn mapped(
    gpu: &Gpu,
    receiver: &mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
) -> Result<()> {
    let error = match receiver.try_recv() {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(e)) => Error::device(format!("mapping a staging buffer failed: {e}")),
        Err(_) => Error::device("a staging buffer was not mapped in time; the device may be lost"),
    };
    Err(gpu.explain(error))
}
