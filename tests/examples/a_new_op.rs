//! The op of the book's chapter on an op of one's own, by the very text of its Rust file and its kernels (`docs/a-new-op/`, which
//! `tests/documents` holds to the chapter). From outside the crate, this module stands for the crate's `ops`, and the root of the test
//! for the crate's.

use crate::two_moons::moons;
use gtzan_gpu::ops::*;
use gtzan_gpu::tape::{Init, Tape};
use gtzan_gpu::tensor::Tensor;
use gtzan_gpu::{Classifier, Gpu, Learning, Mode, Result, gradcheck};
use std::collections::BTreeSet;

#[path = "../../docs/a-new-op/silu.rs"]
mod silu;

fn gpu() -> Gpu {
    Gpu::open(&Default::default()).unwrap()
}

/// Its reference by finite differences, its kernels by its reference, on each of its cases.
#[test]
fn the_chapters_op_is_proven() {
    let name = silu::ENTRY.name;
    // Whoever has followed the chapter in this checkout has the op built in, by the same text.
    if !registry().iter().any(|e| e.name == name) {
        register(silu::ENTRY).unwrap();
    }
    let checked = gradcheck::run(Some(name), Some(&gpu()), gradcheck::Scope::Every, |_| {});
    let rows = checked.unwrap().rows;
    let wrong: Vec<_> = rows.iter().filter(|r| !r.ok).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let both = |r: &&gradcheck::Row| r.fd_error.is_some() && r.gpu_error.is_some();
    let proven: BTreeSet<_> = rows.iter().filter(both).map(|r| r.case).collect();
    let cases: BTreeSet<_> = (silu::ENTRY.cases)().iter().map(|c| c.name).collect();
    assert!(cases.len() >= 3 && proven == cases, "{proven:?} {cases:?}");
}

/// Two dense layers, with SiLU between them or with nothing.
fn network(bent: bool) -> impl Fn(&mut Tape, &Tensor, Mode) -> Result<Tensor> {
    let dense = |tape: &mut Tape, x: &Tensor, name: &str, [fan_in, fan_out]: [usize; 2]| {
        let init = Init::GlorotUniform { fan_in, fan_out };
        let w = tape.parameter(&format!("{name}.weight"), [fan_out, fan_in], init);
        let b = tape.parameter(&format!("{name}.bias"), [fan_out], Init::Constant(0.0));
        tape.apply(Dense { relu: false }, &[x, &w, &b])
    };
    move |tape, x, _| {
        // 37 wide, so that no vec4 divides a row.
        let mut hidden = dense(tape, x, "fc1", [2, 37])?;
        if bent {
            hidden = tape.apply(silu::Silu, &[&hidden])?;
        }
        dense(tape, &hidden, "fc2", [37, 2])
    }
}

/// Without the op the network is a line, which is wrong about one point in eight.
#[test]
fn the_chapters_op_learns() {
    let gpu = gpu();
    let (x, y) = moons(512, 1);
    let (test_x, test_y) = moons(501, 2);
    let learn = |bent: bool| {
        let network = network(bent);
        let mut net = Classifier::new(&gpu, &network, [2], 2, Learning::at(1e-2)).unwrap();
        let losses = net.fit(&x, &y, 40).unwrap();
        (losses, net.evaluate(&test_x, &test_y).unwrap().accuracy)
    };
    let (losses, accuracy) = learn(true);
    assert!(losses.iter().all(|l| l.is_finite()), "{losses:?}");
    assert!(losses[39] < 0.1 * losses[0], "{losses:?}");
    assert!(accuracy > 0.98, "{accuracy}");
    let (_, line) = learn(false);
    assert!(line > 0.7 && line < 0.95, "{line}");
    // The same seed, the same bits.
    assert_eq!(learn(true), (losses, accuracy));
}
