//! Rungs for CPU drivers, where a GPU's words mean something else: a workgroup is a vector register, a lane its component, and which
//! instruction a load becomes decides more than how many there are.

pub mod bias;
pub mod few_channels;
pub mod im2col;
pub mod implicit;
pub mod padded;
pub mod subgroup;
pub mod winograd;
