//! Every op, every case, every rung: finite differences against the f64 reference, kernels against the reference.

use gtzan_gpu::gpu::{AdapterChoice, Gpu};
use gtzan_gpu::gradcheck::Scope;
use gtzan_gpu::ops::DeviceClass;

fn gpu() -> Gpu {
    Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter")
}

#[test]
fn every_gradient_of_every_rung() {
    all_hold(&gpu(), Scope::Every);
}

/// What each kind of device runs by default, here on whatever adapter there is: the rungs together, with what else depends on the kind.
#[test]
fn every_gradient_of_the_defaults_of_both_kinds_of_devices() {
    for kind in [DeviceClass::Hardware, DeviceClass::Software] {
        all_hold(&gpu().with_defaults_of(kind), Scope::Default);
    }
}

fn all_hold(gpu: &Gpu, scope: Scope) {
    let rows = gtzan_gpu::gradcheck::run(None, Some(gpu), scope, |_| {}).expect("all cases run");
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
