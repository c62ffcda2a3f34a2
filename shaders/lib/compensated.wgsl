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

// The same numbers with high as near to their sum as an f32 can be (Fast2Sum, Dekker 1971): a low that only gathers errors is a plain sum
// itself, and drifts.
fn settled(high: f32, low: f32) -> Sum {
    let sum = opaque(high + low);
    return Sum(sum, low - opaque(sum - high));
}

// a + v (double-word plus one word: Joldes, Muller & Popescu 2017).
fn add(a: Sum, v: f32) -> Sum {
    let s = two_sum(a.high, v);
    return settled(s.high, a.low + s.low);
}

// Two sums together.
fn join(a: Sum, b: Sum) -> Sum {
    let s = two_sum(a.high, b.high);
    return settled(s.high, s.low + (a.low + b.low));
}
