//! The binary part of a page: numbers one behind the other, named by where they lie.

use serde::Serialize;

/// Bytes `offset..offset + bytes` of the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// First byte, a multiple of [`ALIGNMENT`].
    pub offset: usize,
    /// Number of bytes.
    pub bytes: usize,
}

/// What typed arrays of JavaScript want of an offset, of the largest element.
const ALIGNMENT: usize = 8;

/// Collects pieces; equal ones are stored once.
#[derive(Debug, Default)]
pub struct Blob {
    bytes: Vec<u8>,
    known: std::collections::HashMap<blake3::Hash, Piece>,
}

impl Blob {
    /// Add bytes, unless they are there already.
    pub fn add(&mut self, bytes: &[u8]) -> Piece {
        let hash = blake3::hash(bytes);
        if let Some(&known) = self.known.get(&hash) {
            return known;
        }
        let offset = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(offset, 0);
        self.bytes.extend_from_slice(bytes);
        let piece = Piece {
            offset,
            bytes: bytes.len(),
        };
        self.known.insert(hash, piece);
        piece
    }

    /// Everything, in whole words.
    pub fn into_bytes(mut self) -> Vec<u8> {
        let whole = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(whole, 0);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pieces_are_stored_once_and_all_are_aligned() {
        let mut blob = Blob::default();
        let first = blob.add(&[1, 2, 3]);
        let second = blob.add(&[4]);
        assert_eq!(blob.add(&[1, 2, 3]), first);
        assert_eq!((second.offset, second.bytes), (8, 1));
        assert_eq!(
            blob.into_bytes(),
            [1, 2, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
        );
    }
}
