//! Spectrograms as pictures within the page.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

/// One training sample as it is and as the network saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AugmentedSample {
    /// Its genre.
    pub genre: String,
    /// The genre of the sample mixed in, and the share that the first one keeps, 0.5 to 1; nothing without mixup.
    pub mixed: Option<(String, f32)>,
    /// Rows (frequencies, the lowest first) and frames.
    pub size: [usize; 2],
    /// Row by row, normalised: mean 0, deviation 1.
    pub before: Vec<f32>,
    /// The same after augmentation.
    pub after: Vec<f32>,
}

/// Deviations from the mean that the colours reach to either side.
const REACH: f32 = 2.5;
/// Dark blue, violet, orange, pale yellow: equal steps of lightness, after matplotlib's `inferno`.
const COLOURS: [[f32; 3]; 5] = [
    [0.0, 0.0, 4.0],
    [87.0, 16.0, 110.0],
    [188.0, 55.0, 84.0],
    [249.0, 142.0, 9.0],
    [252.0, 255.0, 164.0],
];
/// Bytes in front of a bitmap's pixels: two headers and 256 colours of four bytes.
const HEADER: usize = 14 + 40 + 1024;

/// Normalised features as the address of a picture (a bitmap with 256 colours), the first row at the bottom.
/// Values that are missing are drawn as the mean, and what is no number too.
pub fn picture(values: &[f32], [rows, frames]: [usize; 2]) -> String {
    let stride = frames.next_multiple_of(4);
    let mut bytes = Vec::with_capacity(HEADER + rows * stride);
    bytes.extend(b"BM");
    for word in [
        (HEADER + rows * stride) as u32,
        0,
        HEADER as u32,
        40,
        frames as u32,
        rows as u32,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([1, 0, 8, 0]);
    // No compression; sizes and numbers of colours follow from the rest.
    bytes.extend([0; 24]);
    for i in 0..256 {
        let [red, green, blue] = colour(i as f32 / 255.0);
        bytes.extend([blue, green, red, 0]);
    }
    for row in 0..rows {
        let line = (0..stride).map(|frame| {
            let there = (frame < frames).then(|| values.get(row * frames + frame));
            let value = there.flatten().copied().filter(|v| v.is_finite());
            let part = 0.5 + value.unwrap_or(0.0) / (2.0 * REACH);
            (part.clamp(0.0, 1.0) * 255.0).round() as u8
        });
        bytes.extend(line);
    }
    format!("data:image/bmp;base64,{}", Base64::encode_string(&bytes))
}

fn colour(part: f32) -> [u8; 3] {
    let at = part * (COLOURS.len() - 1) as f32;
    let i = (at as usize).min(COLOURS.len() - 2);
    let between = |c: usize| COLOURS[i][c] + (at - i as f32) * (COLOURS[i + 1][c] - COLOURS[i][c]);
    [0, 1, 2].map(|c| between(c).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five frames are padded to eight bytes a row; the file says how long it is.
    #[test]
    fn a_picture_has_its_size_and_survives_what_is_no_number() {
        let mut values = vec![0.5; 15];
        values[3] = f32::NAN;
        values[4] = f32::INFINITY;
        let address = picture(&values, [3, 5]);
        let text = address.strip_prefix("data:image/bmp;base64,").unwrap();
        let length = (HEADER + 3 * 8) as u32;
        let bytes = Base64::decode_vec(text).unwrap();
        assert_eq!(bytes.len(), length as usize);
        assert_eq!(
            bytes[..6],
            [b"BM".as_slice(), &length.to_le_bytes()].concat()
        );
        assert_eq!(picture(&[], [0, 0]).len(), 22 + HEADER.div_ceil(3) * 4);
    }

    #[test]
    fn colours_run_from_dark_to_light() {
        assert_eq!((colour(0.0), colour(1.0)), ([0, 0, 4], [252, 255, 164]));
        assert_eq!(colour(0.5), [188, 55, 84]);
    }
}
