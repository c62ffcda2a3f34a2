// Where in its track a training sample begins: by how many frames the sample at this position of the batch moves to the right, to the left
// when negative. Even over -largest ..= largest, or over the F places of a circle where that is more than once around. Stands on
// lib/partner, whose stream it draws from; the kernel binds `step`. The host's twin is `ops::augment::time_shift`.
fn time_shift(position: u32, largest: u32, frames: u32) -> i32 {
    let around = min(2u * largest + 1u, frames);
    let word = threefry(vec2<u32>(step.seed, AUGMENTATION), vec2<u32>(step.step, position * 16u)).x;
    return i32(below(word, around)) - i32(around / 2u);
}
