//! Batch norm in plain loops.

use super::BatchNorm;
use crate::ops::{Array, Real, Step};

/// Elements of channel `c` in the first `samples` samples, as flat indices.
fn channel(
    [_, channels, h, w]: [usize; 4],
    c: usize,
    samples: usize,
) -> impl Iterator<Item = usize> {
    let spatial = h * w;
    (0..samples).flat_map(move |n| {
        let row = (n * channels + c) * spatial;
        row..row + spatial
    })
}

impl BatchNorm {
    /// Factor by which dropout multiplies element `i` of x: 1 without dropout.
    fn mask<T: Real>(&self, i: usize, shape: [usize; 4], step: &Step) -> T {
        let per_sample = shape[1] * shape[2] * shape[3];
        self.dropout
            .map_or(T::one(), |d| d.factor(i, per_sample, step))
    }

    fn inv_std<T: Real>(&self, variance: T) -> T {
        T::one() / (variance + T::lit(f64::from(self.epsilon))).sqrt()
    }
}

pub(super) fn forward<T: Real>(op: &BatchNorm, x: &[&Array<T>], step: &Step) -> Vec<Array<T>> {
    let (data, gamma, beta) = (&x[0].data, &x[1].data, &x[2].data);
    let shape = x[0].nchw();
    let [n, channels, h, w] = shape;
    let mut y = Array::zeros(x[0].shape.clone());
    let (mut means, mut variances) = (x[3].clone(), x[4].clone());
    for c in 0..channels {
        if op.training {
            let valid = step.valid as usize;
            let count = T::lit((valid * h * w).max(1) as f64);
            let mean = channel(shape, c, valid).map(|i| data[i]).sum::<T>() / count;
            let square = |i: usize| (data[i] - mean) * (data[i] - mean);
            variances.data[c] = channel(shape, c, valid).map(square).sum::<T>() / count;
            means.data[c] = mean;
        }
        let inv_std = op.inv_std(variances.data[c]);
        for i in channel(shape, c, n) {
            let normalised = (data[i] - means.data[c]) * inv_std;
            y.data[i] = (gamma[c] * normalised + beta[c]) * op.mask(i, shape, step);
        }
    }
    if op.training {
        vec![y, means, variances]
    } else {
        vec![y]
    }
}

pub(super) fn backward<T: Real>(
    op: &BatchNorm,
    x: &[&Array<T>],
    y: &[&Array<T>],
    dy: &Array<T>,
    step: &Step,
) -> Vec<Array<T>> {
    let (means, variances) = if op.training {
        (y[1], y[2])
    } else {
        (x[3], x[4])
    };
    let (data, gamma) = (&x[0].data, &x[1].data);
    let shape = x[0].nchw();
    let [_, channels, h, w] = shape;
    let valid = step.valid as usize;
    let count = T::lit((valid * h * w).max(1) as f64);
    let mut dx = Array::zeros(x[0].shape.clone());
    let mut dgamma = Array::zeros([channels]);
    let mut dbeta = Array::zeros([channels]);
    for (c, &gamma) in gamma.iter().enumerate() {
        let inv_std = op.inv_std(variances.data[c]);
        let normalised = |i: usize| (data[i] - means.data[c]) * inv_std;
        let gradient = |i: usize| dy.data[i] * op.mask(i, shape, step);
        let sum: T = channel(shape, c, valid).map(gradient).sum();
        let product: T = channel(shape, c, valid)
            .map(|i| gradient(i) * normalised(i))
            .sum();
        dbeta.data[c] = sum;
        dgamma.data[c] = product;
        for i in channel(shape, c, valid) {
            // x also moves the mean (second term) and the variance (third), when they are the batch's own.
            let through_statistics = if op.training {
                (sum + normalised(i) * product) / count
            } else {
                T::zero()
            };
            dx.data[i] = gamma * inv_std * (gradient(i) - through_statistics);
        }
    }
    vec![dx, dgamma, dbeta]
}
