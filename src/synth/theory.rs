//! Notes, scales and chords, as MIDI numbers (69 is A at 440 Hz).

/// Frequency of a MIDI note in Hz.
pub(super) fn hz(note: f64) -> f64 {
    440.0 * 2f64.powf((note - 69.0) / 12.0)
}

pub(super) const MAJOR: &[i32] = &[0, 4, 7];
pub(super) const MINOR: &[i32] = &[0, 3, 7];
pub(super) const DOMINANT7: &[i32] = &[0, 4, 7, 10];
pub(super) const MAJOR7: &[i32] = &[0, 4, 7, 11];
pub(super) const MINOR7: &[i32] = &[0, 3, 7, 10];
pub(super) const MAJOR9: &[i32] = &[0, 4, 11, 14];
pub(super) const MINOR9: &[i32] = &[0, 3, 10, 14];
pub(super) const THIRTEENTH: &[i32] = &[0, 4, 10, 21];

pub(super) const MAJOR_SCALE: &[i32] = &[0, 2, 4, 5, 7, 9, 11];
pub(super) const MINOR_SCALE: &[i32] = &[0, 2, 3, 5, 7, 8, 10];
pub(super) const DORIAN: &[i32] = &[0, 2, 3, 5, 7, 9, 10];
pub(super) const PHRYGIAN: &[i32] = &[0, 1, 3, 5, 7, 8, 10];
pub(super) const BLUES_SCALE: &[i32] = &[0, 3, 5, 6, 7, 10];
pub(super) const MAJOR_PENTATONIC: &[i32] = &[0, 2, 4, 7, 9];
pub(super) const MINOR_PENTATONIC: &[i32] = &[0, 3, 5, 7, 10];

/// A chord by its root, in semitones above the key, and its tones above the root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chord(pub i32, pub &'static [i32]);

impl Chord {
    /// The root, at or above `low`, in the key of `key` (a MIDI note of any octave).
    pub(super) fn root(self, key: i32, low: i32) -> i32 {
        low + (key + self.0 - low).rem_euclid(12)
    }

    /// The tones in close position at or above `low`, lowest first.
    pub(super) fn voicing(self, key: i32, low: i32) -> Vec<i32> {
        let tone = |t: &i32| low + (key + self.0 + t - low).rem_euclid(12);
        let mut notes: Vec<i32> = self.1.iter().map(tone).collect();
        notes.sort_unstable();
        notes
    }
}

/// Note number `step` of a scale that starts at `root`; steps go on through the octaves, up and down.
pub(super) fn scale_note(root: i32, scale: &[i32], step: i32) -> i32 {
    let n = scale.len() as i32;
    root + 12 * step.div_euclid(n) + scale[step.rem_euclid(n) as usize]
}
