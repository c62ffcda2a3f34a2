//! Where F(4x4,3x3) wins over the implicit product on a GPU, by their rooflines. No GPU was at hand to measure it; the tuner measures.
//!
//! The implicit product is bound by arithmetic: its multiply-adds at the share of peak that its stages leave. Transforms save three quarters of
//! them and pay in bytes: a tile's 36 values per channel are written and read back, twice. So with many channels they win, as arithmetic grows with
//! the product of both channel counts and traffic with their sum; with few filters or small planes they lose, because the transformed weight
//! (36 values for 9) goes to memory and back as well, once per launch.

use super::{COLUMNS, LARGE_TILES, LONGEST, ROWS, STEP};
use crate::ops::conv2d::geometry::Geometry;

/// Multiply-adds per byte at which consumer cards are bound by both: half of the 32 to 35 operations of the three in `docs/gpu-ladder.md`.
const RIDGE: f64 = 17.0;

/// Multiply-adds among the instructions of a stage with its loads and barriers, as compiled for GFX1100 and NAVI21: of the implicit product
/// (512 of 704; for dw 1024 of 1373 to 1399), and of the batched one (see the same document).
const SHARES: [f64; 2] = [0.73, 0.86];

/// How much faster it has to be on paper to be the default unmeasured: launches and half-filled devices are not counted.
const MARGIN: f64 = 1.25;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    BackwardInput,
    BackwardWeight,
}

/// Whether transforms are clearly faster, were every value that lies between two kernels to go to memory and back. With fewer channels than a
/// tile of the product has columns, both would compute what nobody asks for, and others are faster.
pub fn pays(g: &Geometry, direction: Direction) -> bool {
    [g.kh, g.kw, g.stride_h, g.stride_w] == [3, 3, 1, 1]
        && g.c.min(g.k) >= COLUMNS
        && implicit(g, direction) > MARGIN * transformed(g, direction)
}

/// Time of multiply-adds, counted in the bytes that memory moves meanwhile.
fn arithmetic(sizes: [usize; 4], share: f64) -> f64 {
    sizes.iter().map(|&s| s as f64).product::<f64>() / (RIDGE * share)
}

/// The implicit product: positions by channels, in whole tiles; that their loads come from caches is assumed.
fn implicit(g: &Geometry, direction: Direction) -> f64 {
    let positions = |h: usize, w: usize| g.n * h * w;
    let sizes = match direction {
        Direction::Forward => [
            positions(g.oh, g.ow).next_multiple_of(ROWS),
            g.k.next_multiple_of(COLUMNS),
            g.c,
            9,
        ],
        Direction::BackwardInput => [
            positions(g.h, g.w).next_multiple_of(ROWS),
            g.c.next_multiple_of(COLUMNS),
            g.k,
            9,
        ],
        Direction::BackwardWeight => [
            positions(g.oh, g.ow),
            g.k.next_multiple_of(COLUMNS),
            (9 * g.c).next_multiple_of(ROWS),
            1,
        ],
    };
    arithmetic(sizes, SHARES[0])
}

/// Transforms and the batched product, one after the other.
fn transformed(g: &Geometry, direction: Direction) -> f64 {
    let products = LARGE_TILES.products();
    let extent = match direction {
        Direction::BackwardInput => [g.h, g.w],
        _ => [g.oh, g.ow],
    };
    let [down, across] = LARGE_TILES.tiles_of(extent);
    let tiles = g.n * down * across;
    let bytes = |values: usize| (4 * products * values) as f64;
    // Factors are written once; the product reads them once for each block of its tiles in the other direction.
    let read = |values: usize, size: usize, block: usize| {
        bytes(values) * (1 + size.div_ceil(block)) as f64
    };
    let weight = 2.0 * bytes(g.c * g.k);
    let (sizes, traffic) = match direction {
        Direction::BackwardWeight => {
            let sizes = [
                g.k.next_multiple_of(ROWS),
                g.c.next_multiple_of(COLUMNS),
                tiles,
            ];
            let d = read(tiles * g.k, g.c, COLUMNS);
            let v = read(tiles * g.c, g.k, ROWS);
            // Every so many tiles have sums of their own, which are written, and read to be added up.
            (sizes, d + v + tiles.div_ceil(LONGEST) as f64 * weight)
        }
        _ => {
            let (contracted, channels) = match direction {
                Direction::Forward => (g.c, g.k),
                _ => (g.k, g.c),
            };
            let sizes = [
                tiles.next_multiple_of(ROWS),
                channels.next_multiple_of(COLUMNS),
                contracted.next_multiple_of(STEP),
            ];
            let v = read(tiles * contracted, channels, COLUMNS);
            let m = 2.0 * bytes(tiles * channels);
            (sizes, v + m + weight)
        }
    };
    let [a, b, c] = sizes;
    let planes = 4.0 * (g.n * (g.c * g.h * g.w + g.k * g.oh * g.ow)) as f64;
    arithmetic([products, a, b, c], SHARES[1]) + traffic + planes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::conv2d::{Conv2d, Epilogue, Padding};
    use crate::tensor::Shape;

    fn geometry(n: usize, c: usize, k: usize, h: usize, w: usize) -> Geometry {
        let op = Conv2d {
            stride: [1, 1],
            padding: Padding::Same,
            epilogue: Epilogue::Relu,
        };
        let shape = |dims: [usize; 4]| Shape::from(dims);
        Geometry::new(&op, &shape([n, c, h, w]), &shape([k, c, 3, 3])).expect("it fits")
    }

    fn all(g: &Geometry) -> [bool; 3] {
        use Direction::{BackwardInput, BackwardWeight, Forward};
        [Forward, BackwardInput, BackwardWeight].map(|d| pays(g, d))
    }

    /// The convolutions of `seed`: only the last has channels enough, and not for dw, whose sums cost more.
    #[test]
    fn many_channels_pay_and_few_do_not() {
        assert_eq!(all(&geometry(8, 1, 64, 187, 130)), [false; 3]);
        assert_eq!(all(&geometry(8, 64, 128, 93, 65)), [false; 3]);
        assert_eq!(all(&geometry(8, 128, 256, 46, 32)), [true, true, false]);
        assert_eq!(all(&geometry(64, 128, 256, 46, 32)), [true, true, false]);
        assert_eq!(all(&geometry(32, 256, 256, 46, 32)), [true; 3]);
    }

    /// A weight that is larger than the planes costs more to transform than it saves.
    #[test]
    fn small_planes_do_not_pay() {
        assert_eq!(all(&geometry(8, 192, 192, 5, 4)), [false; 3]);
        assert_eq!(all(&geometry(1, 512, 512, 7, 7)), [false; 3]);
        let mut strided = geometry(32, 256, 256, 46, 32);
        strided.stride_h = 2;
        assert_eq!(all(&strided), [false; 3]);
    }
}
