// Which sample of the data set is sample n of the batch. Stands on lib/partner; the kernel binds `order` and `step`.

struct Params { samples: u32, per_sample: u32, dataset: u32, order: u32, frames: u32, shift: u32, pad0: u32, pad1: u32 }

override PARTNERS: bool = false;

// The position in the batch of what becomes sample n: its own; its partner's; of padding the first.
fn position_of(n: u32) -> u32 {
    let in_batch = step.sample_offset + select(0u, n, n < step.valid);
    if PARTNERS { return partner(in_batch); }
    return in_batch;
}

// The data set's sample at a position of the batch. The batch begins before this micro-batch.
fn sample_at(in_batch: u32) -> u32 {
    let position = min(step.cursor - step.sample_offset + in_batch, params.order - 1u);
    return min(order[position], params.dataset - 1u);
}
