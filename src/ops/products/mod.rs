//! Matrix products that several ops share: [`windows`] sees its factors through uniform windows, [`texels`] keeps them in a texture. Both
//! are for CPU drivers; a dense layer's products for GPUs are in its own rungs.

pub(crate) mod texels;
pub(crate) mod windows;
