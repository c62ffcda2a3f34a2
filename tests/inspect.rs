//! `gtzan-gpu inspect` against what the same compiler prints. Where Mesa's RADV is not installed, the program has to say so.

use serde_json::Value;
use std::process::{Command, Output};

fn inspect(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"))
        .arg("inspect")
        .args(args)
        .output()
        .expect("the program starts")
}

/// What it printed; none where RADV is not installed, which the program must have said with a way out.
fn printed(args: &[&str]) -> Option<String> {
    let output = inspect(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    if gtzan_gpu::inspect::radv::find().is_none() {
        assert!(!output.status.success());
        assert!(errors.contains("mesa-vulkan-drivers"), "{errors}");
        eprintln!("not checked: Mesa's RADV is not installed");
        return None;
    }
    assert!(output.status.success(), "{args:?}: {errors}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// The driver counts its instructions itself; the listing has as many lines of code, kernel by kernel.
#[test]
fn figures_are_those_of_the_listing() {
    for chip in ["gfx1100", "navi21"] {
        let target = ["dense.forward", "--model", "small", "--target", chip];
        let Some(json) = printed(&[&target[..], &["--json"]].concat()) else {
            return;
        };
        let report: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(report["target"], chip);
        let kernels = report["kernels"].as_array().expect("a list");
        assert!(kernels.iter().any(|k| k["default"] == true));
        assert!(kernels.iter().any(|k| k["default"] == false));
        let listing = printed(&[&target[..], &["--isa=all"]].concat()).expect("as before");
        // (instructions, fused multiply-adds) of each kernel.
        let mut counts: Vec<(u64, u64)> = Vec::new();
        for line in listing.lines().skip(1) {
            if let Some(code) = line.strip_prefix("  \t") {
                let count = counts.last_mut().expect("a title comes first");
                count.0 += 1;
                count.1 += u64::from(code.starts_with("v_fma"));
            } else if !line.starts_with(' ') {
                counts.push((0, 0));
            }
        }
        assert_eq!(counts.len(), kernels.len());
        for (kernel, (instructions, multiply_adds)) in kernels.iter().zip(counts) {
            assert_eq!(kernel["instructions"], instructions, "{kernel}");
            assert!(kernel["registers"].as_u64().is_some_and(|r| r > 0));
            assert!(kernel["waves_per_simd"].as_u64().is_some_and(|w| w > 0));
            let hot = &kernel["hot_loop"];
            if let Some(inside) = hot["multiply_adds"].as_u64() {
                assert!(
                    inside <= multiply_adds && hot["instructions"].as_u64() < Some(instructions)
                );
            }
        }
    }
}

/// A wrong name is a sentence, also where the driver would end the process.
#[test]
fn wrong_names_are_named() {
    for (args, part) in [
        (["conv2d", "--target", "gfx9999"], "gfx9999"),
        (["conv2d", "--target", "../x"], "../x"),
        (["conv3d", "--target", "gfx1100"], "conv3d"),
    ] {
        let output = inspect(&args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.starts_with("error: ") && errors.lines().count() == 1,
            "{errors}"
        );
        if gtzan_gpu::inspect::radv::find().is_some() {
            assert_eq!(output.status.code(), Some(2), "{errors}");
            assert!(errors.contains(part), "{errors}");
        }
    }
}
