// Sizes of a 3x3 convolution by strips of row pairs, as conv2d/subgroup/forward computes it.
struct Params {
    first: u32, n: u32,          // samples first .. first+n of the batch are in this chunk
    quads: u32,                  // ceil(C/4)
    k: u32, h: u32, w: u32,      // the convolution: [N,K,H,W]
    ph: u32, pw: u32,            // y: [N,K,PH,PW]
    pairs: u32, rows: u32,       // row pairs that are computed; padded rows of a sample
    pitch: u32,                  // padded columns: even, at least W+1
    reserved: u32,
}
