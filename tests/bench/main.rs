//! Benches, the tuner's file, profiles and traces: their form and their arithmetic, on small shapes. Speed is not tested.

mod kept;
mod long_sums;

use gtzan_gpu::bench::{self, Peaks, Row, Subject, Tuned, profile, tuning};
use gtzan_gpu::gpu::{AdapterChoice, Clock, Gpu, Timings, median};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::{Capabilities, Choices, DeviceClass, Work, registry};
use gtzan_gpu::plan::{Schedule, schedule};
use gtzan_gpu::tape::Tape;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn gpu() -> Gpu {
    Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter")
}

/// Peaks that no test depends on.
const PEAKS: Peaks = Peaks {
    gflops: 100.0,
    copy_gbs: 10.0,
};

fn measured(gpu: &Gpu, op: &str, shape: &str) -> Vec<Row> {
    let subject = bench::of_shape(op, shape).unwrap();
    bench::run(gpu, &[subject], Some(op), None, &PEAKS, |_| {}).unwrap()
}

#[test]
fn every_rung_of_a_ladder_is_a_row() {
    let gpu = gpu();
    for (op, shape) in [
        ("conv2d", "n=3,c=5,k=7,h=11,w=9"),
        ("conv2d", "n=2,c=4,k=8,h=9,w=10,epilogue=2"),
        ("dense", "n=3,i=20,o=7,relu=1"),
        ("dense", "n=66,i=140,o=68,relu=1"),
        ("batch_norm", "n=3,c=5,h=7,w=3,dropout=1"),
        ("max_pool2d", "n=2,c=3,h=7,w=8"),
        ("avg_pool2d", "n=2,c=3,h=7,w=8,window=3,stride=2"),
        ("global_avg_pool", "n=2,c=3,h=5,w=7"),
    ] {
        let rows = measured(&gpu, op, shape);
        let entry = registry().into_iter().find(|e| e.name == op).unwrap();
        let expected: BTreeSet<_> = entry
            .ladders
            .iter()
            .flat_map(|l| l.rungs().into_iter().map(|r| (l.name(), r.name)))
            .collect();
        let got: BTreeSet<_> = rows
            .iter()
            .map(|r| (r.op.as_str(), r.rung.as_str()))
            .collect();
        assert_eq!(got, expected, "{op} {shape}");
        for ladder in entry.ladders {
            let own: Vec<_> = rows.iter().filter(|r| r.op == ladder.name()).collect();
            assert_eq!(own.iter().filter(|r| r.default).count(), 1, "{ladder:?}");
            // GPUs' rungs are told apart from those of CPU drivers, and come first.
            assert!(own.is_sorted_by_key(|r| r.made_for), "{own:?}");
        }
        for row in &rows {
            if let Some(why) = &row.skipped {
                assert!(!why.is_empty() && row.ms.is_none(), "{row:?}");
                assert!(!why.starts_with("wrong"), "{row:?}");
                continue;
            }
            let ladder = entry.ladders.iter().find(|l| l.name() == row.op).unwrap();
            let reduced = ladder.rung(&row.rung).unwrap().reduced();
            let most = if reduced { 4e-3 } else { 1e-4 };
            assert!(row.max_error.unwrap() < most, "{row:?}");
            let (ms, gflops) = (row.ms.unwrap(), row.gflops.unwrap());
            assert!(ms > 0.0 && gflops > 0.0, "{row:?}");
            let roof = (gflops / 100.0).max(row.gbs.unwrap() / 10.0);
            assert!((row.fraction_of_peak.unwrap() - roof).abs() <= 1e-9 * roof);
        }
    }
}

/// Planes that no window shows whole are packed in bands of rows, with or without the 2x2 pixels of pooling.
#[test]
fn planes_larger_than_a_window_are_packed_in_bands() {
    let gpu = gpu();
    for shape in [
        "n=2,c=16,k=16,h=141,w=131",
        "n=1,c=17,k=16,h=301,w=261,epilogue=2",
    ] {
        let subject = bench::of_shape("conv2d", shape).unwrap();
        for rung in ["implicit_texels", "winograd_large"] {
            let subjects = [subject.clone()];
            let rows = bench::run(&gpu, &subjects, None, Some(rung), &PEAKS, |_| {}).unwrap();
            // Forward and the gradient of x; neither on a device that these rungs are not made for, which then says so.
            let ran: Vec<_> = rows.iter().filter(|r| r.skipped.is_none()).collect();
            let directions = ["conv2d.forward", "conv2d.backward_input"];
            for direction in directions {
                assert!(rows.iter().any(|r| r.op == direction), "{rows:?}");
            }
            if gpu.capabilities().class == DeviceClass::Software {
                for direction in directions {
                    assert!(ran.iter().any(|r| r.op == direction), "{rows:?}");
                }
            } else {
                let why = |r: &Row| r.skipped.as_deref().unwrap_or("").contains("CPU drivers");
                assert!(rows.iter().all(why), "{rows:?}");
            }
            for row in ran {
                assert!(row.max_error.unwrap() < 1e-4, "{shape}: {row:?}");
            }
        }
    }
}

/// No kernel that multiplies every pair is faster than the device's arithmetic. (lavapipe writes timestamps late once it has seen a
/// render pass; then kernels seemed to.)
#[test]
fn no_naive_kernel_beats_the_device_s_arithmetic() {
    let gpu = gpu();
    let before = bench::peaks(&gpu).unwrap();
    let subject = bench::of_shape("conv2d", "n=1,c=32,k=64,h=40,w=32,epilogue=2").unwrap();
    let rows = bench::run(
        &gpu,
        &[subject],
        Some("conv2d"),
        Some("naive"),
        &before,
        |_| {},
    )
    .unwrap();
    // The machine may be busy with something else at one of the two times.
    let after = bench::peaks(&gpu).unwrap();
    let scale = before.gflops / before.gflops.max(after.gflops);
    let naive = rows.iter().filter(|r| r.rung == "naive");
    let shares: Vec<f64> = naive
        .filter_map(|r| Some(r.fraction_of_peak? * scale))
        .collect();
    assert!(
        shares.len() >= 3 && shares.iter().all(|&s| s < 1.5),
        "{shares:?}"
    );
}

#[test]
fn a_rung_that_can_not_run_says_why() {
    let rows = measured(&gpu(), "dense", "n=2,i=7,o=3");
    let tiled = rows.iter().find(|r| r.rung == "registers").unwrap();
    let why = tiled.skipped.as_deref().unwrap();
    assert!(why.contains("multiple of 4"), "{why}");
    assert!(!tiled.default && tiled.ms.is_none() && tiled.max_error.is_none());
}

#[test]
fn json_rows_have_the_documented_keys() {
    let rows = measured(&gpu(), "global_avg_pool", "n=1,c=2,h=3,w=3");
    let value = serde_json::to_value(&rows[0]).unwrap();
    for key in [
        "op",
        "rung",
        "shape",
        "ms",
        "gflops",
        "gbs",
        "fraction_of_peak",
        "max_error",
        "skipped",
        "made_for",
    ] {
        assert!(value.get(key).is_some(), "{key} is missing in {value}");
    }
    assert_eq!(value["shape"], "planes=2 area=9");
}

/// What a ladder says a problem costs at least.
fn work(family: &str, shape: &str) -> Work {
    let op = family.split('.').next().unwrap();
    let subject = bench::of_shape(op, shape).unwrap();
    let mut tape = Tape::new();
    let inputs: Vec<_> = (subject.inputs.iter().enumerate())
        .map(|(i, spec)| tape.variable(&format!("x{i}"), spec.clone()))
        .collect();
    let y = tape
        .apply_all(subject.op.clone(), &inputs.iter().collect::<Vec<_>>())
        .unwrap()
        .remove(0);
    let dy = tape.input("dy", y.spec().clone());
    tape.backward_from(&y, &dy).unwrap();
    for input in &inputs {
        let gradient = tape.gradient(input).unwrap().clone();
        tape.keep(&gradient);
    }
    let device = Capabilities::portable(DeviceClass::Hardware);
    let s = schedule(&tape, &device, &Choices::default()).unwrap();
    let chosen = s.chosen.iter().find(|c| c.family == family).unwrap();
    chosen.posed.work()
}

/// 2 n k oh ow c kh kw, and every tensor once: by hand for n=2, c=3, k=4, 5x6, 3x3, same padding.
#[test]
fn work_is_the_plain_algorithm_s() {
    let conv = |family, epilogue| work(family, &format!("n=2,c=3,h=5,w=6,k=4,epilogue={epilogue}"));
    let forward = conv("conv2d.forward", 0);
    assert_eq!(forward.flops, 2 * 2 * 4 * 5 * 6 * 3 * 9);
    assert_eq!(forward.bytes, 4 * (2 * 3 * 30 + 4 * 27 + 4 + 2 * 4 * 30));
    let pooled = conv("conv2d.forward", 2);
    // 2x3 windows of y in f32 and a byte of argmax each; the convolution itself is never written.
    assert_eq!(pooled.bytes, 4 * (2 * 3 * 30 + 4 * 27 + 4) + 5 * 2 * 4 * 6);
    let gradient = conv("conv2d.backward_input", 1);
    assert_eq!(gradient.bytes, 4 * (2 * 3 * 30 + 4 * 27 + 2 * 2 * 4 * 30));
    let bias = conv("conv2d.backward_bias", 2);
    assert_eq!((bias.flops, bias.bytes), (48, 5 * 48 + 4 * 4));
    let dense = work("dense.forward", "n=2,i=3,o=5");
    assert_eq!((dense.flops, dense.bytes), (60, 4 * (6 + 15 + 5 + 10)));
    // Two planes of 7x8, 3x4 windows of four taps, one byte of argmax each.
    let pooling = work("max_pool2d.forward", "n=1,c=2,h=7,w=8");
    assert_eq!((pooling.flops, pooling.bytes), (96, 2 * (4 * 56 + 5 * 12)));
}

#[test]
fn shapes_that_make_no_sense_are_usage_errors() {
    for (op, shape, part) in [
        ("conv3d", "n=1", "there is no ladder 'conv3d'"),
        ("conv2d", "n=1,c=2", "needs h=NUMBER"),
        ("conv2d", "n=1,x=2", "no size 'x'; it has n, c, k"),
        ("conv2d", "n=1,c=two", "'c=two' is not NAME=NUMBER"),
        ("conv2d", "n=1,c=1,k=1,h=0,w=1", "at least 1"),
        ("conv2d", "n=1,c=1,k=1,h=4,w=4,epilogue=9", "epilogue=9"),
        ("conv2d", "n=1,c=1,k=1,h=4,w=99999999", "more than 2^20"),
        ("max_pool2d", "n=1,c=1,h=1,w=1", "smaller window"),
    ] {
        let error = bench::of_shape(op, shape).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}

/// Two small layers of each kind, so that profiles and tuning take no time.
fn tiny() -> Model {
    let text = "name = \"tiny\"\n\
        [[layer]]\ntype = \"max_pool2d\"\nwindow = 8\n\
        [[layer]]\ntype = \"conv2d\"\nfilters = 4\nkernel = 3\nactivation = \"relu\"\n\
        [[layer]]\ntype = \"max_pool2d\"\nwindow = 2\n\
        [[layer]]\ntype = \"batch_norm\"\n\
        [[layer]]\ntype = \"global_avg_pool\"\n\
        [[layer]]\ntype = \"dense\"\nunits = \"classes\"\n";
    Model::from_toml(text, "tiny").unwrap()
}

#[test]
fn a_model_s_subjects_know_which_gradients_are_wanted() {
    let subjects: Vec<Subject> = bench::of_model(&tiny(), 3).unwrap();
    let conv = subjects.iter().find(|s| s.op.name() == "conv2d").unwrap();
    // The first convolution: nobody wants the gradient of the features.
    assert_eq!(conv.wanted, [1, 2]);
    assert_eq!(conv.inputs[0].shape.dims()[0], 3);
    assert_eq!(conv.single[0].shape.dims()[0], 1);
    let dense = subjects.iter().find(|s| s.op.name() == "dense").unwrap();
    assert_eq!(dense.wanted, [0, 1, 2]);
}

#[test]
fn tuning_round_trip_and_damaged_files() {
    let gpu = gpu();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        tuning::load(&gpu, folder.path()),
        (Choices::default(), None)
    );

    let subject = bench::of_shape("dense", "n=3,i=8,o=5").unwrap();
    let mut last = (0, 0);
    let tuned = bench::tune(&gpu, &[subject], |done, total, _| last = (done, total)).unwrap();
    assert!(last.0 == last.1 && last.1 >= 6, "{last:?}");
    let families: BTreeSet<_> = tuned.iter().map(|t| t.family).collect();
    assert!(families.contains("dense.forward"), "{families:?}");
    // Lavapipe has f16: a rung that computes in it must not be picked for its time.
    let reduced = |t: &Tuned| t.rung == "half" || t.rung == "cooperative";
    assert!(!tuned.iter().any(reduced), "{tuned:?}");
    let path = tuning::store(&gpu, folder.path(), &tuned).unwrap();
    let (choices, note) = tuning::load(&gpu, folder.path());
    assert_eq!(note, None);
    let mut expected = Choices::default();
    for t in &tuned {
        expected.tune(t.family, &t.problem, t.rung);
    }
    assert_eq!(choices, expected);

    // Another problem is added, the same one replaced.
    let other = Tuned {
        problem: "n=1 i=4 o=1 relu=0".into(),
        ..tuned[0].clone()
    };
    tuning::store(&gpu, folder.path(), &[other, tuned[0].clone()]).unwrap();
    let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(file["choices"].as_array().unwrap().len(), tuned.len() + 1);

    let whole = fs::read(&path).unwrap();
    let foreign = String::from_utf8(whole.clone())
        .unwrap()
        .replace(gpu.name(), "another adapter");
    for (bytes, part) in [
        (&whole[..whole.len() / 2], "damaged"),
        (&b""[..], "damaged"),
        (&b"{\"adapter\": 3}"[..], "damaged"),
        (foreign.as_bytes(), "another adapter"),
    ] {
        fs::write(&path, bytes).unwrap();
        let (choices, note) = tuning::load(&gpu, folder.path());
        assert_eq!(choices, Choices::default());
        let note = note.unwrap();
        assert!(
            note.contains(part) && note.contains("gtzan-gpu tune"),
            "{note}"
        );
    }
    tuning::store(&gpu, folder.path(), &tuned).unwrap();
    assert_eq!(tuning::load(&gpu, folder.path()), (expected, None));
}

#[test]
fn a_profile_covers_the_step_and_its_trace_parses() {
    let gpu = gpu();
    let mut engine = profile::random_engine(&gpu, &tiny(), 2, &Choices::default()).unwrap();
    let before = engine.weights().unwrap();
    let timings: Timings = profile::engine(&mut engine, 2).unwrap();
    let after = engine.weights().unwrap();
    for ((name, _, a), (_, _, b)) in before.iter().zip(&after) {
        let fixed = !name.contains("running");
        assert!(!fixed || a == b, "{name} changed");
    }
    let s: &Schedule = &engine.programs()[0].schedule;
    assert_eq!(timings.dispatch_ms.len(), s.dispatches.len());
    assert!(timings.step_ms > 0.0 && timings.busy_ms() > 0.0);
    assert_eq!(timings.clock == Clock::Timestamps, gpu.has_timestamps());

    let rows = profile::rows(s, &timings);
    let launches: usize = rows.iter().map(|r| r.launches).sum();
    assert_eq!(launches, s.dispatches.len());
    assert!(rows.windows(2).all(|w| w[0].ms >= w[1].ms));
    assert!(rows.iter().map(|r| r.share).sum::<f64>() <= 1.0 + 1e-9);
    assert!(rows.iter().any(|r| r.op == "conv2d"), "{rows:?}");
    let times = profile::kernel_times(s, &timings);
    assert_eq!(times.rows.len(), rows.len());
    assert_eq!(times.timing, timings.clock.name());

    let text = profile::trace(s, &timings, "tiny").to_string();
    let trace: Value = serde_json::from_str(&text).unwrap();
    let bars: Vec<&Value> = trace["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e["ph"] == "X")
        .collect();
    assert_eq!(bars.len(), s.dispatches.len());
    let mut end = 0.0;
    for bar in bars {
        // One after the other: bars that overlapped would be drawn as nested.
        let start = bar["ts"].as_f64().unwrap();
        assert!(start >= end - 1e-3, "{bar}");
        end = start + bar["dur"].as_f64().unwrap();
        assert!(bar["name"].is_string() && bar["pid"].is_u64() && bar["tid"].is_u64());
    }
    let rung = |e: &Value| e["args"]["rung"].is_string();
    assert!(trace["traceEvents"].as_array().unwrap().iter().any(rung));
}

#[test]
fn medians() {
    assert_eq!(median(&[]), 0.0);
    assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
}
