// F(4x4,3x3)'s matrices, each times a column (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): points 0, ±1, ±2 and
// infinity; sums that rows share are made once. The kernel says what a `Value` is: a number, or a vector of four channels.

struct Three { a: Value, b: Value, c: Value }
struct Four { a: Value, b: Value, c: Value, d: Value }
struct Six { a: Value, b: Value, c: Value, d: Value, e: Value, f: Value }

// Bᵀ: a tile of x.
fn of_tile(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value) -> Six {
    let p = e - 4.0 * c;
    let q = d - 4.0 * b;
    let r = e - c;
    let s = 2.0 * (d - b);
    return Six(4.0 * a - 5.0 * c + e, p + q, p - q, r + s, r - s, 4.0 * b - 5.0 * d + f);
}

// G: a filter.
fn of_filter(x: Value, y: Value, z: Value) -> Six {
    let p = (x + z) / -6.0;
    let q = y / 6.0;
    let r = (x + 4.0 * z) / 24.0;
    let s = y / 12.0;
    return Six(x / 4.0, p - q, p + q, r + s, r - s, z);
}

// Aᵀ: the products of a tile become its outputs.
fn to_outputs(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value) -> Four {
    let p = b + c;
    let q = b - c;
    let r = d + e;
    let s = d - e;
    return Four(a + p + r, q + 2.0 * s, p + 4.0 * r, q + 8.0 * s + f);
}

// A: a tile of dy, the adjoint of the outputs.
fn of_gradient(a: Value, b: Value, c: Value, d: Value) -> Six {
    let p = a + c;
    let q = b + d;
    let r = a + 4.0 * c;
    let s = 2.0 * b + 8.0 * d;
    return Six(a, p + q, p - q, r + s, r - s, d);
}

// Gᵀ: sums of products become dw, the adjoint of a filter.
fn to_filter(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value) -> Three {
    let p = (b + c) / 6.0;
    let q = (d + e) / 24.0;
    return Three(a / 4.0 - p + q, (c - b) / 6.0 + (d - e) / 12.0, 4.0 * q - p + f);
}
