//! Rungs for GPUs, in the order to read them.

pub mod naive;

pub mod direct;

pub mod bias;
pub mod weight_gradient;
