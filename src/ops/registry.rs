//! Every op, above them all.

use super::{
    Entry, adam, add, augment, batch_norm, conv2d, dense, dropout, gather_batch, l2_penalty,
    metrics, moving_average, pooling, relu, softmax_cross_entropy,
};

/// Every op. Tests, gradient checks, benches and docs iterate this list.
pub fn registry() -> Vec<Entry> {
    vec![
        metrics::ACCUMULATE_ENTRY,
        adam::ENTRY,
        add::ENTRY,
        augment::ENTRY,
        pooling::average::ENTRY,
        batch_norm::ENTRY,
        conv2d::ENTRY,
        dense::ENTRY,
        dropout::ENTRY,
        gather_batch::ENTRY,
        adam::CLIP_ENTRY,
        pooling::global_average::ENTRY,
        l2_penalty::ENTRY,
        moving_average::ENTRY,
        pooling::max::ENTRY,
        relu::ENTRY,
        softmax_cross_entropy::ENTRY,
        metrics::STORE_ENTRY,
        batch_norm::UPDATE_RUNNING_ENTRY,
    ]
}
