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
        while (bytes.len() as u64) < place.bytes {
            let at = bytes.len() as u64;
            let size = (place.bytes - at).min(STAGING_CHUNK);
            let mut encoder = self.encoder();
            let target = self.buffers.get(self.readback).clone();
            encoder.copy_buffer_to_buffer(
                self.buffers.get(place.buffer),
                place.offset + at,
                &target,
                0,
                size,
            );
            self.submit(encoder, None)?;
            let slice = target.slice(..size);
            let (sender, receiver) = mpsc::channel();
            slice.map_async(wgpu::MapMode::Read, move |r| drop(sender.send(r)));
            self.gpu.wait(None)?;
            mapped(self.gpu, &receiver)?;
            let view = slice
                .get_mapped_range()
                .map_err(|e| Error::device(format!("reading back failed: {e}")))
                .map_err(|e| self.gpu.explain(e))?;
            bytes.extend_from_slice(&view);
            drop(view);
            target.unmap();
        }
        Ok(bytes)
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
