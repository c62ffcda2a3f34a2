// Sums that keep what rounding takes: about twice the digits of one f32. The kernel sets `zero = step.reserved[0]` first.

// A sum and what rounding took from it: high + low carries about twice the digits of one f32.
struct Sum { high: f32, low: f32 }

var<private> zero: u32; // a reserved word of step

// x itself. Compilers may treat floats as real numbers (Metal's do unless told otherwise), for which low below is 0, and would delete it;
// they can't see through this, because only the host knows that the reserved words of Step are 0.
fn opaque(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ zero);
}

// x + y with the rounding error of the addition in low (TwoSum, Knuth 1969). Every difference is opaque: of any two that are not, the
// compiler may cancel what stands in both.
fn two_sum(x: f32, y: f32) -> Sum {
    let high = opaque(x + y);
    let of_y = opaque(high - x); // the part of y that arrived
    let of_x = opaque(high - of_y);
    return Sum(high, opaque(x - of_x) + opaque(y - of_y));
}

// a + v; what was lost so far goes in with v (Kahan 1965), or low itself, a plain sum, would drift.
fn add(a: Sum, v: f32) -> Sum {
    return two_sum(a.high, v + a.low);
}

// Two sums together.
fn join(a: Sum, b: Sum) -> Sum {
    let sum = two_sum(a.high, b.high);
    return Sum(sum.high, sum.low + (a.low + b.low));
}
