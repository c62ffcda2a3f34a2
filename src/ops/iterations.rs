//! How many iterations the loops of an invocation take, for drivers that end them without a word.
//!
//! llvmpipe counts an iteration whenever the end of a loop is reached, for all loops of an invocation together. What leaves a loop only switches its
//! lanes off, so the body is gone through once more, with the loops in it.

use std::ops::Add;

/// What some code adds to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iterations {
    /// When it runs.
    pub taken: usize,
    /// When it is gone through with every lane switched off.
    idle: usize,
}

/// Code without loops, or with such as are written out.
pub const STRAIGHT: Iterations = Iterations { taken: 0, idle: 0 };

/// A loop whose body runs `times` times.
pub fn looped(times: usize, body: Iterations) -> Iterations {
    let each = body.taken.saturating_add(1);
    let last = body.idle + 1;
    Iterations {
        taken: times.saturating_mul(each).saturating_add(last),
        idle: last,
    }
}

/// Loops in each other, the outermost first.
pub fn nested<const N: usize>(times: [usize; N]) -> Iterations {
    (times.into_iter().rev()).fold(STRAIGHT, |body, times| looped(times, body))
}

impl Add for Iterations {
    type Output = Self;

    /// One after the other.
    fn add(self, next: Self) -> Self {
        Self {
            taken: self.taken.saturating_add(next.taken),
            idle: self.idle + next.idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loops in each other as llvmpipe runs them: masked off, a body is gone through until its own end.
    fn run(times: &[usize], active: bool, count: &mut usize) {
        let Some((&n, inner)) = times.split_first() else {
            return;
        };
        let mut left = if active { n } else { 0 };
        loop {
            let live = left > 0;
            run(inner, live, count);
            *count += 1;
            if !live {
                return;
            }
            left -= 1;
        }
    }

    #[test]
    fn nests_of_any_depth_are_counted_as_they_run() {
        let counted = |times: &[usize]| {
            let mut count = 0;
            run(times, true, &mut count);
            count
        };
        assert_eq!(nested([7]).taken, counted(&[7]));
        assert_eq!(nested([5, 4]).taken, counted(&[5, 4]));
        assert_eq!(nested([9, 3, 3]).taken, counted(&[9, 3, 3]));
        // Right and wrong on lavapipe: quads of 1,440 and of 1,500 channels, three by three taps, sixteen filters.
        assert_eq!(nested([360, 3, 3, 16]).taken, counted(&[360, 3, 3, 16]));
        assert!(nested([360, 3, 3, 16]).taken < 65_535);
        assert!(nested([375, 3, 3, 16]).taken > 65_535);
        assert_eq!(nested([0, 4]).taken, counted(&[0, 4]));
    }
}
