//! Rungs for GPUs, in the order to read them; then what some of them share.

pub mod naive;
pub mod registers;
pub mod workgroup;

pub mod implicit_gemm;

pub mod bias;

mod direct;
