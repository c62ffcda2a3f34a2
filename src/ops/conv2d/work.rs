//! What a convolution costs at least, per direction.

use super::Epilogue;
use crate::ops::{Problem, Work};

/// Elements of x, w and y.
fn sizes(p: &Problem) -> [u64; 3] {
    let product = |names: &[&str]| names.iter().map(|n| p.get(n) as u64).product::<u64>();
    let pooled = if p.get("epilogue") == Epilogue::ReluMaxPool2 as usize {
        2
    } else {
        1
    };
    let y = product(&["n", "k"]) * (p.get("oh") / pooled * (p.get("ow") / pooled)) as u64;
    [
        product(&["n", "c", "h", "w"]),
        product(&["k", "c", "kh", "kw"]),
        y,
    ]
}

/// Bytes of what tells backward where dy passes: nothing, y, or argmax.
fn mask(p: &Problem, y: u64) -> u64 {
    match p.get("epilogue") {
        e if e == Epilogue::ReluMaxPool2 as usize => y,
        e if e == Epilogue::Relu as usize => 4 * y,
        _ => 0,
    }
}

fn multiply_adds(p: &Problem) -> u64 {
    let all = ["n", "k", "oh", "ow", "c", "kh", "kw"];
    all.iter().map(|n| p.get(n) as u64).product()
}

/// Reads x, w, b; writes y, and argmax when pooled.
pub(super) fn forward(p: &Problem) -> Work {
    let [x, w, y] = sizes(p);
    let pooled = p.get("epilogue") == Epilogue::ReluMaxPool2 as usize;
    Work {
        flops: 2 * multiply_adds(p),
        bytes: 4 * (x + w + p.get("k") as u64 + y) + if pooled { y } else { 0 },
    }
}

/// Reads dy and its mask, w; writes dx.
pub(super) fn backward_input(p: &Problem) -> Work {
    let [x, w, y] = sizes(p);
    Work {
        flops: 2 * multiply_adds(p),
        bytes: 4 * (x + w + y) + mask(p, y),
    }
}

/// Reads dy and its mask, x; writes dw.
pub(super) fn backward_weight(p: &Problem) -> Work {
    backward_input(p)
}

/// Reads dy and its mask; writes db.
pub(super) fn backward_bias(p: &Problem) -> Work {
    let [_, _, y] = sizes(p);
    Work {
        flops: y,
        bytes: 4 * (y + p.get("k") as u64) + mask(p, y),
    }
}
