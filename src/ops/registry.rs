//! Every op, above them all.

use super::{self as ops, Entry};

/// Every op. Tests, gradient checks, benches and docs iterate this list.
pub fn registry() -> Vec<Entry> {
    vec![
        ops::metrics::ACCUMULATE_ENTRY,
        ops::adam::ENTRY,
        ops::add::ENTRY,
        ops::augment::ENTRY,
        ops::pooling::average::ENTRY,
        ops::batch_norm::ENTRY,
        ops::conv2d::ENTRY,
        ops::dense::ENTRY,
        ops::dropout::ENTRY,
        ops::gather_batch::ENTRY,
        ops::adam::CLIP_ENTRY,
        ops::pooling::global_average::ENTRY,
        ops::l2_penalty::ENTRY,
        ops::moving_average::ENTRY,
        ops::pooling::max::ENTRY,
        ops::relu::ENTRY,
        ops::softmax_cross_entropy::ENTRY,
        ops::metrics::STORE_ENTRY,
        ops::batch_norm::UPDATE_RUNNING_ENTRY,
    ]
}
