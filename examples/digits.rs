//! Digits of a seven-segment display, shifted and noisy, read by a small convolutional network that is saved and loaded again:
//! `cargo run --release --example digits`.

use gtzan_gpu::{Classifier, Gpu, Learning, Model, Result};
use rand::{RngExt, SeedableRng};

const NETWORK: &str = r#"
name = "digits"
layer = [
  { type = "conv2d", filters = 8, kernel = 3, activation = "relu" },
  { type = "max_pool2d", window = 2 },
  { type = "batch_norm" },
  { type = "conv2d", filters = 16, kernel = 3, activation = "relu" },
  { type = "max_pool2d", window = 2 },
  { type = "flatten" },
  { type = "dense", units = "classes" },
]
"#;

/// Which segments a digit lights: top, upper left, upper right, middle, lower left, lower right, bottom.
const SEGMENTS: [&[u8; 7]; 10] = [
    b"1110111", b"0010010", b"1011101", b"1011011", b"0111010", b"1101011", b"1101111", b"1010010",
    b"1111111", b"1111011",
];
/// Each segment's first row and column, and how many rows and columns it covers.
const PLACES: [[usize; 4]; 7] = [
    [0, 0, 1, 5],
    [0, 0, 5, 1],
    [0, 4, 5, 1],
    [4, 0, 1, 5],
    [4, 0, 5, 1],
    [4, 4, 5, 1],
    [8, 0, 1, 5],
];
const SIZE: usize = 14;

fn digits(n: usize, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let mut image: Vec<f32> = (0..SIZE * SIZE)
            .map(|_| rng.random_range(-0.4..0.4))
            .collect();
        let [down, right] = [rng.random_range(0..=5), rng.random_range(0..=9)];
        for (lit, [row, column, rows, columns]) in SEGMENTS[i % 10].iter().zip(PLACES) {
            for r in (row..row + rows).filter(|_| *lit == b'1') {
                image[(down + r) * SIZE + right + column..][..columns].fill(1.0);
            }
        }
        x.extend(image);
        y.push((i % 10) as u32);
    }
    (x, y)
}

/// Train, save, load; returns the accuracy on other digits.
pub fn learn() -> Result<f64> {
    let gpu = Gpu::open(&Default::default())?;
    let model = Model::from_toml(NETWORK, "digits")?;
    let fresh = || Classifier::new(&gpu, &model, [1, SIZE, SIZE], 10, Learning::at(3e-3));
    let mut reader = fresh()?;
    let (x, y) = digits(2000, 1);
    for epoch in 1..=10 {
        let loss = reader.fit(&x, &y, 1)?[0];
        println!("epoch {epoch}: loss {loss:.3}");
    }
    let path = std::env::temp_dir().join(format!("digits-{}.safetensors", std::process::id()));
    reader.save(&path)?;
    let mut again = fresh()?;
    let loaded = again.load(&path);
    let _ = std::fs::remove_file(&path);
    loaded?;
    let (x, y) = digits(301, 2);
    let read = again.evaluate(&x, &y)?;
    assert_eq!(read, reader.evaluate(&x, &y)?, "a saved model is the same");
    Ok(read.accuracy)
}

pub fn main() -> Result<()> {
    println!("{:.1} % of new digits are read right", 100.0 * learn()?);
    Ok(())
}
