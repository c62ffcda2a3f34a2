//! Uncompressed sample encodings, shared by the AU and WAV readers.
//!
//! Scaling is libsndfile's (what `librosa.load` sees): an integer of `b` bits is divided by 2^(b-1), so full scale is
//! [-1, 1); floats pass through unscaled.

/// How one sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 8-bit unsigned, 128 is silence (WAV).
    U8,
    /// 8-bit signed (AU).
    I8,
    I16,
    I24,
    I32,
    F32,
    F64,
    /// G.711 mu-law.
    MuLaw,
    /// G.711 A-law.
    ALaw,
}

/// Byte order of multi-byte samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

impl Encoding {
    /// Bytes of one sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::MuLaw | Self::ALaw => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Decodes every whole sample of `bytes` and appends it to `out`; a partial sample at the end is left out.
    pub fn decode(self, endian: Endian, bytes: &[u8], out: &mut Vec<f32>) {
        out.reserve(bytes.len() / self.bytes());
        match self {
            Self::U8 => out.extend(bytes.iter().map(|&b| (f32::from(b) - 128.0) / 128.0)),
            Self::I8 => out.extend(bytes.iter().map(|&b| f32::from(b as i8) / 128.0)),
            Self::MuLaw => out.extend(bytes.iter().map(|&b| mu_law(b))),
            Self::ALaw => out.extend(bytes.iter().map(|&b| a_law(b))),
            Self::I16 => words(endian, bytes, out, |b| {
                f32::from(i16::from_be_bytes(b)) / 32_768.0
            }),
            Self::I24 => words(endian, bytes, out, |[a, b, c]| {
                (i32::from_be_bytes([a, b, c, 0]) >> 8) as f32 / 8_388_608.0
            }),
            Self::I32 => words(endian, bytes, out, |b| {
                i32::from_be_bytes(b) as f32 / 2_147_483_648.0
            }),
            Self::F32 => words(endian, bytes, out, f32::from_be_bytes),
            Self::F64 => words(endian, bytes, out, |b| f64::from_be_bytes(b) as f32),
        }
    }
}

/// Applies `to_f32` (which takes big-endian bytes) to every `N`-byte word.
fn words<const N: usize>(
    endian: Endian,
    bytes: &[u8],
    out: &mut Vec<f32>,
    to_f32: impl Fn([u8; N]) -> f32,
) {
    let (whole, _partial) = bytes.as_chunks::<N>();
    out.extend(whole.iter().map(|&word| {
        let mut word = word;
        if endian == Endian::Little {
            word.reverse();
        }
        to_f32(word)
    }));
}

/// ITU-T G.711 mu-law expansion: complemented sign, 3-bit exponent and 4-bit mantissa around a bias of 132 (16-bit scale).
fn mu_law(byte: u8) -> f32 {
    let b = !byte;
    let magnitude = (((i32::from(b & 0x0f) << 3) + 132) << ((b >> 4) & 7)) - 132;
    let sample = if b & 0x80 != 0 { -magnitude } else { magnitude };
    sample as f32 / 32_768.0
}

/// ITU-T G.711 A-law expansion: even bits inverted, a set sign bit means positive (16-bit scale).
fn a_law(byte: u8) -> f32 {
    let b = byte ^ 0x55;
    let mantissa = i32::from(b & 0x0f) << 4;
    let magnitude = match (b >> 4) & 7 {
        0 => mantissa + 8,
        exponent => (mantissa + 0x108) << (exponent - 1),
    };
    let sample = if b & 0x80 != 0 { magnitude } else { -magnitude };
    sample as f32 / 32_768.0
}
