//! Event files read with nothing of what wrote them: records framed and checked bit by bit, messages taken apart by hand.

use std::collections::BTreeMap;
use std::path::Path;

/// CRC-32C by the book: the polynomial's bits, reversed.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| match c & 1 {
            0 => c >> 1,
            _ => c >> 1 ^ 0x82f6_3b78,
        })
    })
}

fn masked(bytes: &[u8]) -> u32 {
    let crc = crc(bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().unwrap())
}

/// The whole records of a file.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while rest.len() >= 16 {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(
            word(&rest[8..]),
            masked(&rest[..8]),
            "the length's checksum"
        );
        if rest.len() < length + 16 {
            break;
        }
        let body = &rest[12..12 + length];
        assert_eq!(
            word(&rest[12 + length..]),
            masked(body),
            "the event's checksum"
        );
        found.push(body);
        rest = &rest[length + 16..];
    }
    found
}

/// A message's fields: number, and value or bytes.
fn fields(bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut at = 0;
    let varint = |at: &mut usize| {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    };
    let mut found = Vec::new();
    while at < bytes.len() {
        let key = varint(&mut at);
        let (value, length) = match key & 7 {
            0 => (varint(&mut at), 0),
            1 => (u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()), 8),
            2 => (0, varint(&mut at) as usize),
            5 => (word(&bytes[at..]).into(), 4),
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, value, &bytes[at..at + length]));
        at += length;
    }
    found
}

/// Steps and numbers by tag, after what restarts take back; histograms and pictures are numbered by their bytes.
pub type Told = BTreeMap<String, Vec<(i64, f32)>>;

/// What the event files of a folder say, in the order of their names.
pub fn told(folder: &Path) -> Told {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let mut told = Told::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let records = records(&bytes);
        let version = fields(records[0]).into_iter().find(|f| f.0 == 3).unwrap();
        assert_eq!(version.2, b"brain.Event:2");
        for record in records {
            event(record, &mut told);
        }
    }
    told
}

fn event(record: &[u8], told: &mut Told) {
    let fields_of = fields(record);
    let find = |number: u64| fields_of.iter().find(|f| f.0 == number);
    let step = find(2).map_or(0, |f| f.1 as i64);
    assert!(
        f64::from_bits(find(1).unwrap().1) > 1.6e9,
        "a time in seconds"
    );
    if let Some((_, _, log)) = find(7) {
        assert_eq!(fields(log)[0].1, 1, "a start");
        told.values_mut().for_each(|all| all.retain(|t| t.0 < step));
    }
    let Some((_, _, summary)) = find(5) else {
        return;
    };
    for (_, _, value) in fields(summary) {
        let parts = fields(value);
        let tag = parts.iter().find(|p| p.0 == 1).unwrap().2;
        let tag = String::from_utf8(tag.to_vec()).unwrap();
        let number = match parts.iter().find(|p| p.0 == 2) {
            Some(number) => f32::from_bits(number.1 as u32),
            None => parts.iter().map(|p| p.2.len()).sum::<usize>() as f32,
        };
        told.entry(tag).or_default().push((step, number));
    }
}
