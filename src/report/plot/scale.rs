//! From data to pixels: linear and logarithmic axes with round ticks.

/// Maps the interval `lo..hi` of the data to pixels.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    lo: f64,
    hi: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// `lo` lies at pixel `from`, `hi` at `to`. An empty interval is widened so that the one value is in the middle.
    pub fn linear([lo, hi]: [f64; 2], [from, to]: [f64; 2]) -> Self {
        let (lo, hi) = if hi > lo {
            (lo, hi)
        } else {
            let half = if lo == 0.0 { 0.5 } else { lo.abs() / 2.0 };
            (lo - half, lo + half)
        };
        Self {
            lo,
            hi,
            from,
            to,
            log: false,
        }
    }

    /// Decades of equal width; `lo` must be positive.
    pub fn log([lo, hi]: [f64; 2], range: [f64; 2]) -> Self {
        Self {
            log: true,
            ..Self::linear([lo.log10(), hi.log10()], range)
        }
    }

    /// Where the axis begins: a power of ten's exponent on a logarithmic one.
    pub fn low_log(&self) -> f64 {
        self.lo
    }

    /// The pixel of `value`, kept inside the axis.
    pub fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        let t = ((value - self.lo) / (self.hi - self.lo)).clamp(0.0, 1.0);
        self.from + t * (self.to - self.from)
    }

    /// About `count` round values inside the axis: steps of 1, 2 or 5 times a power of ten.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        if !self.log {
            return round_steps(self.lo, self.hi, count);
        }
        // 1, 2 and 5 of every decade; only the powers of ten where that would be too many.
        let decades = self.lo.floor() as i32..=self.hi.floor() as i32;
        let mantissas: &[f64] = if self.hi - self.lo > 2.5 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        decades
            .flat_map(|d| mantissas.iter().map(move |m| m * 10f64.powi(d)))
            .filter(|v| (self.lo..=self.hi).contains(&v.log10()))
            .collect()
    }
}

fn round_steps(lo: f64, hi: f64, count: usize) -> Vec<f64> {
    let raw = (hi - lo) / count.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|&step| step >= raw * 0.999)
        .unwrap_or(10.0 * power);
    let first = (lo / step - 1e-9).ceil();
    let last = (hi / step + 1e-9).floor();
    if !(step > 0.0 && step.is_finite() && last - first < 1000.0) {
        return vec![lo];
    }
    (0..=(last - first) as i64)
        .map(|i| (first + i as f64) * step)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = |lo, hi, n| Scale::linear([lo, hi], [0.0, 1.0]).ticks(n);
        assert_eq!(
            ticks(0.0, 1.0, 5),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(ticks(0.93, 3.1, 4), [1.0, 2.0, 3.0]);
        assert_eq!(ticks(0.0, 173.0, 4), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(
            Scale::log([0.3, 60.0], [0.0, 1.0]).ticks(5),
            [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
        );
    }

    #[test]
    fn values_map_in_order_and_stay_on_the_axis() {
        let scale = Scale::linear([2.0, 4.0], [100.0, 0.0]);
        assert_eq!(
            [2.0, 3.0, 4.0, 9.0].map(|v| scale.at(v)),
            [100.0, 50.0, 0.0, 0.0]
        );
        assert_eq!(Scale::linear([7.0, 7.0], [0.0, 10.0]).at(7.0), 5.0);
        assert!((Scale::log([1.0, 100.0], [0.0, 10.0]).at(10.0) - 5.0).abs() < 1e-12);
    }
}
