//! What is drawn for a sample: the host's twin of `augment/draw`, and the table of quantiles that both read.

use super::Augment;
use crate::ops::random::threefry_2x32;
use crate::ops::{Real, Step};
use statrs::distribution::{Beta, ContinuousCDF};
use std::ops::Range;

/// Stream of the generator for what happens to a sample; far from dropout's, which are numbers of layers.
const STREAM: u32 = 0x5EC7_A000;

/// The augmentation of one sample.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Draw {
    /// Factor.
    pub gain: f32,
    /// Added after the factor.
    pub offset: f32,
    /// Rows that become 0.
    pub rows: Vec<Range<usize>>,
    /// Frames that become 0.
    pub frames: Vec<Range<usize>>,
}

impl Draw {
    /// Numbers of a draw as the kernels keep it: five vec4s.
    pub const NUMBERS: usize = 20;

    /// `y += weight * a(x)` for one sample: planes of `rows` x `frames`.
    pub fn add_to<T: Real>(&self, y: &mut [T], x: &[T], weight: T, rows: usize, frames: usize) {
        for (line, (y, x)) in y.chunks_mut(frames).zip(x.chunks(frames)).enumerate() {
            if self.rows.iter().any(|r| r.contains(&(line % rows))) {
                continue;
            }
            for (frame, (y, &x)) in y.iter_mut().zip(x).enumerate() {
                if self.frames.iter().any(|f| f.contains(&frame)) {
                    continue;
                }
                let changed = x * T::lit(f64::from(self.gain)) + T::lit(f64::from(self.offset));
                *y = *y + weight * changed;
            }
        }
    }
}

/// Random words number `which` of the sample at this position of the batch.
fn words(position: u32, which: u32, step: &Step) -> [u32; 2] {
    threefry_2x32([step.seed, STREAM], [step.step, position * 16 + which])
}

/// A whole number below `n <= 65,536`, from the upper half of a random word.
fn below(word: u32, n: usize) -> usize {
    ((word >> 16) as usize * n) >> 16
}

/// Uniform in [0, 1).
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 / 16_777_216.0
}

/// Position in the batch of the sample that mixup adds to the one at `position`: `(position + k) mod batch`, with k in
/// `1 .. batch` drawn anew for every step. So every sample is a partner once, and none its own unless it is alone.
pub fn partner(position: u32, step: &Step) -> u32 {
    let batch = step.batch.max(1);
    let [word, _] = threefry_2x32([step.seed, STREAM + 1], [step.step, 0]);
    (position + 1 + below(word, batch as usize - 1) as u32) % batch
}

/// By how many frames the training sample at `position` of the batch moves to the right, to the left when negative: even over
/// `-largest ..= largest`, or over the `frames` places of a circle where that is more than once around.
pub fn time_shift(position: u32, step: &Step, largest: usize, frames: usize) -> isize {
    let around = (2 * largest.min(frames) + 1).min(frames);
    let [word, _] = words(position, 0, step);
    below(word, around) as isize - (around / 2) as isize
}

/// What happens to the sample at this position, and its share λ (1 without mixup).
pub(super) fn drawn(
    op: &Augment,
    position: u32,
    rows: usize,
    frames: usize,
    step: &Step,
) -> (Draw, f32) {
    let [_, gain] = words(position, 0, step);
    let [offset, share] = words(position, 1, step);
    let mask = |w: [u32; 2], size: usize, largest: usize| {
        let width = below(w[0], largest.min(size) + 1);
        let start = below(w[1], size - width + 1);
        start..start + width
    };
    let draw = Draw {
        gain: 1.0 + op.gain * (2.0 * unit(gain) - 1.0),
        offset: op.offset * (2.0 * unit(offset) - 1.0),
        rows: (0..op.row_masks as u32)
            .map(|i| mask(words(position, 2 + i, step), rows, op.row_mask))
            .collect(),
        frames: (0..op.frame_masks as u32)
            .map(|i| mask(words(position, 6 + i, step), frames, op.frame_mask))
            .collect(),
    };
    if !op.mixes() {
        return (draw, 1.0);
    }
    let table = quantiles(op.mixup);
    let at = unit(share) * (Augment::NODES - 1) as f32;
    let i = at as usize;
    (draw, table[i] + (at - i as f32) * (table[i + 1] - table[i]))
}

/// The upper half of the quantile function of Beta(α, α), at 64 nodes: `Q(1/2 + i/126)`. The greater of λ and 1 − λ is
/// distributed so, since the distribution is symmetrical. All 1 for α = 0, mixup's limit of no mixing.
pub(super) fn quantiles(alpha: f32) -> [f32; Augment::NODES] {
    let last = (Augment::NODES - 1) as f64;
    match Beta::new(f64::from(alpha), f64::from(alpha)) {
        Ok(beta) if alpha > 0.0 => std::array::from_fn(|i| match i {
            0 => 0.5,
            i if i + 1 == Augment::NODES => 1.0,
            i => beta.inverse_cdf(0.5 + 0.5 * i as f64 / last) as f32,
        }),
        _ => [1.0; Augment::NODES],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beta(1, 1) is uniform; Beta(1/2, 1/2) is the arcsine distribution, `Q(p) = sin²(π p / 2)`; Beta(2, 2) has
    /// `F(x) = 3x² − 2x³`.
    #[test]
    fn quantiles_are_those_of_known_distributions() {
        let nodes = (0..Augment::NODES).map(|i| 0.5 + i as f64 / 126.0);
        for ((p, one), (half, two)) in nodes
            .zip(quantiles(1.0))
            .zip(quantiles(0.5).into_iter().zip(quantiles(2.0)))
        {
            assert!((f64::from(one) - p).abs() < 1e-6, "uniform at {p}: {one}");
            let arcsine = (std::f64::consts::FRAC_PI_2 * p).sin().powi(2);
            assert!((f64::from(half) - arcsine).abs() < 1e-6, "{p}: {half}");
            let x = f64::from(two);
            assert!((3.0 * x * x - 2.0 * x * x * x - p).abs() < 1e-6, "{p}: {x}");
        }
        assert_eq!(quantiles(0.0), [1.0; Augment::NODES]);
    }

    #[test]
    fn small_alphas_stay_in_order() {
        for alpha in [0.01, 0.1, 0.2, 0.4, 100.0] {
            let q = quantiles(alpha);
            assert!(q.is_sorted(), "{alpha}: {q:?}");
            assert!(q.iter().all(|v| (0.5..=1.0).contains(v)), "{alpha}: {q:?}");
        }
    }

    #[test]
    fn partners_are_a_permutation_without_fixed_points() {
        for batch in [2u32, 3, 8, 31] {
            for t in 1..20 {
                let step = Step {
                    step: t,
                    seed: 9,
                    ..Step::full(batch as usize)
                };
                let mut seen: Vec<u32> = (0..batch).map(|p| partner(p, &step)).collect();
                assert!(seen.iter().zip(0..).all(|(&a, b)| a != b));
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..batch));
            }
        }
        assert_eq!(partner(0, &Step::full(1)), 0);
    }

    /// Every shift within reach comes up, and none beyond.
    #[test]
    fn shifts_stay_within_their_bounds() {
        for (largest, reach) in [(0, 0..=0), (3, -3..=3), (9, -9..=9), (10, -10..=9)] {
            let shifts = (0..900).map(|p| time_shift(p, &Step::full(900), largest, 20));
            let shifts: std::collections::BTreeSet<isize> = shifts.collect();
            assert!(shifts.into_iter().eq(reach), "at most {largest}");
        }
    }

    #[test]
    fn masks_stay_within_their_bounds() {
        let op = Augment {
            row_masks: 2,
            row_mask: 4,
            frame_masks: 4,
            frame_mask: 90,
            gain: 0.25,
            offset: 0.5,
            mixup: 0.4,
        };
        let mut draws = Vec::new();
        for p in 0..400 {
            let (d, share) = drawn(&op, p, 11, 20, &Step::full(400));
            assert!((0.75..=1.25).contains(&d.gain) && d.offset.abs() <= 0.5);
            assert!((0.5..=1.0).contains(&share));
            assert!(d.rows.iter().all(|r| r.len() <= 4 && r.end <= 11));
            assert!(d.frames.iter().all(|f| f.end <= 20));
            assert_eq!((d.rows.len(), d.frames.len()), (2, 4));
            draws.push(d);
        }
        // And reach them: every width, both ends of both axes, nearly the largest gain and offset.
        let all = |of: fn(&Draw) -> &Vec<Range<usize>>| -> Vec<Range<usize>> {
            draws.iter().flat_map(of).cloned().collect()
        };
        for (masks, widest, end) in [(all(|d| &d.rows), 4, 11), (all(|d| &d.frames), 20, 20)] {
            for width in 0..=widest {
                assert!(masks.iter().any(|m| m.len() == width), "none of {width}");
            }
            let wide = || masks.iter().filter(|m| !m.is_empty());
            assert!(wide().any(|m| m.start == 0) && wide().any(|m| m.end == end));
        }
        let range = |of: fn(&Draw) -> f32| {
            let values = draws.iter().map(of);
            values.fold([f32::MAX, f32::MIN], |[l, h], v| [l.min(v), h.max(v)])
        };
        let ([low, high], [down, up]) = (range(|d| d.gain), range(|d| d.offset));
        assert!(low < 0.77 && high > 1.23, "gain {low} to {high}");
        assert!(down < -0.45 && up > 0.45, "offset {down} to {up}");
    }
}
