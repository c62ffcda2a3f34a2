// Moments of sets of values, for a variance in one pass. Stands on lib/compensated.

// What is known of some values: how many, their sum, the sum of squared distances from their average.
struct Moments { count: f32, sum: Sum, squares: Sum }

// Moments of two sets together (Chan, Golub & LeVeque 1979): nothing large is subtracted from something large.
fn unite(a: Moments, b: Moments) -> Moments {
    let count = a.count + b.count;
    let d = b.sum.high / max(b.count, 1.0) - a.sum.high / max(a.count, 1.0);
    let between = d * d * (a.count * b.count / max(count, 1.0));
    return Moments(count, join(a.sum, b.sum), add(join(a.squares, b.squares), between));
}

// a with one block more: within a block values are summed as they are, which costs little accuracy; blocks with compensation.
fn add_block(a: Moments, count: f32, sum: f32, squares: f32) -> Moments {
    return unite(a, Moments(count, Sum(sum, 0.0), Sum(squares, 0.0)));
}
