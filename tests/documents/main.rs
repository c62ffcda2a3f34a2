//! What README, CONTRIBUTING, the book and the exercises name exists: files, kernels, rungs, commands with their options, targets of
//! make, links; and what they say of the program in lists and tables is what the program says.

mod chapter;
mod counted;
mod faults;
mod figure;
mod formats;
mod markdown;
mod named;
mod numbers;
mod package;

use clap::CommandFactory;
use gtzan_gpu::bench::{self, Measured};
use gtzan_gpu::cli::Cli;
use gtzan_gpu::{exercise, report};
use markdown::Markdown;
use named::{Names, dead_links, files, root};
use numbers::Program;
use std::collections::HashSet;

/// Every document but the list of changes, which tells of what was: its path from the root, and its text.
fn documents() -> Vec<(String, String)> {
    let tops = ["README.md", "CONTRIBUTING.md"].map(Into::into);
    let below = ["docs", "exercises"].into_iter().flat_map(files);
    let all = tops.into_iter().chain(below);
    let texts = all.filter(|p: &std::path::PathBuf| p.extension().is_some_and(|e| e == "md"));
    let read = |p: std::path::PathBuf| {
        let text = std::fs::read_to_string(root().join(&p)).expect("text");
        (p.display().to_string().replace('\\', "/"), text)
    };
    texts.map(read).collect()
}

fn in_book(document: &str) -> bool {
    document.starts_with("docs/")
}

#[test]
fn what_is_named_exists() {
    let names = Names::collect();
    let mut wrong = Vec::new();
    for (document, text) in documents() {
        let faults = names.faults(&document, &text).into_iter();
        wrong.extend(faults.map(|f| format!("{document}: {f}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let changes = std::fs::read_to_string(root().join("CHANGELOG.md")).expect("text");
    for (document, text) in documents()
        .into_iter()
        .chain([("CHANGELOG.md".into(), changes)])
    {
        let dead = dead_links(&document, &text, in_book(&document)).into_iter();
        wrong.extend(dead.map(|d| format!("{document}: {d}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name that does not exist is found, of each kind; what exists is not.
#[test]
fn a_wrong_name_is_found() {
    let names = Names::collect();
    let faults = |text: &str| names.faults("docs/gpu-ladder.md", text).len();
    for wrong in [
        "`src/ops/rellu.rs`",
        "`shaders/conv3d/`",
        "`registers/sideways`",
        "`conv2d.forward:2_registers`",
        "`im2col_window_panes`",
        "`Op::unheard_of`",
        "`never_written()`",
        "`GTZAN_GPU_GONE`",
        "`--no-such-option`",
        "`make tea`",
        "`gtzan-gpu trian`",
        "`gtzan-gpu train --epoch 3`",
        "`gtzan-gpu plan --batch-size many`",
        "`gtzan-gpu plan --model tiny`",
        "`gtzan-gpu train --recipe weak`",
        "`gtzan-gpu gradcheck\nconv3d --watch`",
        "`gtzan-gpu bench conv2d.sideways`",
        "`gtzan-gpu kernel regsters/forward`",
        "text\n\n    gtzan-gpu inspect --target=gfx1100 --shape n=1\n",
        "```sh\ncargo run --release -- plan --fit --splendid   # so\n```",
        "```sh\ncargo run --release -- train genres \\\n    --batchsize 3\n```",
        "1. one\n\n       gtzan-gpu devices --loud\n",
    ] {
        assert_eq!(faults(wrong), 1, "{wrong}: {:?}", names.faults("", wrong));
    }
    for right in [
        "`src/ops/relu.rs`, `shaders/conv2d/`, `registers/forward`, `conv2d.forward:registers`, `Op::mutates`",
        "`--vram 256MiB`, `make test`, `GTZAN_GPU_DEVICE`, `runs/mine`, `s_waitcnt`, `N/2`, `a / b`, `(f(x + h))`",
        "`gtzan-gpu bench OP`, `gtzan-gpu kernel registers/forward --piece store_plain`",
        "```sh\ncargo run --release -- train genres \\\n    --batch-size 3   # a comment with --anything\n```",
    ] {
        assert_eq!(names.faults("", right), Vec::<String>::new(), "{right}");
    }
    let dead = |text: &str| dead_links("docs/numerics.md", text, true).len();
    for wrong in [
        "[a](gone.md)",
        "[a](numerics.md#gone)",
        "[a](#gone)",
        "![a](pictures/gone.svg)",
        "[a](../README.md)",
    ] {
        assert_eq!(dead(wrong), 1, "{wrong}");
    }
    for right in [
        "[a](the-tape.md)",
        "[a](numerics.md#fixed-order-no-atomics)",
        "[a](#softmax)",
        "[a](decisions/README.md)",
        "[a](https://example.org/x#y)",
    ] {
        assert!(
            right.contains('#') && dead(right) == 0 || dead(right) == 0,
            "{right}"
        );
    }
}

#[test]
fn rungs_in_tables_exist() {
    let names = Names::collect();
    let mut seen = 0;
    for (document, text) in documents() {
        for table in text.split("<!-- bench:begin -->").skip(1) {
            let table = table.split("<!-- bench:end -->").next().expect("a part");
            let rows = Markdown::parse(table).rows();
            let mut rows = rows.iter();
            let heading = rows.next().expect("a heading");
            let column = heading.iter().position(|c| c == "rung");
            let column = column.expect("a column of rungs");
            for row in rows.filter(|r| !r[0].starts_with("--")) {
                let rung = row[column].split_whitespace().next().expect("a name");
                assert!(names.is_rung(rung), "{document}: no rung {rung}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} rungs were looked at");
}

/// Where a document speaks of an exercise it says `exercise 5 (*A race*)`, so that its number is right as long as the title is.
#[test]
fn exercises_have_their_numbers() {
    let all = exercise::all(&root().join("exercises")).expect("exercises");
    let mut seen = HashSet::new();
    for (document, text) in documents() {
        let prose = Markdown::parse(&text).prose.replace('\n', " ");
        // A command names one, too, whatever its title; in an exercise's text, its own.
        for command in prose.split('`').skip(1).step_by(2) {
            let number = command.strip_prefix("gtzan-gpu exercise ");
            if let (true, Some(number)) = (document.starts_with("exercises/"), number) {
                let own = document.starts_with(&format!("exercises/{number:0>2}_"));
                assert!(
                    own || number.parse::<usize>().is_err(),
                    "{document}: {command}"
                );
            }
        }
        let prose: String = prose.split('`').step_by(2).collect();
        for part in prose.split("xercise ").skip(1) {
            let number: String = part.chars().take_while(char::is_ascii_digit).collect();
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            let e = all.iter().find(|e| e.number == number);
            let e = e.unwrap_or_else(|| panic!("{document}: there is no exercise {number}"));
            let named = format!("{number} (*{}*)", e.title);
            assert!(
                part.starts_with(&named),
                "{document}: exercise {named} is called: exercise {part:.60}"
            );
            if document == "docs/exercises.md" {
                seen.insert(number);
            }
        }
        assert!(
            !prose.contains("xercises 1"),
            "{document}: exercises one by one, with their titles"
        );
    }
    let unnamed: Vec<_> = all.iter().filter(|e| !seen.contains(&e.number)).collect();
    assert!(unnamed.is_empty(), "docs/exercises.md lacks {unnamed:?}");
}

/// What can be said without measuring, the program says as the text does.
#[test]
fn figures_are_the_program_s() {
    let update = std::env::var_os("GTZAN_GPU_UPDATE_DOCS").is_some();
    let mut program = Program::default();
    let mut wrong = Vec::new();
    for (document, text) in documents() {
        let (new, faults) = program.compare(&text);
        if update && new != text {
            std::fs::write(root().join(&document), new).expect("written");
        }
        wrong.extend(faults.into_iter().map(|f| format!("{document}: {f}")));
    }
    assert!(
        wrong.is_empty() || update,
        "run with GTZAN_GPU_UPDATE_DOCS=1 to write down what the program says, then read the text around it:\n{}",
        wrong.join("\n")
    );
}

/// Drawings and tables of what is kept in a file are what the program makes of it now: `bench --from FILE --svg DIR --readme=FILE`, and
/// `plan --model small --class gpu --svg FILE`.
#[test]
fn pictures_are_the_program_s() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect(path);
    let measured = Measured::read(&root().join("docs/bench/conv2d-forward.json"));
    let measured = measured.expect("a bench's answer");
    assert!(!measured.date.is_empty() && !measured.command.is_empty());
    for (name, drawn) in report::bench_svgs(&measured) {
        assert!(read(&format!("docs/pictures/{name}")) == drawn, "{name}");
    }
    // The chapter stays with the machine that its text tells of; README has every rung of today, on another.
    let today = Measured::read(&root().join("docs/bench/conv2d-forward-xeon.json"));
    let today = today.expect("a bench's answer");
    for (document, measured) in [
        ("README.md", &today),
        ("docs/convolution-ladder.md", &measured),
    ] {
        let table = format!("\n{}<!-- bench:end", bench::table(measured));
        assert!(read(document).contains(&table), "the table in {document}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("memory-plan.svg").display().to_string();
    numbers::run(&["plan", "--model", "small", "--class", "gpu", "--svg", &file]);
    let drawn = std::fs::read_to_string(&file).expect("a drawing");
    assert!(read("docs/pictures/memory-plan.svg") == drawn, "the plan");
}

/// Every document is in the table of contents, so that the book has it and a reader finds it.
#[test]
fn every_chapter_is_in_the_table_of_contents() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).expect("text");
    let listed: HashSet<String> = Markdown::parse(&summary)
        .links()
        .into_iter()
        .map(|(_, t)| t)
        .collect();
    for file in files("docs")
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "md"))
    {
        let name = file
            .strip_prefix("docs")
            .expect("below it")
            .display()
            .to_string();
        let name = name.replace('\\', "/");
        assert!(
            name == "SUMMARY.md" || listed.contains(&name),
            "docs/SUMMARY.md lacks {name}"
        );
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("text");
    let rows = Markdown::parse(&readme).rows();
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let row = rows.iter().any(|row| {
            let usage = row[0].trim_matches('`');
            usage.split_whitespace().next() == Some(name)
        });
        assert!(row, "the table of commands lacks {name}");
    }
    assert!(readme.lines().count() <= 150);
}
