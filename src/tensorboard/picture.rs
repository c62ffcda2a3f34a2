//! The confusion matrix as a PNG file, for programs that show no SVG.

use super::proto::{Image, RGB};
use crate::report::ConfusionMatrix;
use font8x8::{BASIC_FONTS, BOX_FONTS, GREEK_FONTS, LATIN_FONTS, UnicodeFonts};
use miniz_oxide::deflate::compress_to_vec_zlib;

/// Pixels of a glyph of the font, across and downwards.
const GLYPH: usize = 8;
/// Drawn pixels per pixel of the font.
const SCALE: usize = 2;
/// Pixels of a cell: four digits and a margin.
const CELL: usize = 4 * GLYPH * SCALE + 8;
const MARGIN: usize = 12;
/// Letters of a label at most.
const LETTERS: usize = 14;
/// Classes that are drawn with names and numbers; more get small cells alone.
const NAMED: usize = 40;
const SMALL_CELL: usize = 8;

const WHITE: [u8; 3] = [255; 3];
const BLACK: [u8; 3] = [30; 3];
const LINE: [u8; 3] = [220, 220, 225];
/// Of a row whose samples are all in one cell.
const FULL: [u8; 3] = [20, 78, 140];

/// Rows are the true classes, columns the predicted ones; a cell's colour is its share of the row, the number its count.
pub fn confusion(matrix: &ConfusionMatrix) -> Image {
    let n = matrix.genres().len();
    let named = n <= NAMED;
    let names: Vec<Vec<char>> = matrix
        .genres()
        .iter()
        .map(|g| g.chars().take(LETTERS).collect())
        .collect();
    let longest = names.iter().map(Vec::len).max().unwrap_or(0);
    let (cell, label) = match named {
        true => (CELL, longest * GLYPH * SCALE + 2 * MARGIN),
        false => (SMALL_CELL, 0),
    };
    let mut canvas = Canvas::new(label + n * cell + MARGIN, label + n * cell + MARGIN);
    for (i, counts) in matrix.counts().iter().enumerate() {
        let support = counts.iter().sum::<u64>().max(1);
        for (j, &count) in counts.iter().enumerate() {
            let at = [label + j * cell, label + i * cell];
            let share = count as f64 / support as f64;
            canvas.fill(at, [cell, cell], LINE);
            canvas.fill([at[0] + 1, at[1] + 1], [cell - 1, cell - 1], shade(share));
            if named && count > 0 {
                let text: Vec<char> = short(count).chars().collect();
                let ink = if share > 0.5 { WHITE } else { BLACK };
                let width = text.len() * GLYPH * SCALE;
                let x = at[0] + cell.saturating_sub(width) / 2;
                canvas.text([x, at[1] + (cell - GLYPH * SCALE) / 2], &text, ink, false);
            }
        }
    }
    if named {
        let middle = (cell - GLYPH * SCALE) / 2;
        for (i, name) in names.iter().enumerate() {
            let width = name.len() * GLYPH * SCALE;
            let at = label - MARGIN - width;
            canvas.text([at, label + i * cell + middle], name, BLACK, false);
            canvas.text(
                [label + i * cell + middle, label - MARGIN],
                name,
                BLACK,
                true,
            );
        }
    }
    canvas.image()
}

/// At most four characters.
fn short(count: u64) -> String {
    match count {
        0..=9_999 => count.to_string(),
        10_000..=999_999 => format!("{}k", count / 1_000),
        1_000_000..=999_999_999 => format!("{}M", count / 1_000_000),
        _ => ">1G".to_owned(),
    }
}

/// White for 0, and a tint that can still be told from it for one in a hundred.
fn shade(share: f64) -> [u8; 3] {
    if share <= 0.0 {
        return WHITE;
    }
    let part = 0.08 + 0.92 * share.min(1.0);
    let mix = |full: u8| (255.0 + part * (f64::from(full) - 255.0)).round() as u8;
    FULL.map(mix)
}

/// Pixels, row by row.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![WHITE; width * height],
        }
    }

    fn fill(&mut self, [x, y]: [usize; 2], [width, height]: [usize; 2], colour: [u8; 3]) {
        for row in y..(y + height).min(self.height) {
            let end = (x + width).min(self.width);
            self.pixels[row * self.width + x.min(end)..row * self.width + end].fill(colour);
        }
    }

    /// A line of text from its upper left corner; `upwards` from its lower left one, to be read from below.
    fn text(&mut self, [x, y]: [usize; 2], text: &[char], colour: [u8; 3], upwards: bool) {
        for (i, &letter) in text.iter().enumerate() {
            for (row, bits) in glyph(letter).into_iter().enumerate() {
                for column in (0..GLYPH).filter(|column| bits >> column & 1 == 1) {
                    let along = (i * GLYPH + column) * SCALE;
                    let across = row * SCALE;
                    let at = match upwards {
                        false => [x + along, y + across],
                        true => [x + across, y.saturating_sub(along + SCALE)],
                    };
                    self.fill(at, [SCALE, SCALE], colour);
                }
            }
        }
    }

    fn image(&self) -> Image {
        Image {
            height: Some(self.height as i32),
            width: Some(self.width as i32),
            colorspace: Some(RGB),
            encoded_image_string: Some(self.png()),
        }
    }

    /// PNG, second edition: signature, header, one stretch of compressed rows, end.
    fn png(&self) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend((self.width as u32).to_be_bytes());
        header.extend((self.height as u32).to_be_bytes());
        // 8 bits per channel, red green blue, and the only compression, filter and order that a plain file has.
        header.extend([8, 2, 0, 0, 0]);
        let mut rows = Vec::with_capacity(self.height * (3 * self.width + 1));
        for row in self.pixels.chunks(self.width.max(1)) {
            rows.push(0);
            rows.extend(row.as_flattened());
        }
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, data) in [
            (b"IHDR", header),
            (b"IDAT", compress_to_vec_zlib(&rows, 6)),
            (b"IEND", Vec::new()),
        ] {
            png.extend((data.len() as u32).to_be_bytes());
            let checked = png.len();
            png.extend(kind);
            png.extend(data);
            png.extend(crc32fast::hash(&png[checked..]).to_be_bytes());
        }
        png
    }
}

/// Rows of a letter, the leftmost pixel in the lowest bit; a box for what the font lacks.
fn glyph(letter: char) -> [u8; GLYPH] {
    const MISSING: [u8; GLYPH] = [0, 0x7e, 0x42, 0x42, 0x42, 0x42, 0x7e, 0];
    (BASIC_FONTS.get(letter))
        .or_else(|| LATIN_FONTS.get(letter))
        .or_else(|| GREEK_FONTS.get(letter))
        .or_else(|| BOX_FONTS.get(letter))
        .unwrap_or(MISSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(names: Vec<String>, count: u64) -> ConfusionMatrix {
        let n = names.len();
        ConfusionMatrix::from_counts(names, vec![vec![count; n]; n]).unwrap()
    }

    /// Names of any length and script, none, many classes, counts that fill no cell.
    #[test]
    fn any_matrix_can_be_drawn() {
        let names = |n: usize, name: &str| (0..n).map(|i| format!("{name}{i}")).collect();
        for (names, count) in [
            (names(1, ""), 0),
            (names(2, "日本語ジャンル"), 12_345),
            (names(10, "a name that is much too long to be drawn"), 1),
            (names(40, "Ümläut"), 999_999_999),
            (names(41, "x"), u64::from(u32::MAX)),
            (names(300, "many"), 3),
            (Vec::new(), 0),
        ] {
            let image = confusion(&matrix(names, count));
            let png = image.encoded_image_string.unwrap();
            assert!(
                png.starts_with(b"\x89PNG")
                    && png.ends_with(&crc32fast::hash(b"IEND").to_be_bytes())
            );
            assert!(image.width.unwrap() >= MARGIN as i32);
        }
        assert!(
            [0, 9_999, 10_000, 999_999, 1 << 40]
                .iter()
                .all(|&n| short(n).len() <= 4)
        );
    }

    #[test]
    fn shades_grow_and_start_where_they_can_be_seen() {
        assert_eq!((shade(0.0), shade(1.0)), (WHITE, FULL));
        let red: Vec<u8> = (1..=100).map(|i| shade(f64::from(i) / 100.0)[0]).collect();
        assert!(red.is_sorted_by(|a, b| a > b) && red[0] < 240);
    }
}
