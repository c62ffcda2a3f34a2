//! Every way to cut a batch into what goes through at a time: samples, or rows of a sample.

use crate::ops::Window;
use std::ops::Range;

/// Samples `0..n` in equal chunks whose packed copies, of `sample_bytes` each, stay below `cap` bytes (one sample is
/// always taken). Never empty.
pub fn equal_chunks(n: usize, sample_bytes: usize, cap: u64) -> Vec<Range<usize>> {
    let most = (cap as usize / sample_bytes.max(1)).clamp(1, n);
    let size = n.div_ceil(n.div_ceil(most));
    (0..n)
        .step_by(size)
        .map(|first| first..n.min(first + size))
        .collect()
}

/// Samples of a chunk: the most, in whole groups of `group` (or all `n`), whose planes stay below `cap` bytes; at least one group.
pub fn whole_groups(n: usize, group: usize, per_sample: usize, cap: u64) -> usize {
    let least = group.min(n);
    match (cap as usize / per_sample).clamp(least, n) {
        most if most == n => n,
        most => most / group * group,
    }
}

/// Some samples, all rows of each; or some rows of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub samples: Range<usize>,
    pub rows: Range<usize>,
}

impl Chunk {
    /// `(sample, first column)` of each sample, when a sample takes `columns` columns.
    pub fn placed(&self, columns: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let first = self.samples.start;
        self.samples
            .clone()
            .map(move |s| (s, (s - first) * columns))
    }
}

/// `n` samples of `rows` rows, in chunks whose numbers of samples and rows `fit`, at `step` rows and one sample at least. No chunk
/// crosses a multiple of `group` samples.
pub fn chunks(
    n: usize,
    rows: usize,
    step: usize,
    group: usize,
    fit: impl Fn(usize, usize) -> bool,
) -> Vec<Chunk> {
    let most = (1..=group.min(n)).rev().find(|&samples| fit(samples, rows));
    let groups = (0..n)
        .step_by(group)
        .map(|first| first..n.min(first + group));
    if let Some(most) = most {
        let split = |g: Range<usize>| {
            let end = g.end;
            g.step_by(most).map(move |first| Chunk {
                samples: first..end.min(first + most),
                rows: 0..rows,
            })
        };
        return groups.flat_map(split).collect();
    }
    let most = (1..=rows / step)
        .rev()
        .map(|r| r * step)
        .find(|&r| fit(1, r));
    let most = most.unwrap_or(step);
    // Bands of equal size, so that none is a remnant; unless they begin where more rows are read.
    let equal = rows.div_ceil(rows.div_ceil(most)).next_multiple_of(step);
    let band = if fit(1, equal) { equal } else { most };
    let bands = |sample| {
        (0..rows).step_by(band).map(move |first| Chunk {
            samples: sample..sample + 1,
            rows: first..rows.min(first + band),
        })
    };
    (0..n).flat_map(bands).collect()
}

/// Rows `first..end` of the output (of 2x2 blocks of it in forward), and the rows of x that they read.
pub struct Band {
    pub first: usize,
    pub end: usize,
    /// First row of x.
    pub top: usize,
}

/// All `rows`, of which each covers `size` rows of x, in bands whose rows of x fit a window.
pub fn bands(rows: usize, size: usize, w: usize) -> impl Iterator<Item = Band> {
    let most = ((Window::ELEMENTS / w).saturating_sub(2) / size).max(1);
    let most = rows.div_ceil(rows.div_ceil(most));
    (0..rows).step_by(most).map(move |first| Band {
        first,
        end: rows.min(first + most),
        top: (size * first).saturating_sub(1),
    })
}

/// Rows `0..rows` in bands, as long as each may be: `fits` says whether a band does. A single row is one whether it fits or not.
pub fn longest_bands(rows: usize, fits: impl Fn(&Range<usize>) -> bool) -> Vec<Range<usize>> {
    let mut bands = Vec::new();
    let mut start = 0;
    for row in 0..rows {
        if row > start && !fits(&(start..row + 1)) {
            bands.push(start..row);
            start = row;
        }
    }
    bands.push(start..rows);
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: usize = 16 << 20;

    #[test]
    fn chunks_cover_every_sample_once_and_stay_small() {
        for (n, bytes) in [
            (1, 1),
            (8, 3 << 20),
            (7, 20 << 20),
            (64, 1 << 20),
            (5, 4 << 20),
        ] {
            let chunks = equal_chunks(n, bytes, CAP as u64);
            let samples: Vec<usize> = chunks.iter().cloned().flatten().collect();
            assert_eq!(samples, (0..n).collect::<Vec<_>>());
            assert!(
                chunks
                    .iter()
                    .all(|c| c.len() == 1 || c.len() * bytes <= CAP)
            );
            assert!(chunks.iter().all(|c| c.len() <= chunks[0].len()));
        }
    }

    #[test]
    fn chunks_are_whole_groups_within_the_cap() {
        assert_eq!(whole_groups(8, 1, 1 << 20, 3 << 20), 3);
        assert_eq!(whole_groups(8, 1, 5 << 20, 1 << 20), 1);
        assert_eq!(whole_groups(9, 4, 1 << 20, 6 << 20), 4);
        assert_eq!(whole_groups(9, 4, 1 << 20, 1 << 20), 4);
        assert_eq!(whole_groups(3, 4, 1 << 20, 1 << 20), 3);
        assert_eq!(whole_groups(9, 4, 1 << 20, 64 << 20), 9);
    }

    #[test]
    fn chunks_cover_every_row_once_and_respect_groups() {
        for (n, rows, step, group, most) in [
            (8, 93, 2, 1, 20),
            (9, 4, 2, 4, 9),
            (5, 7, 1, 5, 100),
            (3, 10, 2, 4, 1),
        ] {
            let all = chunks(n, rows, step, group, |s, r| s * r <= most);
            let mut seen = vec![0; n * rows];
            for chunk in &all {
                assert!(chunk.rows.start.is_multiple_of(step));
                assert_eq!(chunk.samples.start / group, (chunk.samples.end - 1) / group);
                for s in chunk.samples.clone() {
                    for r in chunk.rows.clone() {
                        seen[s * rows + r] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "{all:?}");
        }
    }

    #[test]
    fn bands_cover_all_rows_and_what_they_read_fits_a_window() {
        for (rows, size, w) in [
            (93, 2, 130),
            (187, 1, 130),
            (1, 2, 4000),
            (1000, 2, 2000),
            (5, 1, 7),
        ] {
            let mut next = 0;
            for band in bands(rows, size, w) {
                assert_eq!(band.first, next);
                assert!(band.top * w + Window::ELEMENTS >= (size * band.end + 1) * w);
                next = band.end;
            }
            assert_eq!(next, rows);
        }
    }
}
