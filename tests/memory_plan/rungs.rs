//! Rungs that are asked for by name: where they run under every kind of plan, and that their memory is planned.

use crate::budgets::tapes;
use gtzan_gpu::error::{ErrorKind, Result};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::{Capabilities, Choices, DeviceClass, Rungs};
use gtzan_gpu::plan::budget::{Fitted, Request, fit};
use gtzan_gpu::plan::where_asked;

fn gpu(f16: bool) -> Capabilities {
    Capabilities {
        f16,
        ..Capabilities::portable(DeviceClass::Hardware)
    }
}

/// `small` at batch 8, and what is said of the rungs.
fn plan(
    rungs: &str,
    capabilities: &Capabilities,
    budget: Option<u64>,
    micro_batches: Option<usize>,
) -> Result<(Fitted, Vec<String>)> {
    let rungs: Rungs = rungs.parse()?;
    let mut choices = Choices::default();
    rungs.prefer_in(&mut choices);
    let request = Request {
        budget,
        batch: 8,
        micro_batches,
        may_reside: true,
        may_recompute: true,
        capabilities,
        choices: &choices,
    };
    let model = Model::load("small")?;
    let fitted = fit(&request, |cut| tapes(&model, 100, cut))?;
    let schedules = fitted.programs.iter().map(|p| &p.schedule);
    let said = where_asked(&rungs, schedules, capabilities)?;
    Ok((fitted, said))
}

/// In training and evaluation, recomputed or not, whole or in micro-batches.
#[test]
fn asked_for_rungs_run_under_every_plan() {
    let device = gpu(true);
    let rungs = "conv2d:half,dense:half";
    let (free, _) = plan(rungs, &device, None, None).expect("fits");
    let bytes = free.plan.total_bytes();
    let (mut recomputed, mut cut) = (false, false);
    for (budget, parts) in [
        (None, None),
        (None, Some(4)),
        (Some(bytes / 2), None),
        (Some(bytes / 3), None),
    ] {
        let (fitted, said) = plan(rungs, &device, budget, parts).expect("fits");
        assert!(said.is_empty(), "{said:?}");
        recomputed |= !fitted.recomputed.is_empty();
        cut |= fitted.cut.micro_batches > 1;
        for (i, program) in fitted.programs.iter().enumerate() {
            let s = &program.schedule;
            let ladders = [
                "conv2d.forward",
                "conv2d.backward_input",
                "conv2d.backward_weight",
            ];
            let dense = [
                "dense.forward",
                "dense.backward_input",
                "dense.backward_weight",
            ];
            let asked = |family: &str| ladders.contains(&family) || dense.contains(&family);
            let chosen = s.chosen.iter().filter(|c| asked(c.family));
            let rungs: Vec<&str> = chosen.map(|c| c.rung).collect();
            assert!(
                rungs.len() >= 5 && rungs.iter().all(|r| *r == "half"),
                "{rungs:?}"
            );
            // Its factors in f16 have a place in the plan.
            let items = s.items.iter().zip(&fitted.plan.programs[i].places);
            let mut halves = items.filter(|(item, _)| item.workspace && item.name.ends_with("f16"));
            assert!(halves.by_ref().all(|(_, place)| place.is_some()));
            assert!(
                s.items
                    .iter()
                    .any(|i| i.workspace && i.name.ends_with("x, f16"))
            );
        }
    }
    assert!(recomputed && cut, "budgets that do neither");
}

#[test]
fn what_a_rung_cannot_take_runs_as_without_it_and_is_told() {
    let device = gpu(false);
    let (with, said) = plan("conv2d.forward:few_channels", &device, None, None).expect("fits");
    let [line] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!(
        line,
        "rungs: conv2d.forward:few_channels runs 1 of 3 problems; conv2 runs implicit_gemm, conv3 runs implicit_gemm (at most 4 input channels)"
    );
    // Of an op one of its ladders is enough, and each is told of.
    let (_, said) = plan("conv2d:few_channels", &device, None, None).expect("fits");
    assert_eq!(said.len(), 2, "{said:?}");
    // On this device the default is the same rung for the first layer, and for the others what it is without.
    let (without, _) = plan("dense.backward_weight:workgroup", &device, None, None).expect("fits");
    let of = |fitted: &Fitted| -> Vec<&str> {
        let chosen = fitted.programs[0].schedule.chosen.iter();
        chosen.map(|c| c.rung).collect()
    };
    assert_eq!(of(&with), of(&without));
}

#[test]
fn a_rung_that_can_run_nowhere_is_refused_with_its_reason() {
    let refused = |rungs: &str, kind: ErrorKind, parts: &[&str]| {
        let error = plan(rungs, &gpu(false), None, None).expect_err(rungs);
        assert_eq!(error.kind(), kind, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{error}");
        }
    };
    let f16 = "needs 16-bit floats in shaders, which this device does not offer";
    refused(
        "dense.forward:workgroup,conv2d:half",
        ErrorKind::Device,
        &["--rungs conv2d:half can't run", f16],
    );
    refused(
        "conv2d.forward:pointwise",
        ErrorKind::Device,
        &["does not pool what it computes"],
    );
    refused(
        "avg_pool2d:naive",
        ErrorKind::Usage,
        &["--rungs avg_pool2d:naive is without effect on this model"],
    );
}
