//! Rungs for GPUs, in the order to read them; then what some of them share.

pub mod naive;
pub mod registers;
pub mod workgroup;

pub mod cooperative;
pub mod few_channels;
pub mod implicit_gemm;
pub mod pointwise;
pub mod winograd_gemm;

pub mod bias;

mod direct;
mod gradient;
