// F(2x2,3x3)'s matrices, each times a column (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): points 0, 1, -1 and
// infinity. The kernel says what a `Value` is: a number, or a vector of four channels.

struct Two { a: Value, b: Value }
struct Three { a: Value, b: Value, c: Value }
struct Four { a: Value, b: Value, c: Value, d: Value }

// Bᵀ: a tile of x.
fn of_tile(a: Value, b: Value, c: Value, d: Value) -> Four {
    return Four(a, b, c, d); // TODO
}

// G: a filter.
fn of_filter(x: Value, y: Value, z: Value) -> Four {
    let p = 0.5 * (x + z);
    let q = 0.5 * y;
    return Four(x, p + q, p - q, z);
}

// Aᵀ: the products of a tile become its outputs.
fn to_outputs(a: Value, b: Value, c: Value, d: Value) -> Two {
    return Two(a + b + c, b - c - d);
}

// A: a tile of dy, the adjoint of the outputs.
fn of_gradient(a: Value, b: Value) -> Four {
    return Four(a, a + b, a - b, -b);
}

// Gᵀ: sums of products become dw, the adjoint of a filter.
fn to_filter(a: Value, b: Value, c: Value, d: Value) -> Three {
    let p = 0.5 * (b + c);
    return Three(a + p, 0.5 * (b - c), p + d);
}
