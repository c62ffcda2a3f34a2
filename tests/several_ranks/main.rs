//! Steps that several ranks share: the bits of one process that runs as many micro-batches. Ranks are threads here, each with a
//! device of its own; what MPI adds is tested by `.ci/test-mpi`.

#[path = "../common/mod.rs"]
mod common;
mod threads;

use common::*;
use gtzan_gpu::error::Error;
use gtzan_gpu::gpu::Gpu;
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::{Augment, Choices};
use gtzan_gpu::plan::budget::Request;
use gtzan_gpu::train::{
    Engine, Fact, Feed, GraphSettings, Ranks, Samples, Tapes, Weights, check_ranks,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use threads::on_ranks;

/// Eleven samples in batches of 8: the second batch of an epoch is short, and is cut into one micro-batch of 3, into 1 and 2, or into three of 1.
const SAMPLES: usize = 11;
const BATCH: usize = 8;

struct Case {
    model: Model,
    resident: bool,
    micro_batches: usize,
    change: fn(&mut GraphSettings),
}

type Bits = (Vec<u32>, Vec<u32>, Vec<u32>);

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

impl Case {
    /// Weights, moments with the average, and totals after three epochs.
    fn train(&self, gpu: &Gpu, ranks: &Ranks) -> Bits {
        let few = tiny_samples();
        let samples = Arc::new(Samples {
            x: few
                .x
                .iter()
                .copied()
                .cycle()
                .take(SAMPLES * 19 * 14)
                .collect(),
            labels: (0..SAMPLES as u32).map(|i| i % 10).collect(),
            // Tracks of two samples.
            neighbours: (0..SAMPLES as u32 - SAMPLES as u32 % 2)
                .map(|i| [i - i % 2, i - i % 2 + 1])
                .collect(),
        });
        let mut base = tiny_settings(BATCH, 1, Feed::Streamed);
        (self.change)(&mut base);
        let tapes = Tapes {
            model: &self.model,
            base,
            samples: SAMPLES,
            entries: SAMPLES,
            eval_entries: SAMPLES,
        };
        let choices = Choices::default();
        let request = Request {
            budget: None,
            batch: BATCH,
            micro_batches: Some(self.micro_batches),
            may_reside: self.resident,
            may_recompute: true,
            capabilities: gpu.capabilities(),
            choices: &choices,
        };
        let opened = tapes.open_shared(gpu, &request, &samples, 42, ranks);
        let (fitted, mut engine) = opened.expect("opens");
        assert_eq!(fitted.cut.resident, self.resident);
        assert_eq!(
            engine.session().created_bytes(),
            fitted.plan.total_bytes(),
            "the plan is not what is made"
        );
        engine.initialise(42).expect("weights");
        engine
            .set_class_weights(&[1.0, 0.5, 2.0, 1.0, 1.0, 1.0, 1.0, 0.7, 1.0, 3.0])
            .expect("weights");
        engine.set_totals(&[0.0; 4]).expect("totals");
        for epoch in 0..3u64 {
            let order: Vec<u32> = (0..SAMPLES as u32)
                .map(|i| (i * 7 + epoch as u32) % SAMPLES as u32)
                .collect();
            let done = steps(&mut engine, &order, 2 * epoch, usize::MAX);
            assert_eq!(done, 2);
        }
        let weights: Weights = engine.weights().expect("weights");
        let [mut moments, second] = engine.moments().expect("moments");
        moments.extend(second);
        moments.extend(engine.average().expect("an average"));
        let weights: Vec<f32> = weights.into_iter().flat_map(|(.., d)| d).collect();
        let totals = engine.totals().expect("totals");
        (bits(&weights), bits(&moments), bits(&totals))
    }

    /// One process and every number of ranks.
    fn check(&self, sizes: &[usize]) {
        let alone = {
            let gpu = gpu();
            self.train(&gpu, &Ranks::alone())
        };
        assert!(alone.0.iter().all(|&v| f32::from_bits(v).is_finite()));
        for &size in sizes {
            let all = on_ranks(size, |ranks| self.train(&gpu(), ranks));
            for (rank, shared) in all.iter().enumerate() {
                let what = format!(
                    "rank {rank} of {size}, {} micro-batches",
                    self.micro_batches
                );
                assert_eq!(shared.0, alone.0, "{what}: weights");
                assert_eq!(shared.1, alone.1, "{what}: moments");
                assert_eq!(shared.2, alone.2, "{what}: totals");
            }
        }
    }
}

/// Steps of an epoch until `stop` of them are done, and how many that are.
fn steps(engine: &mut Engine, order: &[u32], before: u64, stop: usize) -> usize {
    let each = |_: &mut Engine, done| {
        Ok(match done >= stop {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    };
    engine
        .train(order, 0, before, |_| 3e-3, each)
        .expect("steps")
}

#[test]
fn ranks_give_the_bits_of_micro_batches() {
    // Dropout, L2 and batch norm; a rank per micro-batch, and ranks with several.
    let case = |resident, micro_batches, change| Case {
        model: tiny_model(0.3),
        resident,
        micro_batches,
        change,
    };
    case(true, 4, |_| ()).check(&[2, 3, 4]);
    case(false, 2, |_| ()).check(&[2]);
    // All that a recipe can ask for: mixup's partners are in other ranks' parts of the batch.
    let all: fn(&mut GraphSettings) = |g| {
        g.label_smoothing = 0.1;
        g.weight_decay = 0.05;
        g.clip_norm = Some(0.5);
        g.average = Some(0.9);
        g.time_shift = 7;
        g.augment = Augment {
            gain: 0.2,
            offset: 0.1,
            row_masks: 2,
            row_mask: 4,
            frame_masks: 2,
            frame_mask: 3,
            mixup: 0.4,
        };
    };
    case(true, 8, all).check(&[3]);
    case(false, 4, all).check(&[2]);
}

#[test]
fn a_wish_to_stop_stops_all_ranks_after_the_same_step() {
    let order: Vec<u32> = (0..4).cycle().take(40).collect();
    let done = on_ranks(2, |ranks| {
        let gpu = gpu();
        let (model, samples) = (tiny_model(0.0), Arc::new(tiny_samples()));
        let tapes = Tapes {
            model: &model,
            base: tiny_settings(4, 1, Feed::Streamed),
            samples: 4,
            entries: 40,
            eval_entries: 4,
        };
        let choices = Choices::default();
        let request = Request {
            budget: None,
            batch: 4,
            micro_batches: Some(2),
            may_reside: true,
            may_recompute: true,
            capabilities: gpu.capabilities(),
            choices: &choices,
        };
        let opened = tapes.open_shared(&gpu, &request, &samples, 42, ranks);
        let mut engine = opened.expect("opens").1;
        engine.initialise(42).expect("weights");
        engine.set_class_weights(&[1.0; 10]).expect("weights");
        let stop = if ranks.rank() == 1 { 3 } else { usize::MAX };
        steps(&mut engine, &order, 0, stop)
    });
    assert_eq!(done, [4, 4]);
}

#[test]
fn one_rank_s_error_ends_all_with_its_sentence() {
    let ended = on_ranks(3, |ranks| {
        let own = match ranks.rank() {
            1 => Err(Error::data("the disk is full")),
            2 => Err(Error::usage("something else")),
            _ => Ok(()),
        };
        let error = ranks.agree(own).expect_err("no agreement");
        // Known to all: nothing more to say, and nobody waits for it.
        ranks.last_words(&error);
        (error.kind(), error.to_string(), ranks.is_told())
    });
    let expected = Error::data("rank 1: the disk is full");
    for (kind, text, told) in ended {
        assert_eq!((kind, text), (expected.kind(), expected.to_string()));
        assert!(told);
    }
    // An error on the way to an exchange, of which the others can't know.
    let ended = on_ranks(2, |ranks| match ranks.rank() {
        0 => ranks
            .any(false)
            .expect_err("the other one ends")
            .to_string(),
        _ => {
            let error = Error::device("the device was lost");
            ranks.last_words(&error);
            error.to_string()
        }
    });
    assert_eq!(
        ended,
        ["rank 1: the device was lost", "the device was lost"]
    );
}

#[test]
fn what_differs_is_named_on_all_ranks() {
    let compare = |facts: fn(usize) -> Vec<Fact>| {
        on_ranks(3, move |ranks| {
            let compared = ranks.compare(&facts(ranks.rank()));
            compared.map_err(|e| e.to_string()).err()
        })
    };
    let fact = |what: &str, value: String| Fact::new(what, value, "do something");
    assert_eq!(
        compare(|_| vec![Fact::new("seed", "1", "")]),
        [None, None, None]
    );
    let told = compare(|rank| {
        let fact = |what, value| Fact::new(what, value, "give all the same");
        vec![
            fact("seed", "1".to_owned()),
            fact("model", format!("m{}", rank / 2)),
        ]
    });
    let sentence = "rank 2 has another model than rank 0 (m1, not m0); give all the same";
    assert!(
        told.iter().all(|t| t.as_deref() == Some(sentence)),
        "{told:?}"
    );
    // Other versions of the program may compare other things.
    let told = compare(|rank| {
        (0..=rank)
            .map(|i| Fact::new(&format!("f{i}"), "", ""))
            .collect()
    });
    let all_say = |t: &Option<String>| {
        t.as_deref()
            .is_some_and(|t| t.starts_with("rank 1 has another build"))
    };
    assert!(told.iter().all(all_say), "{told:?}");
    assert_ne!(fact("a", "1".to_owned()), fact("a", "2".to_owned()));
}

#[test]
fn micro_batches_are_shared_out_evenly_and_whole() {
    for size in 1..6 {
        for all in 1..12 {
            let shares = on_ranks(size, |ranks| ranks.own(all));
            let flat: Vec<usize> = shares.iter().cloned().flatten().collect();
            assert!(
                flat.into_iter().eq(0..all),
                "{all} among {size}: {shares:?}"
            );
            let sizes = || shares.iter().map(ExactSizeIterator::len);
            assert!(sizes().max() <= sizes().min().map(|n| n + 1));
        }
    }
    check_ranks(4, 4).expect("one each");
    let error = check_ranks(2, 3).expect_err("one too many").to_string();
    assert!(error.contains("start 2 ranks at most"), "{error}");
}

fn program(args: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"));
    command.args(args);
    command
}

fn stdout_and_error(mut command: std::process::Command, status: i32) -> (String, String) {
    let out = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(status), "{stderr}");
    (stdout, stderr)
}

#[test]
fn plans_for_ranks_say_what_each_card_needs() {
    let plan = |more: &[&str], status| {
        let args = [
            "plan",
            "--model",
            "small",
            "--portable",
            "--batch-size",
            "8",
        ];
        stdout_and_error(program(&[&args[..], more].concat()), status)
    };
    let json = |more: &[&str]| -> serde_json::Value {
        let text = plan(&[more, &["--json"]].concat(), 0).0;
        serde_json::from_str(&text).expect("JSON")
    };
    let (alone, parts) = (json(&[]), json(&["--micro-batches", "4"]));
    assert!(alone.get("shared").is_none());
    let ranks = json(&["--ranks", "4"]);
    assert_eq!(ranks["micro_batches"], 4);
    let bytes = |v: &serde_json::Value, name: &str| v[name].as_u64().expect("bytes");
    // What ranks give to each other is kept for it, and no more: gradients lie there anyway.
    let more = bytes(&ranks, "total_bytes") - bytes(&parts, "total_bytes");
    assert!(more < 64 << 10, "{more}");
    let shared = &ranks["shared"];
    let sent = bytes(shared, "sent_bytes");
    assert_eq!(sent, bytes(shared, "received_bytes"));
    let gradients = bytes(&parts, "gradients_bytes") / 2;
    assert!(
        (3 * gradients..3 * gradients + 3 * (64 << 10)).contains(&sent),
        "{sent}"
    );
    // Two of four each: sends two, gets two.
    let two = &json(&["--ranks", "2", "--micro-batches", "4"])["shared"];
    assert_eq!(bytes(two, "micro_batches_of_one"), 2);
    assert_eq!(bytes(two, "sent_bytes") * 3, sent * 2);
    let text = plan(&["--ranks", "4"], 0).0;
    assert!(
        text.contains("each of 4 cards, which computes 1 of 4 micro-batches"),
        "{text}"
    );
    let error = plan(&["--ranks", "3"], 2).1;
    assert!(error.contains("give 2 or 4"), "{error}");
    let error = plan(&["--ranks", "4", "--micro-batches", "2"], 2).1;
    assert!(error.contains("4 ranks have 2 micro-batches"), "{error}");
}

#[test]
fn one_process_is_no_rank() {
    let mut launched = program(&["train", "--synthetic"]);
    launched.env("OMPI_COMM_WORLD_SIZE", "4");
    if cfg!(not(feature = "mpi")) {
        let error = stdout_and_error(launched, 2).1;
        assert!(
            error.contains("4 ranks were started") && error.contains("--features mpi"),
            "{error}"
        );
    }
    let error = stdout_and_error(program(&["train", "--synthetic", "--rank-timeout", "5"]), 2).1;
    assert!(
        error.contains("--rank-timeout is without effect on one process"),
        "{error}"
    );
}
