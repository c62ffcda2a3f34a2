//! The counter-based random numbers behind dropout masks.
//!
//! A counter-based generator has no state: number `i` of a stream is a hash of (key, i). So a mask is never stored; whoever
//! needs one of its bits, forward or backward, CPU or GPU, computes it again.

/// Threefry-2x32 with 20 rounds: two words from a key and a counter (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as
/// easy as 1, 2, 3", SC 2011; the generator of JAX). The WGSL files that need it hold the same function.
pub fn threefry_2x32(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let keys = [key[0], key[1], 0x1BD1_1BDA ^ key[0] ^ key[1]];
    let mut x = counter[0].wrapping_add(key[0]);
    let mut y = counter[1].wrapping_add(key[1]);
    for group in 0..5 {
        for r in ROTATIONS[group % 2] {
            x = x.wrapping_add(y);
            y = y.rotate_left(r) ^ x;
        }
        // Every four rounds the key goes in again, rotated, with the number of the group.
        x = x.wrapping_add(keys[(group + 1) % 3]);
        y = y
            .wrapping_add(keys[(group + 2) % 3])
            .wrapping_add(group as u32 + 1);
    }
    [x, y]
}

/// A uniform 16-bit number for element `index` of a batch: one call of [`threefry_2x32`] with key (seed, stream) and counter
/// (step, index / 4) serves four neighbouring elements, 16 bits each, low half of the first word first.
pub fn uniform_16(seed: u32, stream: u32, step: u32, index: u32) -> u32 {
    let words = threefry_2x32([seed, stream], [step, index / 4]);
    let word = words[(index as usize % 4) / 2];
    (word >> (16 * (index % 2))) & 0xFFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with the authors' Random123 library (`kat_vectors`).
    #[test]
    fn threefry_matches_random123() {
        assert_eq!(threefry_2x32([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(
            threefry_2x32([u32::MAX; 2], [u32::MAX; 2]),
            [0x1cb9_96fc, 0xbb00_2be7]
        );
        assert_eq!(
            threefry_2x32([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]),
            [0xc492_3a9c, 0x483d_f7a0]
        );
    }

    #[test]
    fn four_elements_share_two_words() {
        let [a, b] = threefry_2x32([7, 3], [11, 5]);
        let fields: Vec<u32> = (20..24).map(|i| uniform_16(7, 3, 11, i)).collect();
        assert_eq!(fields, [a & 0xFFFF, a >> 16, b & 0xFFFF, b >> 16]);
    }
}
