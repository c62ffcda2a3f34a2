//! Every op, every case, every rung: finite differences against the f64 reference, kernels against the reference.

use gtzan_gpu::gpu::{AdapterChoice, Gpu};
use gtzan_gpu::gradcheck::Scope;

#[test]
fn every_gradient_of_every_rung() {
    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let rows =
        gtzan_gpu::gradcheck::run(None, Some(&gpu), Scope::Every, |_| {}).expect("all cases run");
    let bad: Vec<String> = rows
        .iter()
        .filter(|r| !r.ok)
        .map(|r| format!("{r:?}"))
        .collect();
    assert!(
        bad.is_empty(),
        "{} of {} failed:\n{}",
        bad.len(),
        rows.len(),
        bad.join("\n")
    );
}
