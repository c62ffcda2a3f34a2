//! Every pair of options.

use super::*;
use std::ffi::OsStr;

/// Every option with values that it may have, the first of them another than the default. A new option gets a line here,
/// and a rule above for each other option that it leaves without effect, or that does so to it.
pub(crate) const VALUES: &[(&str, &[&str])] = &[
    ("data", &["genres", "FILE"]),
    ("recipe", &["strong"]),
    ("model", &["small"]),
    ("epochs", &["7"]),
    ("batch_size", &["4", "1"]),
    ("micro_batches", &["4", "8", "1"]),
    ("learning_rate", &["0.01", "1"]),
    ("schedule", &["cosine", "constant", "plateau"]),
    ("warm_up", &["1.5", "50"]),
    ("weight_decay", &["0.01"]),
    ("clip_norm", &["1"]),
    ("label_smoothing", &["0.1"]),
    ("average", &["0.9"]),
    ("time_shift", &["3"]),
    ("gain", &["0.2"]),
    ("offset", &["0.1"]),
    ("frequency_masks", &["2"]),
    ("frequency_mask", &["7", "24"]),
    ("time_masks", &["2"]),
    ("time_mask", &["7", "16"]),
    ("mixup", &["0.3", "0"]),
    ("class_weights", &["false", "true"]),
    ("dropout", &["0.1"]),
    ("keras_statistics", &["true", "false"]),
    ("seed", &["7"]),
    ("val_fraction", &["0.3", "0.2", "0"]),
    ("split", &["fault-filtered", "stratified"]),
    ("folds", &["5"]),
    ("fold", &["1", "0"]),
    ("group_by", &["folder", "recording"]),
    ("segments", &["all", "first"]),
    ("features", &["notebook", "segment"]),
    ("shuffle", &["false", "true"]),
    ("limit", &["20"]),
    ("synthetic_tracks", &["7"]),
    ("strict", &["true"]),
    ("early_stopping", &["3", "0"]),
    ("keep", &["last", "best"]),
    ("plateau_patience", &["3", "0"]),
    ("plateau_factor", &["0.5"]),
    ("min_lr", &["1e-5", "0.5"]),
    ("init", &["weights.safetensors"]),
    ("vram", &["1GiB"]),
    ("rungs", &["conv2d.forward:half,dense:naive"]),
    ("tensorboard", &["logs"]),
    ("threads", &["2"]),
];

/// An option and its value; `*` is any.
type With = (&'static str, &'static str);

/// The pairs that are refused, with the values that make it so.
const REFUSED: &[(With, With)] = &[
    (("val_fraction", "*"), ("folds", "5")),
    (("split", "fault-filtered"), ("folds", "5")),
    (("val_fraction", "*"), ("split", "fault-filtered")),
    (("group_by", "*"), ("split", "fault-filtered")),
    (("segments", "all"), ("features", "notebook")),
    (("plateau_patience", "*"), ("schedule", "cosine")),
    (("plateau_patience", "*"), ("schedule", "constant")),
    (("plateau_factor", "*"), ("schedule", "cosine")),
    (("plateau_factor", "*"), ("schedule", "constant")),
    (("min_lr", "*"), ("schedule", "constant")),
    (("schedule", "cosine"), ("warm_up", "50")),
    (("mixup", "0.3"), ("batch_size", "1")),
    (("micro_batches", "4"), ("batch_size", "1")),
    (("micro_batches", "8"), ("batch_size", "1")),
    (("micro_batches", "8"), ("batch_size", "4")),
    (("plateau_factor", "*"), ("plateau_patience", "0")),
    (("min_lr", "*"), ("plateau_patience", "0")),
    (("keep", "best"), ("val_fraction", "0")),
    (("early_stopping", "3"), ("val_fraction", "0")),
    (("schedule", "plateau"), ("val_fraction", "0")),
    (("plateau_patience", "3"), ("val_fraction", "0")),
    (("plateau_factor", "*"), ("val_fraction", "0")),
    (("min_lr", "*"), ("val_fraction", "0")),
    (("keras_statistics", "false"), ("init", "*")),
    (("synthetic_tracks", "*"), ("data", "*")),
    (("segments", "*"), ("data", "FILE")),
    (("features", "*"), ("data", "FILE")),
    (("threads", "*"), ("data", "FILE")),
];

/// Options with values that need another one: refused with every other partner.
const NEEDS: &[(With, With)] = &[
    (("fold", "*"), ("folds", "5")),
    (("frequency_mask", "*"), ("frequency_masks", "2")),
    (("time_mask", "*"), ("time_masks", "2")),
    (("min_lr", "0.5"), ("learning_rate", "1")),
];

fn refused(a: (&str, &str), b: (&str, &str)) -> bool {
    let is = |x: (&str, &str), y: (&str, &str)| x.0 == y.0 && (y.1 == "*" || x.1 == y.1);
    let lacks = |x, other| NEEDS.iter().any(|n| is(x, n.0) && !is(other, n.1));
    let listed = REFUSED
        .iter()
        .any(|&(l, r)| (is(a, l) && is(b, r)) || (is(b, l) && is(a, r)));
    listed || lacks(a, b) || lacks(b, a)
}

#[test]
fn every_pair_of_options_has_a_verdict_and_gets_it() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let give = |given: &mut Given, name: &str, value: &str| {
        let option = Declared::all()
            .iter()
            .find(|o| o.name == name)
            .expect("an option");
        let value = if value == "FILE" { path } else { value };
        option.give(given, OsStr::new(value)).expect(name);
    };
    let values = |name: &str| {
        let found = VALUES.iter().find(|v| v.0 == name);
        found
            .unwrap_or_else(|| {
                panic!("the option {name} is new: where does it stand to the others?")
            })
            .1
    };
    let mut pairs = 0;
    for (i, a) in Declared::all().iter().enumerate() {
        for b in &Declared::all()[i + 1..] {
            for x in values(a.name) {
                for y in values(b.name) {
                    let mut given = Given::default();
                    give(&mut given, a.name, x);
                    give(&mut given, b.name, y);
                    let verdict = Settings::of(given.clone()).check(&given, &Given::default());
                    let what = format!("{} {x}, {} {y}", a.name, b.name);
                    assert_eq!(
                        verdict.is_err(),
                        refused((a.name, x), (b.name, y)),
                        "{what}: {verdict:?}"
                    );
                    if let Err(e) = verdict {
                        let said = [a, b]
                            .iter()
                            .any(|o| e.to_string().contains(&o.name.replace('_', "-")));
                        assert!(said, "{what}: {e}");
                    }
                    pairs += 1;
                }
            }
        }
    }
    let n = Declared::all().len();
    assert!(pairs > n * (n - 1) / 2);
    // Each rule is about an option that a pair above has.
    for rule in RULES {
        let mut listed = REFUSED.iter().chain(NEEDS);
        assert!(listed.any(|(a, _)| a.0 == rule.dropped), "{}", rule.dropped);
    }
}

#[test]
fn a_switch_is_named_in_the_form_it_was_given() {
    let given = Given {
        init: Some("w.safetensors".into()),
        keras_statistics: Some(false),
        ..Given::default()
    };
    let error = Settings::of(given.clone())
        .check(&given, &Given::default())
        .expect_err("refused")
        .to_string();
    assert!(
        error.starts_with("--no-keras-statistics is without effect with --init"),
        "{error}"
    );
}
