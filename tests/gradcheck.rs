//! Every op, every case, every rung: finite differences against the f64 reference, kernels against the reference.

use gtzan_gpu::gpu::{AdapterChoice, Gpu};
use gtzan_gpu::gradcheck::{Checked, Scope, run};
use gtzan_gpu::ops::{DeviceClass, registry};

fn gpu() -> Gpu {
    Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter")
}

#[test]
fn every_gradient_of_every_rung() {
    let checked = all_hold(&gpu(), Scope::Every);
    every_rung_ran_or_says_why(&checked);
    tolerances_are_those_of_the_writer(&checked);
}

/// What each kind of device runs by default, here on whatever adapter there is: the rungs together, with what else depends on the kind.
#[test]
fn every_gradient_of_the_defaults_of_both_kinds_of_devices() {
    for kind in [DeviceClass::Hardware, DeviceClass::Software] {
        all_hold(&gpu().with_defaults_of(kind), Scope::Default);
    }
}

/// Every case of every op was checked, and held.
fn all_hold(gpu: &Gpu, scope: Scope) -> Checked {
    let checked = run(None, Some(gpu), scope, |_| {}).expect("all cases run");
    let rows = &checked.rows;
    let bad: Vec<String> = rows
        .iter()
        .filter(|r| !r.ok || r.gpu_error.is_none())
        .map(|r| format!("{r:?}"))
        .collect();
    assert!(
        bad.is_empty(),
        "{} of {} failed:\n{}",
        bad.len(),
        rows.len(),
        bad.join("\n")
    );
    for entry in registry() {
        let cases = (entry.cases)();
        assert!(!cases.is_empty(), "{} has no case", entry.name);
        for case in &cases {
            let mut own = rows
                .iter()
                .filter(|r| (r.op, r.case) == (entry.name, case.name));
            assert!(
                own.any(|r| r.rung == "default"),
                "{}, case '{}': nothing was checked",
                entry.name,
                case.name
            );
        }
    }
    checked
}

/// A rung that no case ran has a reason, and not only that no case asked.
fn every_rung_ran_or_says_why(checked: &Checked) {
    let rows = &checked.rows;
    for entry in registry() {
        let cases = (entry.cases)();
        for ladder in entry.ladders {
            for rung in ladder.rungs() {
                let name = format!("{ladder:?}:{}", rung.name);
                let found = &checked.rungs.get(&(ladder.name(), rung.name));
                let found = found.unwrap_or_else(|| panic!("{name}: neither ran nor was left out"));
                let forced = rows.iter().any(|r| r.rung == name);
                let reasons: Vec<_> = found.left.keys().collect();
                assert!(reasons.iter().all(|why| !why.is_empty()), "{name}");
                // Every case but those with a reason ran.
                let left: usize = found.left.values().sum();
                assert!(found.ran + left >= cases.len(), "{name}: {found:?}");
                // A case may pose no problem to a ladder, but not all of them; what else keeps a rung away is the device's.
                assert!(
                    forced
                        || found.ran > 0
                        || reasons.iter().any(|why| !why.contains("poses no such")),
                    "{name} never ran, and no reason was given: {reasons:?}"
                );
            }
        }
    }
}

/// A tensor is granted the rounding of the rung that wrote it, whatever computes the others.
fn tolerances_are_those_of_the_writer(checked: &Checked) {
    let rows = &checked.rows;
    let mut compared = std::collections::BTreeMap::new();
    let directions = [
        ("forward", "y"),
        ("backward_input", "d0"),
        ("backward_weight", "d1"),
    ];
    for entry in registry() {
        let ladders = entry.ladders.iter().filter(|l| {
            let op = l.name().split('.').next();
            ["conv2d", "dense"].contains(&op.unwrap_or_default())
        });
        for ladder in ladders {
            let direction = ladder.name().split('.').nth(1);
            let Some((_, tensor)) = directions.iter().find(|d| Some(d.0) == direction) else {
                continue;
            };
            for rung in ladder.rungs() {
                let name = format!("{ladder:?}:{}", rung.name);
                for row in rows
                    .iter()
                    .filter(|r| r.rung == name && r.tensor == *tensor)
                {
                    *compared.entry((ladder.name(), rung.name)).or_insert(0) += 1;
                    let cases = (entry.cases)();
                    let case = cases.iter().find(|c| c.name == row.case).expect("a case");
                    assert_eq!(
                        row.tolerance,
                        case.op.tolerance() * rung.rounding,
                        "{row:?}"
                    );
                }
            }
        }
    }
    // Of each direction of both ops several rungs, one of them with a rounding of its own.
    for op in ["conv2d", "dense"] {
        for (direction, _) in directions {
            let family = format!("{op}.{direction}");
            let rungs = compared.keys().filter(|(f, _)| *f == family).count();
            assert!(rungs >= 2, "{family}: {compared:?}");
        }
    }
}
