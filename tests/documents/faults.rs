//! The chapter on gradients tells of faults, each one edit to one kernel, and of what the check says. Here they are planted again.

use crate::markdown::Markdown;
use crate::named::root;
use serde_json::Value;
use std::fs;
use std::process::Command;

/// What the chapter's figures hold for: another device rounds otherwise, and runs other rungs.
const DEVICE: &str = "llvmpipe";

/// An edit to a kernel, and what is checked.
struct Fault {
    kernel: &'static str,
    old: &'static str,
    new: &'static str,
    check: &'static str,
}

const fn fault(
    kernel: &'static str,
    old: &'static str,
    new: &'static str,
    check: &'static str,
) -> Fault {
    Fault {
        kernel,
        old,
        new,
        check,
    }
}

/// In the order of the chapter's table.
const FAULTS: [Fault; 11] = [
    fault("relu/backward", "y[i] > vec4", "y[i] >= vec4", "relu"),
    fault(
        "dense/naive/backward_input",
        "w[o * params.i + i]",
        "w[i * params.o + o]",
        "dense --rung dense.backward_input:naive",
    ),
    fault(
        "dense/registers/backward_input",
        "gradient(min(n + 3u, last), o)",
        "gradient(min(n + 2u, last), o)",
        "dense --rung dense.backward_input:registers",
    ),
    fault(
        "softmax_cross_entropy/forward",
        "largest = max(largest, x[row + k]);",
        "largest = 0.0;",
        "softmax_cross_entropy",
    ),
    fault(
        "global_avg_pool/tree/forward",
        "let end = start + params.area;",
        "let end = start + params.area - 1u;",
        "global_avg_pool --rung global_avg_pool.forward:tree",
    ),
    fault(
        "max_pool2d/naive/forward",
        "value > best",
        "value >= best",
        "max_pool2d --rung max_pool2d.forward:naive",
    ),
    fault(
        "dropout/apply",
        "step.sample_offset * params.per_sample + ",
        "",
        "dropout",
    ),
    fault(
        "adam/update",
        "(sqrt(v_new) + params.epsilon)",
        "sqrt(v_new + params.epsilon)",
        "adam",
    ),
    fault(
        "reduce/sum_of_squares",
        "i < whole;",
        "i + 1u < whole;",
        "l2_penalty",
    ),
    fault(
        "conv2d/sum_partials",
        "var s = 0u;",
        "var s = 1u;",
        "conv2d --rung conv2d.backward_weight:registers",
    ),
    fault(
        "conv2d/turn_weight",
        "params.taps - 1u - tap",
        "tap",
        "conv2d --rung conv2d.backward_input:registers",
    ),
];

/// What `gradcheck` says of the kernels in a folder.
fn checked(arguments: &str, shaders: &std::path::Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"))
        .arg("gradcheck")
        .args(arguments.split(' '))
        .args(["--json", "--shaders"])
        .arg(shaders)
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{arguments}: nothing was found");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments}: {e}: {errors}"))
}

/// The chapter's row for what `gradcheck` said, without its edit: `relu/backward`, `2 of 6`, `prime sizes, d0`, and the error.
fn row(fault: &Fault, said: &Value) -> ([String; 3], f64) {
    let rows = said["results"].as_array().expect("rows");
    let wrong: Vec<_> = rows.iter().filter(|r| r["ok"] == false).collect();
    let first = wrong.first().expect("the program said so");
    let text = |key: &str| first[key].as_str().unwrap_or_default();
    let cells = [
        format!("`{}`", fault.kernel),
        format!("{} of {}", wrong.len(), rows.len()),
        format!("{}, {}", text("case"), text("tensor")),
    ];
    (cells, first["gpu_error"].as_f64().unwrap_or(f64::NAN))
}

/// Whether a row of the table says that; its error has one or two digits.
fn says(table: &[String], (cells, error): &([String; 3], f64)) -> bool {
    let [kernel, _, failed, first] = table else {
        return false;
    };
    let Some((place, told)) = first.rsplit_once(": ") else {
        return false;
    };
    let near = |told: f64| (told - error).abs() <= 0.06 * error.abs();
    let same = match error.is_finite() {
        true => told.parse().is_ok_and(near),
        false => told == "no finite number",
    };
    same && cells.each_ref().map(String::as_str) == [kernel.as_str(), failed.as_str(), place]
}

#[test]
fn planted_faults_are_caught_as_the_chapter_says() {
    let chapter = fs::read_to_string(root().join("docs/proving-gradients.md")).expect("text");
    let table = chapter.split("## What it says").nth(1).expect("the part");
    let rows = Markdown::parse(table).rows();
    let rows: Vec<_> = rows.iter().filter(|r| r.len() == 4).skip(1).collect();
    assert_eq!(
        rows.len(),
        FAULTS.len(),
        "a fault for each row of the table"
    );
    let mut wrong = Vec::new();
    for (told, fault) in rows.into_iter().zip(&FAULTS) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = format!("{}.wgsl", fault.kernel);
        let text = fs::read_to_string(root().join("shaders").join(&file)).expect("a kernel");
        assert_eq!(text.matches(fault.old).count(), 1, "{file}: {}", fault.old);
        let copy = folder.path().join(&file);
        fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
        fs::write(copy, text.replace(fault.old, fault.new)).expect("written");
        let said = checked(fault.check, folder.path());
        let there = said["adapter"].as_str().is_some_and(|a| a.contains(DEVICE));
        let found = row(fault, &said);
        if there && !says(told, &found) {
            wrong.push(format!(
                "{told:?}, but `gradcheck {}` says {found:?}",
                fault.check
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_row_is_found() {
    let told = |row: &str| row.split('|').map(str::to_owned).collect::<Vec<_>>();
    let found = (
        ["`relu/backward`", "2 of 6", "prime sizes, d0"].map(str::to_owned),
        1.3048,
    );
    assert!(says(
        &told("`relu/backward`|`>` to `>=`|2 of 6|prime sizes, d0: 1.3"),
        &found
    ));
    for wrong in [
        "`relu/forward`|x|2 of 6|prime sizes, d0: 1.3",
        "`relu/backward`|x|2 of 7|prime sizes, d0: 1.3",
        "`relu/backward`|x|2 of 6|prime sizes, d1: 1.3",
        "`relu/backward`|x|2 of 6|prime sizes, d0: 1.4",
        "`relu/backward`|x|2 of 6|prime sizes, d0",
        "`relu/backward`|2 of 6|prime sizes, d0: 1.3",
    ] {
        assert!(!says(&told(wrong), &found), "{wrong}");
    }
    let infinite = (found.0, f64::NAN);
    let row = "`relu/backward`|x|2 of 6|prime sizes, d0: no finite number";
    assert!(
        says(&told(row), &infinite)
            && !says(&told(&row.replace("no finite number", "1.3")), &infinite)
    );
}
