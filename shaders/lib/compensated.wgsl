// Sums that keep what rounding takes: about twice the digits of one f32. The kernel sets `zero = step.reserved[0]` first.

// A sum and what rounding took from it: high + low carries about twice the digits of one f32.
struct Sum { high: f32, low: f32 }

var<private> zero: u32; // a reserved word of step

// x itself. Compilers may treat floats as real numbers, for which low below is 0, and would delete it; they can't see through this,
// because only the host knows that the reserved words of Step are 0.
fn opaque(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ zero);
}

// a + v with the rounding error of the addition in low (TwoSum, Knuth 1969; as a sum: Ogita, Rump & Oishi 2005).
fn add(a: Sum, v: f32) -> Sum {
    let high = opaque(a.high + v);
    let of_v = opaque(high - a.high); // the part of v that arrived
    return Sum(high, a.low + ((a.high - (high - of_v)) + (v - of_v)));
}

// Two sums together.
fn join(a: Sum, b: Sum) -> Sum {
    return add(Sum(a.high, a.low + b.low), b.high);
}
