//! The rungs, on two ladders: for GPUs, which to read first, and for CPU drivers.

pub(super) mod cpu_driver;
pub(super) mod gpu;
