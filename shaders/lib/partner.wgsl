// Mixup's partners: within a batch, sample p is mixed with sample (p + k) mod batch, k in 1 .. batch - 1 drawn anew for every step.
// So every sample is a partner once, none its own, and micro-batches agree on who is whose. Stands on lib/step and lib/threefry;
// the kernel binds `step`. The host's twin is `ops::augment::partner`.

// The stream of the generator that all augmentation draws from, apart from those of dropout layers, which are small numbers.
const AUGMENTATION: u32 = 0x5EC7A000u;

// A whole number below n, n <= 65,536, from the upper half of a random word.
fn below(word: u32, n: u32) -> u32 {
    return ((word >> 16u) * n) >> 16u;
}

// Position in the batch of the sample that is mixed into the one at `position`; itself when it is alone.
fn partner(position: u32) -> u32 {
    let batch = max(step.batch, 1u);
    let word = threefry(vec2<u32>(step.seed, AUGMENTATION + 1u), vec2<u32>(step.step, 0u)).x;
    return (position + 1u + below(word, batch - 1u)) % batch;
}
