//! What the loss and the training loop need to know about the order and weight of samples.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Class weights "balanced" as scikit-learn defines them (`compute_class_weight`):
/// `n / (classes * count)`, so that each class present adds as much to the loss as any other.
/// A class without a sample gets 0. Every label must be below `classes`.
pub fn class_weights_balanced(labels: &[u32], classes: usize) -> Vec<f32> {
    let mut counts = vec![0usize; classes];
    for &label in labels {
        counts[label as usize] += 1;
    }
    let present = counts.iter().filter(|&&c| c > 0).count();
    counts
        .iter()
        .map(|&c| match c {
            0 => 0.0,
            c => (labels.len() as f64 / (present as f64 * c as f64)) as f32,
        })
        .collect()
}

/// The order in which epoch number `epoch` visits `n` samples: a Fisher-Yates shuffle by ChaCha8.
///
/// It depends on `seed` and `epoch` alone, not on what was drawn before, so a resumed run sees
/// exactly the batches that the uninterrupted one would have seen. Cut it into batches with
/// `chunks`; the last one may be short.
pub fn epoch_order(seed: u64, epoch: u64, n: usize, shuffle: bool) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    if shuffle {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch);
        order.shuffle(&mut rng);
    }
    order
}
