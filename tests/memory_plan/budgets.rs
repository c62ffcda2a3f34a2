//! Real models under budgets: plans only, no device.

use gtzan_gpu::error::{Error, ErrorKind, Result};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::{Capabilities, Choices, DeviceClass};
use gtzan_gpu::plan::budget::{
    Cut, Fitted, Request, balanced, check_micro_batches, fit, fit_and_open, largest_batch,
    parse_bytes,
};
use gtzan_gpu::plan::{Category, Summary, timeline};
use gtzan_gpu::tape::{Role, Tape};
use gtzan_gpu::train::{Feed, GraphSettings, Tapes};

const MIB: u64 = 1 << 20;

fn capabilities() -> Capabilities {
    Capabilities::portable(DeviceClass::Software)
}

pub fn tapes(model: &Model, samples: usize, cut: &Cut) -> Result<Vec<(String, Tape)>> {
    let tapes = Tapes {
        model,
        base: GraphSettings {
            rows: 187,
            frames: 130,
            classes: 10,
            micro_batch: 0,
            micro_batches: 0,
            feed: Feed::Streamed,
            label_smoothing: 0.0,
            weight_decay: 0.0,
            clip_norm: None,
            time_shift: 0,
            augment: Default::default(),
            average: None,
        },
        samples,
        entries: samples,
        eval_entries: samples,
    };
    tapes.record(cut)
}

fn plan(model: &str, batch: usize, budget: Option<u64>) -> Result<Fitted> {
    plan_for(capabilities(), model, batch, budget)
}

fn plan_for(
    capabilities: Capabilities,
    model: &str,
    batch: usize,
    budget: Option<u64>,
) -> Result<Fitted> {
    let choices = Choices::default();
    let request = Request {
        budget,
        batch,
        micro_batches: None,
        may_reside: false,
        may_recompute: true,
        capabilities: &capabilities,
        choices: &choices,
    };
    let model = Model::load(model)?;
    fit(&request, |cut| tapes(&model, 1000, cut))
}

#[test]
fn seed_at_batch_8() {
    let start = std::time::Instant::now();
    let fitted = plan("seed", 8, None).expect("fits");
    // This takes milliseconds; a search that explodes takes hours.
    assert!(start.elapsed().as_secs_f32() < 20.0);
    let s = Summary::new("seed", 8, None, &fitted);
    assert!(s.total_bytes <= 96 * MIB, "{}", s.total_bytes);
    let arenas = fitted.plan.bytes(Category::Arenas) as f64;
    let bound = fitted.plan.programs[0].lower_bound() as f64;
    assert!(arenas <= 1.1 * bound, "{arenas} over a bound of {bound}");
    let parts = s.weights_bytes
        + s.gradients_bytes
        + s.optimizer_bytes
        + s.activations_bytes
        + s.workspace_bytes
        + s.staging_bytes
        + s.dataset_bytes;
    assert_eq!(parts, s.total_bytes);
    let t = timeline(&fitted.programs[0].schedule, &fitted.plan, 0);
    assert_eq!(t.live.iter().max(), Some(&t.lower_bound));
    assert_eq!(t.dispatches.len(), t.live.len());
}

/// The whole batch within 48 MiB, for a few percent more time.
#[test]
fn seed_at_batch_8_on_a_gpu() {
    let gpu = Capabilities::portable(DeviceClass::Hardware);
    let fitted = plan_for(gpu, "seed", 8, None).expect("fits");
    assert!(fitted.recomputed.is_empty() && fitted.cut.micro_batches == 1);
    let s = Summary::new("seed", 8, None, &fitted);
    assert!(s.total_bytes <= 64 * MIB, "{}", s.total_bytes);
}

#[test]
fn seed_at_batch_8_with_recomputation() {
    let budget = Some(48 * MIB);
    let fitted = plan("seed", 8, budget).expect("fits");
    let s = Summary::new("seed", 8, budget, &fitted);
    assert_eq!(s.micro_batches, 1, "{:#?}", s.considered);
    assert!(!fitted.recomputed.is_empty());
    assert!(s.predicted_time < 1.35, "{}", s.predicted_time);
    let text = s.explain().join("\n");
    assert!(text.contains("bn1/batch_norm:y: 11.8 MiB"), "{text}");
}

/// A residual network of 14 convolutions, which without reuse and recomputation would take several GiB.
#[test]
fn a_deep_model_at_batch_32_within_512_mib() {
    let deep = concat!(env!("CARGO_MANIFEST_DIR"), "/models/deep.toml");
    let free = plan(deep, 32, None).expect("fits");
    let items = free.programs[0].schedule.items.iter();
    let separate: u64 = (items.filter(|i| i.role == Role::Activation))
        .map(|i| i.spec.bytes())
        .sum();
    assert!(separate > 2 << 30, "{separate}");
    assert!(free.plan.total_bytes() > 700 * MIB);
    let fitted = plan(deep, 32, Some(512 * MIB)).expect("fits");
    let s = Summary::new("deep", 32, Some(512 * MIB), &fitted);
    assert!(s.total_bytes <= 512 * MIB);
    assert_eq!(s.micro_batches, 1);
    assert!(s.predicted_time < 1.35, "{}", s.predicted_time);
}

/// The largest unsplit batch is the largest: one sample more does not fit.
#[test]
fn largest_batch_for_a_budget() {
    let (capabilities, choices) = (capabilities(), Choices::default());
    let model = Model::load("small").expect("built in");
    let mut request = Request {
        budget: Some(64 * MIB),
        batch: 64,
        micro_batches: Some(1),
        may_reside: false,
        may_recompute: true,
        capabilities: &capabilities,
        choices: &choices,
    };
    let record = |cut: &Cut| tapes(&model, 1000, cut);
    let found = largest_batch(&request, record)
        .expect("plans")
        .expect("one sample fits");
    let n = found.cut.micro_batch;
    assert!((9..64).contains(&n), "{n}");
    request.batch = n + 1;
    assert!(fit(&request, record).is_err());
    request.budget = Some(MIB);
    assert!(largest_batch(&request, record).expect("plans").is_none());
}

#[test]
fn seed_at_batch_128_within_512_mib() {
    let fitted = plan("seed", 128, Some(512 * MIB)).expect("fits");
    let s = Summary::new("seed", 128, Some(512 * MIB), &fitted);
    assert!(s.total_bytes <= 512 * MIB);
    assert!(fitted.split_statistics);
}

/// The budget that a refusal names works, and a MiB less does not.
#[test]
fn a_refusal_names_the_smallest_budget() {
    let error = plan("seed", 8, Some(MIB)).expect_err("nothing fits 1 MiB");
    assert_eq!(error.kind(), ErrorKind::Budget);
    let text = error.to_string();
    let named = text.split("--vram ").nth(1).expect("names a budget");
    let mib = named.split("MiB").next().and_then(|n| n.parse().ok());
    let mib: u64 = mib.expect("a number");
    let fitted = plan("seed", 8, Some(mib * MIB)).expect("the budget it names works");
    assert!(fitted.plan.total_bytes() <= mib * MIB);
    let again = plan("seed", 8, Some((mib - 1) * MIB)).err();
    assert_eq!(again.map(|e| e.kind()), Some(ErrorKind::Budget));
}

/// A driver that refuses an allocation: the plan is made smaller until it opens, or the error says what the least is.
#[test]
fn out_of_memory_plans_smaller() {
    let (capabilities, choices) = (capabilities(), Choices::default());
    let request = Request {
        budget: None,
        batch: 8,
        micro_batches: None,
        may_reside: false,
        may_recompute: true,
        capabilities: &capabilities,
        choices: &choices,
    };
    let model = Model::load("small").expect("built in");
    let driver = |limit: u64| {
        move |fitted: &Fitted| match fitted.plan.total_bytes() {
            bytes if bytes <= limit => Ok(bytes),
            _ => Err(Error::new(ErrorKind::OutOfMemory, "the driver refuses")),
        }
    };
    let record = |cut: &Cut| tapes(&model, 1000, cut);
    let free = fit(&request, record).expect("fits").plan.total_bytes();
    let mut opened = 0;
    let (fitted, bytes) = fit_and_open(&request, record, |f| {
        opened += 1;
        driver(free * 2 / 3)(f)
    })
    .expect("a smaller plan opens");
    assert!(opened > 1 && bytes <= free * 2 / 3);
    assert!(!fitted.recomputed.is_empty() || fitted.cut.micro_batches > 1);
    // Whatever the driver has left, as long as any plan is within it.
    let refusal = fit(
        &Request {
            budget: Some(1),
            ..request.clone()
        },
        record,
    )
    .expect_err("nothing fits");
    let text = refusal.to_string();
    let named = text
        .split("--vram ")
        .nth(1)
        .and_then(|t| t.split("MiB").next());
    let least: u64 = named.and_then(|n| n.parse().ok()).expect("names a budget");
    for limit in [least * MIB, (least * MIB + free) / 2, free - 1] {
        let (_, bytes) = fit_and_open(&request, record, driver(limit)).expect("opens");
        assert!(bytes <= limit);
    }
    let error = fit_and_open(&request, record, driver(0)).expect_err("nothing opens");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("the smallest plan"), "{error}");
}

/// The data set goes on the GPU when there is room, and stays off it when there is not.
#[test]
fn the_data_set_is_part_of_the_plan() {
    let (capabilities, choices) = (capabilities(), Choices::default());
    let model = Model::load("small").expect("built in");
    let at = |budget: Option<u64>| {
        let request = Request {
            budget,
            batch: 4,
            micro_batches: None,
            may_reside: true,
            may_recompute: true,
            capabilities: &capabilities,
            choices: &choices,
        };
        fit(&request, |cut| tapes(&model, 500, cut)).expect("fits")
    };
    let roomy = at(None);
    assert!(roomy.cut.resident);
    assert!(roomy.plan.bytes(Category::Dataset) > 500 * 187 * 130 * 4);
    let tight = at(Some(roomy.plan.total_bytes() - 1));
    assert!(!tight.cut.resident && tight.recomputed.is_empty());
}

#[test]
fn micro_batches_are_balanced() {
    let sizes = |n, k| balanced(n, k).map(|r| r.len()).collect::<Vec<_>>();
    assert_eq!(sizes(10, 3), [2, 3, 2, 3]);
    assert_eq!(sizes(8, 8), [8]);
    assert_eq!(sizes(8, 2), [2, 2, 2, 2]);
    // The last batch of an epoch: no smaller ones than need be.
    assert_eq!(sizes(3, 2), [1, 2]);
    assert_eq!(sizes(6, 2), [2, 2, 2]);
    assert_eq!(sizes(3, 8), [3]);
    assert_eq!(sizes(2, 1), [1, 1]);
}

#[test]
fn micro_batches_by_name_cut_into_equal_parts() {
    for (batch, k) in [(8, 1), (8, 2), (8, 8), (9, 3), (1, 1)] {
        assert_eq!(check_micro_batches(batch, k), Ok(()), "{k} of {batch}");
    }
    for (batch, k, parts) in [
        (8, 3, "equal parts; give 2 or 4,"),
        (30, 4, "equal parts; give 3 or 5,"),
        (7, 2, "equal parts; give 1 or 7,"),
        (8, 9, "than a batch of 8 has samples; give 8,"),
        (1, 2, "than a batch of 1 has samples; give 1,"),
    ] {
        let error = check_micro_batches(batch, k).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Usage);
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("--micro-batches {k}: ")),
            "{text}"
        );
        assert!(text.contains(parts), "{text}");
    }
}

#[test]
fn amounts_of_memory() {
    for (text, bytes) in [
        ("256MiB", 256 * MIB),
        ("1.5 GiB", 1536 * MIB),
        ("300MB", 300_000_000),
        ("64m", 64 * MIB),
        ("4096", 4096),
    ] {
        assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
    }
    for text in ["", "MiB", "0", "-3MiB", "5 parsecs", "1e99GiB", "nan"] {
        let error = parse_bytes(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}
