// Backward through the ReLU of a dense layer. The kernel binds `dy` and `y`, both [N,O].

override RELU: u32 = 0u;

// dy[n,o] seen through ReLU.
fn gradient(n: u32, o: u32) -> f32 {
    let at = n * params.o + o;
    if RELU == 1u && !(y[at] > 0.0) { return 0.0; }
    return dy[at];
}
