//! Rungs that a user asks for by name: that they run, that runs with them go on, and what is refused.

use crate::common::gpu;
use crate::place::{Place, tensors, train};

const NAIVE: &str = "conv2d:naive,dense.forward:naive";

fn read(place: &Place, file: &str) -> String {
    std::fs::read_to_string(place.path(file)).expect(file)
}

fn same_weights(place: &Place, a: &str, b: &str) -> bool {
    let of = |run: &str| tensors(&place.path(run).join("checkpoint.safetensors"));
    of(a) == of(b)
}

/// They run (a run's report times the kernels of a step), are saved, and a run that stopped goes on with them.
#[test]
fn a_run_trains_with_the_rungs_that_were_asked_for() {
    let place = Place::new();
    let with = |rungs: &'static str, more: &[&'static str]| {
        train(&[&["--rungs", rungs][..], more].concat())
    };
    place.ok(&with(NAIVE, &["--epochs", "2", "--run", "whole"]));
    place.ok(&train(&["--epochs", "1", "--run", "default"]));
    let kernels = [
        "conv2d/naive/forward",
        "conv2d/naive/backward_weight",
        "dense/naive/forward",
    ];
    let (report, other) = (
        read(&place, "whole/report.html"),
        read(&place, "default/report.html"),
    );
    for kernel in kernels {
        assert!(report.contains(kernel), "{kernel}");
    }
    assert!(!other.contains("conv2d/naive"), "by default");
    let saved = format!("rungs = \"{NAIVE}\"");
    assert!(read(&place, "whole/config.toml").contains(&saved));
    assert!(report.contains(NAIVE) && read(&place, "whole/metrics.json").contains(NAIVE));

    place.ok(&with(NAIVE, &["--epochs", "1", "--run", "parts"]));
    place.ok(&["train", "--resume", "parts", "--epochs", "2"]);
    assert!(same_weights(&place, "whole", "parts"));
    place.ok(&["train", "--config", "whole/config.toml", "--run", "again"]);
    assert!(same_weights(&place, "whole", "again"));
    let error = place.fails(&["train", "--resume", "whole", "--rungs", "dense:naive"], 2);
    assert!(error.contains("another --rungs"), "{error}");

    // In folds and in parts of a batch, within a budget.
    let more = [
        "--folds",
        "2",
        "--epochs",
        "1",
        "--micro-batches",
        "2",
        "--vram",
        "1GiB",
        "--run",
        "folds",
    ];
    place.ok(&with("conv2d.forward:naive", &more));
    for fold in ["folds/fold-0", "folds/fold-1"] {
        let report = read(&place, &format!("{fold}/report.html"));
        assert!(report.contains("conv2d/naive/forward"), "{fold}");
        assert!(!report.contains("conv2d/naive/backward"), "{fold}");
    }
}

#[test]
fn plan_and_profile_take_the_same_rungs() {
    let place = Place::new();
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&place.ok(args)).expect("JSON")
    };
    let profile = [
        "profile",
        "--model",
        "toy.toml",
        "--batch-size",
        "2",
        "--repeats",
        "1",
        "--json",
    ];
    let found = json(&[&profile[..], &["--rungs", NAIVE]].concat());
    let ops = found["ops"].as_array().expect("rows");
    let of = |op: &'static str| ops.iter().filter(move |r| r["op"] == op);
    for kernel in ["conv2d/naive/forward", "conv2d/naive/backward_weight"] {
        let own =
            |r: &serde_json::Value| r["kernel"].as_str().is_some_and(|k| k.starts_with(kernel));
        assert!(of("conv2d").any(own), "{kernel}: {ops:?}");
    }
    assert!(of("dense").any(|r| r["kernel"] == "dense/naive/forward"));

    let plan = ["plan", "--model", "toy.toml", "--class", "gpu", "--json"];
    let workspace = |rungs: &str| {
        let found = json(&[&plan[..], &["--rungs", rungs]].concat());
        found["workspace_bytes"].as_u64().expect("bytes")
    };
    assert!(workspace("conv2d:naive") < workspace("conv2d.forward:implicit_gemm"));
    let fit = [
        "plan",
        "--model",
        "toy.toml",
        "--vram",
        "64MiB",
        "--fit",
        "--rungs",
        "conv2d:naive",
    ];
    place.ok(&fit);
}

/// Not every layer can run a rung: the others run what they do without it, and a line says so.
#[test]
fn what_runs_instead_is_told() {
    let place = Place::new();
    let text = read(&place, "toy.toml");
    let pointwise = "[[layer]]\ntype='conv2d'\nfilters=4\nkernel=1\nactivation='relu'\n[[layer]]\ntype='flatten'\n";
    let two = text.replacen("[[layer]]\ntype='flatten'\n", pointwise, 1);
    std::fs::write(place.path("toy.toml"), two).expect("written");
    let asked = [
        "--rungs",
        "conv2d.forward:pointwise",
        "--epochs",
        "1",
        "--run",
        "run",
    ];
    let out = place.ok(&train(&asked));
    let told = "rungs: conv2d.forward:pointwise runs 1 of 2 problems; conv1 runs ";
    assert!(
        out.contains(told) && out.contains("(does not pool what it computes)"),
        "{out}"
    );
    assert!(read(&place, "run/report.html").contains("conv2d/pointwise/product"));
}

#[test]
fn what_there_is_not_is_refused_with_what_there_is() {
    let place = Place::new();
    for (rungs, parts) in [
        (
            "conv3d:naive",
            &["no ladder 'conv3d'", "conv2d.forward, "][..],
        ),
        (
            "conv2d.forward:nave",
            &["conv2d.forward has no rung 'nave'; it has naive, ", "half"],
        ),
        ("dense:nave", &["no ladder of dense", "naive"]),
        ("naive", &["LADDER:RUNG"]),
        (
            "dense:naive,dense.forward:half",
            &["two rungs for one ladder"],
        ),
    ] {
        let profile = ["profile", "--model", "toy.toml", "--rungs", rungs];
        for command in [
            &train(&["--run", "none", "--rungs", rungs])[..],
            &["plan", "--model", "toy.toml", "--rungs", rungs],
            &profile,
        ] {
            let error = place.fails(command, 2);
            assert!(error.contains("--rungs"), "{error}");
            for part in parts {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }
    std::fs::write(
        place.path("wrong.toml"),
        "epochs = 1\nrungs = 'dense:nave'\n",
    )
    .expect("written");
    let error = place.fails(&["train", "--config", "wrong.toml"], 2);
    assert!(error.contains("wrong.toml, line 2: rungs = "), "{error}");
    // A model without what the rung is for.
    let error = place.fails(&train(&["--run", "none", "--rungs", "avg_pool2d:naive"]), 2);
    assert!(error.contains("is without effect on this model"), "{error}");
    assert!(!place.path("none").exists());
}

/// f16 and matrix units where the device has them, and else its own word that it has not, before anything is written.
#[test]
fn what_the_device_lacks_is_refused_with_the_reason() {
    let place = Place::new();
    let gpu = gpu();
    for (rung, can) in [
        ("half", gpu.capabilities().half_precision()),
        ("cooperative", gpu.capabilities().matrix_units()),
    ] {
        let rungs = format!("conv2d:{rung},dense:{rung}");
        let start = train(&["--epochs", "1", "--rungs", &rungs, "--run", rung]);
        let Err(why) = can else {
            place.ok(&start);
            place.ok(&["train", "--resume", rung, "--epochs", "2"]);
            place.ok(&train(&[
                "--epochs", "2", "--rungs", &rungs, "--run", "whole",
            ]));
            assert!(same_weights(&place, rung, "whole"));
            assert!(read(&place, "whole/report.html").contains(&format!("dense/{rung}/product")));
            std::fs::remove_dir_all(place.path("whole")).expect("removed");
            continue;
        };
        let error = place.fails(&start, 1);
        assert!(
            error.contains(&why) && error.contains(&format!("--rungs conv2d:{rung} ")),
            "{error}"
        );
        assert!(!place.path(rung).exists());
        let error = place.fails(&["profile", "--model", "toy.toml", "--rungs", &rungs], 1);
        assert!(error.contains(&why), "{error}");
    }
}
