//! Linear discriminant analysis with a shrunken covariance, in f64: a strong linear classifier
//! that needs no iterations (scikit-learn's `LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...)`).

/// Accuracy over `folds`; sample i is tested in fold i mod `folds`.
pub fn cross_validated(
    x: &[Vec<f64>],
    y: &[usize],
    classes: usize,
    folds: usize,
    shrinkage: f64,
) -> f64 {
    let mut right = 0;
    for fold in 0..folds {
        let train: Vec<usize> = (0..x.len()).filter(|i| i % folds != fold).collect();
        let scorer = fit(x, y, &train, classes, shrinkage);
        for i in (fold..x.len()).step_by(folds) {
            let score =
                |(w, b): &(Vec<f64>, f64)| w.iter().zip(&x[i]).map(|(w, x)| w * x).sum::<f64>() + b;
            let best =
                (0..classes).max_by(|&a, &b| score(&scorer[a]).total_cmp(&score(&scorer[b])));
            right += usize::from(best == Some(y[i]));
        }
    }
    right as f64 / x.len() as f64
}

/// Weights and bias of each class.
fn fit(
    x: &[Vec<f64>],
    y: &[usize],
    train: &[usize],
    classes: usize,
    shrinkage: f64,
) -> Vec<(Vec<f64>, f64)> {
    let d = x[0].len();
    let mut means = vec![vec![0.0; d]; classes];
    let mut counts = vec![0.0; classes];
    for &i in train {
        counts[y[i]] += 1.0;
        means[y[i]].iter_mut().zip(&x[i]).for_each(|(m, v)| *m += v);
    }
    for (mean, count) in means.iter_mut().zip(&counts) {
        mean.iter_mut().for_each(|m| *m /= count);
    }
    // Standardised by the spread within the classes, so that shrinking treats all alike.
    let within = |i: usize, j: usize| x[i][j] - means[y[i]][j];
    let n = train.len() as f64;
    let scale: Vec<f64> = (0..d)
        .map(|j| {
            (train.iter().map(|&i| within(i, j).powi(2)).sum::<f64>() / n)
                .sqrt()
                .max(1e-9)
        })
        .collect();
    let mut covariance = vec![vec![0.0; d]; d];
    for &i in train {
        let centred: Vec<f64> = (0..d).map(|j| within(i, j) / scale[j]).collect();
        for (a, row) in covariance.iter_mut().enumerate() {
            row.iter_mut()
                .zip(&centred)
                .take(a + 1)
                .for_each(|(c, v)| *c += centred[a] * v / n);
        }
    }
    for (a, row) in covariance.iter_mut().enumerate() {
        row.iter_mut().for_each(|c| *c *= 1.0 - shrinkage);
        row[a] += shrinkage;
    }
    let factor = cholesky(covariance);
    let class = |mean: &Vec<f64>| {
        let scaled: Vec<f64> = mean.iter().zip(&scale).map(|(m, s)| m / s).collect();
        let solved = solve(&factor, scaled.clone());
        let bias = -0.5 * solved.iter().zip(&scaled).map(|(a, b)| a * b).sum::<f64>();
        (
            solved.iter().zip(&scale).map(|(w, s)| w / s).collect(),
            bias,
        )
    };
    means.iter().map(class).collect()
}

/// Lower factor of a positive definite matrix of which the lower half is given.
fn cholesky(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..a.len() {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            a[i][j] = if i == j {
                (a[i][i] - dot).sqrt()
            } else {
                (a[i][j] - dot) / a[j][j]
            };
        }
    }
    a
}

fn solve(l: &[Vec<f64>], mut b: Vec<f64>) -> Vec<f64> {
    let d = b.len();
    for i in 0..d {
        let dot: f64 = (0..i).map(|k| l[i][k] * b[k]).sum();
        b[i] = (b[i] - dot) / l[i][i];
    }
    for i in (0..d).rev() {
        let dot: f64 = (i + 1..d).map(|k| l[k][i] * b[k]).sum();
        b[i] = (b[i] - dot) / l[i][i];
    }
    b
}
