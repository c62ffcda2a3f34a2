//! Figures that need no run: of models, of the registry, of files.

use crate::chapter;
use crate::figure::compared;
use crate::markdown::Markdown;
use crate::named::{files, root};
use gtzan_gpu::bench::Measured;
use gtzan_gpu::nn::{Model, Summary, SummaryRow};
use gtzan_gpu::ops::{Capabilities, DeviceClass, Step, registry};
use gtzan_gpu::{exercise, features};
use std::fs;

/// What a document says was counted, or none where nothing is known by that name; `behind` is the document from there on.
pub fn count(what: &str, behind: &str) -> Option<f64> {
    let portable = Capabilities::portable(DeviceClass::Hardware);
    let number = match what {
        "exercises" => exercise::all(&root().join("exercises")).ok()?.len(),
        "ops" => registry().len(),
        "examples" => sources("examples").len(),
        "lines of the longest example" => {
            let all = sources("examples");
            all.iter().map(|text| text.lines().count()).max()?
        }
        "feature rows" => features::ROWS,
        "mel bands" => features::MELS,
        "MFCCs" => features::MFCCS,
        "chroma rows" => features::CHROMAS,
        "contrast rows" => features::CONTRASTS,
        "frames" => features::FRAMES,
        "samples of a segment" => features::SEGMENT_SAMPLES,
        "bytes of Step" => size_of::<Step>(),
        "portable workgroup memory" => portable.max_workgroup_memory as usize,
        "portable invocations" => portable.max_invocations as usize,
        "portable storage buffers" => portable.max_storage_buffers as usize,
        "portable binding" => portable.max_binding_bytes as usize,
        "rows below" => rows_below(behind),
        _ => return named(what),
    };
    Some(number as f64)
}

fn named(what: &str) -> Option<f64> {
    if let Some(model) = what.strip_prefix("parameters of ") {
        return Some(summary(model)?.total() as f64);
    }
    if let Some(model) = what.strip_prefix("trained parameters of ") {
        return Some(summary(model)?.trainable() as f64);
    }
    if let Some((kind, model)) = what.split_once(" layers of ") {
        let rows = summary(model)?.rows;
        return Some(rows.iter().filter(|r| r.kind == kind).count() as f64);
    }
    if let Some(models) = what.strip_prefix("multiply-adds of ") {
        let (one, other) = models.split_once(" over ")?;
        return Some(multiply_adds(one)? / multiply_adds(other)?);
    }
    if let Some(file) = what.strip_prefix("lines of the example in ") {
        return Some(lines_of_example(file)? as f64);
    }
    if let Some(file) = what.strip_prefix("lines that the chapter adds to ") {
        return Some(chapter::lines_added(file) as f64);
    }
    // "ms of A over B in FILE".
    let (rungs, file) = what.strip_prefix("ms of ")?.split_once(" in ")?;
    let (one, other) = rungs.split_once(" over ")?;
    let measured = Measured::read(&root().join(file)).ok()?;
    let ms = |rung: &str| measured.results.iter().find(|r| r.rung == rung)?.ms;
    Some(ms(one)? / ms(other)?)
}

/// The model as its header speaks of it: ten classes, features of three seconds.
fn summary(model: &str) -> Option<Summary> {
    let path = root().join(model);
    let name = path.to_str().filter(|_| path.exists()).unwrap_or(model);
    let model = Model::load(name).ok()?;
    model.summary(features::ROWS, features::FRAMES, 10).ok()
}

/// Multiply-adds of forward, for one sample: each weight of a convolution once per position.
fn multiply_adds(model: &str) -> Option<f64> {
    let rows = summary(model)?.rows;
    let weighted = rows
        .iter()
        .filter(|r| r.kind == "conv2d" || r.kind == "dense");
    let of = |r: &SummaryRow| {
        let positions: usize = r.output.dims()[1..].iter().skip(1).product();
        (r.trainable * positions) as f64
    };
    Some(weighted.map(of).sum())
}

/// Texts of the Rust files in a folder, not below it.
fn sources(folder: &str) -> Vec<String> {
    let own = |p: &std::path::PathBuf| {
        p.extension().is_some_and(|e| e == "rs") && p.parent().is_some_and(|p| p.ends_with(folder))
    };
    let all = files(folder).into_iter().filter(own);
    all.map(|p| fs::read_to_string(root().join(p)).expect("text"))
        .collect()
}

/// Rows of the next table, its heading left out.
fn rows_below(behind: &str) -> usize {
    let table = behind
        .lines()
        .skip_while(|l| !l.starts_with("| "))
        .take_while(|l| l.starts_with('|'));
    let table = table.collect::<Vec<_>>().join("\n");
    let rows = Markdown::parse(&table).rows();
    rows.len().saturating_sub(1)
}

/// Lines that a reader of the documentation sees of a file's first example.
fn lines_of_example(file: &str) -> Option<usize> {
    let text = fs::read_to_string(root().join(file)).ok()?;
    let comment = |l: &str| l.trim_start().strip_prefix("///").map(str::to_owned);
    let mut lines = text.lines().filter_map(comment);
    lines.by_ref().find(|l| l.trim() == "```")?;
    let example = lines.take_while(|l| l.trim() != "```");
    let seen = |l: &String| l.trim() != "#" && !l.trim_start().starts_with("# ");
    Some(example.filter(seen).count())
}

/// Small parts, as headers put them.
const PARTS: [(&str, f64); 4] = [
    ("a quarter", 4.0),
    ("a tenth", 10.0),
    ("an eleventh", 11.0),
    ("a twelfth", 12.0),
];

/// Comments at the top of a model's file, as one line.
fn header(text: &str) -> String {
    let lines = text.lines().map_while(|l| l.strip_prefix('#'));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What a model's header says of it and is not so.
fn header_faults(header: &str, model: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (phrase, what) in [
        (" parameters for 10 classes", "parameters of "),
        (" convolutions", "conv2d layers of "),
    ] {
        let parts: Vec<&str> = header.split(phrase).collect();
        for before in &parts[..parts.len() - 1] {
            let value = count(&format!("{what}{model}"), "");
            let said = value.and_then(|v| compared(before, v));
            match said {
                Some((old, new)) if old == new => {}
                Some((old, new)) => {
                    faults.push(format!("{model}: {old}{phrase}, but it has {new}"))
                }
                None => faults.push(format!("{model}: no figure in front of{phrase}")),
            }
        }
    }
    for (phrase, other) in [
        (" of the original network's multiply-adds", "seed"),
        (" of its work", "seed"),
    ] {
        let Some((before, _)) = header.split_once(phrase) else {
            continue;
        };
        let part = PARTS.iter().find(|(words, _)| before.ends_with(words));
        let times = count(&format!("multiply-adds of {other} over {model}"), "");
        match (part, times) {
            (Some((_, said)), Some(times)) if times.round() == *said => {}
            (part, times) => faults.push(format!(
                "{model}: {part:?}{phrase}, but {other} does {times:?} times as much"
            )),
        }
    }
    faults
}

#[test]
fn headers_of_models_are_true() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in files("models") {
        let header = header(&fs::read_to_string(root().join(&path)).expect("text"));
        seen += usize::from(header.contains(" parameters for 10 classes"));
        wrong.extend(header_faults(&header, path.to_str().expect("a name")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 3, "{seen} headers name parameters");
}

#[test]
fn a_wrong_header_is_found() {
    let faults = |header: &str| header_faults(header, "models/deep.toml").len();
    assert_eq!(
        faults("14 convolutions, 5.2 million parameters for 10 classes"),
        0
    );
    assert_eq!(
        faults("15 convolutions, 5.2 million parameters for 10 classes"),
        1
    );
    assert_eq!(
        faults("14 convolutions, 5.1 million parameters for 10 classes"),
        1
    );
    assert_eq!(faults("many convolutions"), 1);
    let part =
        |words: &str| header_faults(&format!("{words} of its work"), "models/demo.toml").len();
    assert_eq!(
        (part("a tenth"), part("a twelfth"), part("a sliver")),
        (0, 1, 1)
    );
    assert_eq!(header("# One\n# two.\nname = 'x'\n# three"), "One two.");
}

/// Each way of counting, against something that it was not read from.
#[test]
fn what_is_counted_is_there() {
    let is = |what: &str, number: usize| assert_eq!(count(what, ""), Some(number as f64), "{what}");
    // Conv 3x3, its bias, four numbers of batch norm, a dense layer: by hand.
    let conv = |c: usize, k: usize| 9 * c * k + k + 4 * k;
    let seed = conv(1, 64) + conv(64, 128) + conv(128, 256);
    is(
        "parameters of seed",
        seed + 256 * 256 + 256 + 4 * 256 + 10 * 256 + 10,
    );
    is("conv2d layers of seed", 3);
    is("conv2d layers of models/seed.toml", 3);
    is("bytes of Step", 64);
    is("feature rows", 187);
    is("examples", 3);
    assert!(count("lines of the longest example", "").is_some_and(|n| n > 50.0));
    assert_eq!(
        count(
            "rows below",
            " x\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 | 4 |\n\n| 5 |"
        ),
        Some(2.0)
    );
    assert_eq!(count("rows below", "nothing"), Some(0.0));
    is("lines that the chapter adds to src/ops/registry.rs", 1);
    is("lines that the chapter adds to src/ops/", 3);
    assert_eq!(count("parameters of nobody", ""), None);
    assert_eq!(count("lines of the example in no/such.rs", ""), None);
}
