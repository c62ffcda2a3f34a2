//! Two interleaved half circles, told apart by a network of two hidden layers: `cargo run --release --example two_moons`.

use gtzan_gpu::{Classifier, Gpu, Learning, Model, Result};
use rand::{RngExt, SeedableRng};
use std::f32::consts::PI;

/// Two hidden layers.
const NETWORK: &str = r#"
name = "moons"
layer = [
  { type = "dense", units = 32, activation = "relu" },
  { type = "dense", units = 32, activation = "relu" },
  { type = "dense", units = "classes" },
]
"#;

/// `n` points with their moon, a tenth of the radius astray.
pub fn moons(n: usize, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let angle = rng.random_range(0.0..PI);
        let mut noise = || rng.random_range(-0.1..0.1f32);
        let [across, up] = match i % 2 {
            0 => [angle.cos(), angle.sin()],
            _ => [1.0 - angle.cos(), 0.5 - angle.sin()],
        };
        x.extend([across + noise(), up + noise()]);
        y.push((i % 2) as u32);
    }
    (x, y)
}

/// Train on some points; returns the accuracy on others.
pub fn learn() -> Result<f64> {
    let gpu = Gpu::open(&Default::default())?;
    let model = Model::from_toml(NETWORK, "two_moons")?;
    let mut moon = Classifier::new(&gpu, &model, [2], 2, Learning::at(1e-2))?;

    let (x, y) = moons(512, 1);
    let losses = moon.fit(&x, &y, 40)?;
    println!("loss {:.3} to {:.4}", losses[0], losses[39]);

    let p = moon.predict(&[0.0, 1.0, 1.0, -0.5])?;
    println!(
        "the tops of both are of moon 1 with {:.3}, {:.3}",
        p[1], p[3]
    );
    let (x, y) = moons(501, 2);
    Ok(moon.evaluate(&x, &y)?.accuracy)
}

pub fn main() -> Result<()> {
    println!("{:.1} % of new points are right", 100.0 * learn()?);
    Ok(())
}
