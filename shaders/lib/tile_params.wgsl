// Sizes of a 3x3 convolution with stride 1 and 'same' padding, for the kernels that compute it in tiles.
struct Params {
    first: u32,                  // x holds samples first, first+1, … of the batch; the grid says how many
    c: u32, h: u32, w: u32,      // x: [chunk,C,H,W]
    k: u32,                      // w: [K,C,3,3]; the convolution: [N,K,H,W]
    ph: u32, pw: u32,            // y: [N,K,PH,PW]; H, W, or half of them when pooled
    reserved: u32,
}
