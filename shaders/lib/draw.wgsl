// What augmentation does to one sample, as augment/draw leaves it and augment/apply reads it: five vec4s. All numbers are f32, whole
// ones too (exact below 2^24), so that a host can read them.
struct Draw {
    gain: f32,              // factor
    offset: f32,            // added after the factor
    weight: f32,            // share in the mixed sample
    pad0: f32,
    row_begin: vec4<f32>,   // masks over whole rows: row_begin[i] <= row < row_end[i] becomes 0; begin = end where there is none
    row_end: vec4<f32>,
    frame_begin: vec4<f32>, // masks over whole frames
    frame_end: vec4<f32>,
}
