//! Figures that stand in the documents and that the program can say without measuring: text and program must agree.
//!
//! Three forms, none of which a reader sees:
//!
//! - behind a figure, the command (with `--json` added) and where in its answer the figure is:
//!   `68.9 MiB<!-- plan --model seed --class cpu: total_bytes -->`;
//! - around what a command prints, `<!-- printed by inspect --markdown -->` and `<!-- end of print -->`; days are not compared;
//! - above a table of kernels, `<!-- compiled by inspect --all --target gfx1100 -->` (more commands behind `and`): each row is one of the kernels in the answers, in
//!   the columns that [`COLUMNS`] knows.
//!
//! With `GTZAN_GPU_UPDATE_DOCS=1` the first two are rewritten instead.

use crate::markdown::Markdown;
use serde_json::Value;
use std::collections::HashMap;
use std::process::Command;

/// What the figures of a compiler hold for.
const COMPILER: &str = "radv Mesa 22.3.6";

/// The program's answers, each command run once.
#[derive(Default)]
pub struct Program {
    answers: HashMap<String, Option<String>>,
}

impl Program {
    /// What it prints; none where that takes a compiler of another version than the documents speak of, or one that is not here.
    fn says(&mut self, arguments: &str) -> Option<String> {
        if let Some(known) = self.answers.get(arguments) {
            return known.clone();
        }
        let answer = if !arguments.contains("--target") || compiler_is_here() {
            Some(run(&words(arguments)))
        } else {
            eprintln!("not compared: {arguments}, for want of {COMPILER}");
            None
        };
        self.answers.insert(arguments.to_owned(), answer.clone());
        answer
    }

    fn json(&mut self, arguments: &str) -> Option<Value> {
        let text = self.says(&format!("{arguments} --json"))?;
        Some(serde_json::from_str(&text).expect("JSON"))
    }

    /// The document with every figure as the program says it, and what that changes or can't be read.
    pub fn compare(&mut self, text: &str) -> (String, Vec<String>) {
        let mut faults = Vec::new();
        let text = self.figures(text, &mut faults);
        let text = self.prints(&text, &mut faults);
        self.tables(&text, &mut faults);
        (text, faults)
    }

    fn figures(&mut self, text: &str, faults: &mut Vec<String>) -> String {
        let mut parts = text.split("<!-- ");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let comment = part.split_once(" -->").map_or("", |(c, _)| c);
            if let Some((command, path)) = comment.rsplit_once(": ")
                && let Some(answer) = self.json(command)
            {
                let told = at(&answer, path).and_then(|value| restated(&out, value));
                match told {
                    None => faults.push(format!("no figure for `{comment}`")),
                    Some((place, new)) if out[place..] != new => {
                        let old = &out[place..];
                        faults.push(format!("{old}, but `{command}` says {new} ({path})"));
                        out.replace_range(place.., &new);
                    }
                    Some(_) => {}
                }
            }
            out.push_str("<!-- ");
            out.push_str(part);
        }
        out
    }

    fn prints(&mut self, text: &str, faults: &mut Vec<String>) -> String {
        const END: &str = "<!-- end of print -->";
        let mut parts = text.split("<!-- printed by ");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out.push_str("<!-- printed by ");
            let pieces = part.split_once(" -->").and_then(|(command, rest)| {
                let (block, after) = rest.split_once(END)?;
                Some((command, block, after))
            });
            let Some((command, block, after)) = pieces else {
                faults.push(format!("a print without end: {part:.60}"));
                out.push_str(part);
                continue;
            };
            let mut block = block.to_owned();
            if let Some(new) = self.says(command) {
                let differs = |(a, b): &(&str, &str)| without_days(a) != without_days(b);
                let new = format!("\n\n{}\n\n", new.trim());
                let pairs = block.trim().lines().zip(new.trim().lines());
                let same = block.trim().lines().count() == new.trim().lines().count();
                let first = pairs.clone().find(differs);
                if !same || first.is_some() {
                    let (old, said) = first.unwrap_or(("another number of lines", ""));
                    faults.push(format!(
                        "`{command}` prints\n  {said}\nwhere it says\n  {old}"
                    ));
                    block = new;
                }
            }
            out.push_str(&format!("{command} -->{block}{END}{after}"));
        }
        out
    }

    fn tables(&mut self, text: &str, faults: &mut Vec<String>) {
        for part in text.split("<!-- compiled by ").skip(1) {
            let (command, rest) = part.split_once(" -->").unwrap_or_default();
            let answers: Option<Vec<Value>> =
                command.split(" and ").map(|c| self.json(c)).collect();
            let Some(answers) = answers else {
                continue;
            };
            let lists = answers.iter().filter_map(|a| a["kernels"].as_array());
            let kernels: Vec<&Value> = lists.flatten().collect();
            let table = rest.trim_start().split("\n\n").next().unwrap_or_default();
            let rows = Markdown::parse(table).rows();
            let mut rows = rows.iter();
            let heading = rows.next().expect("a heading");
            let columns: Vec<_> = COLUMNS
                .iter()
                .filter_map(|(title, of)| {
                    let place = heading.iter().position(|h| h.contains(title))?;
                    Some((place, *of))
                })
                .collect();
            assert!(columns.len() > 2, "no columns: {heading:?}");
            let mut name = String::new();
            for row in rows.filter(|r| !r[0].starts_with("--")) {
                if let Some(own) = row[0].split('`').nth(1) {
                    name = own.to_owned();
                }
                let own = kernels.iter().copied().filter(|k| k["kernel"] == *name);
                let own: Vec<&Value> = own.collect();
                let fits = |k: &&&Value| columns.iter().all(|(i, of)| row[*i].starts_with(&of(k)));
                if !own.iter().any(|k| fits(&k)) {
                    let figures = |k: &&Value| columns.iter().map(|c| c.1(k)).collect::<Vec<_>>();
                    let said: Vec<_> = own.iter().map(figures).collect();
                    faults.push(format!(
                        "`{command}` has no {name} as {row:?}, but {said:?}"
                    ));
                }
            }
        }
    }
}

/// A part of a heading, and what a kernel has in that column.
type Column = (&'static str, fn(&Value) -> String);

const COLUMNS: [Column; 5] = [
    ("registers", |k| k["registers"].to_string()),
    ("spilled", |k| k["spilled"].to_string()),
    ("subgroups", |k| k["waves_per_simd"].to_string()),
    ("hot loop", |k| multiply_adds(&k["hot_loop"])),
    ("whole loop", |k| multiply_adds(&k["contraction_loop"])),
];

fn multiply_adds(of: &Value) -> String {
    format!("{} of {}", of["multiply_adds"], of["instructions"])
}

fn compiler_is_here() -> bool {
    gtzan_gpu::inspect::radv::find().is_some() && {
        let answer = run(&words("inspect adam --target gfx1100 --json"));
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["driver"] == COMPILER
    }
}

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

/// What the program prints.
pub fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `total_bytes`, `recomputed.0.bytes`, `recomputed.len`.
fn at(answer: &Value, path: &str) -> Option<f64> {
    let mut value = answer;
    for key in path.split('.') {
        if key == "len" {
            return Some(value.as_array()?.len() as f64);
        }
        value = match key.parse::<usize>() {
            Ok(i) => value.get(i)?,
            Err(_) => value.get(key)?,
        };
    }
    value.as_f64()
}

const WORDS: [&str; 13] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];

/// Where the figure at the end of `text` begins, and how it would read if it were `value`: a word, a number with as many decimals and
/// the same unit, thousands apart.
fn restated(text: &str, value: f64) -> Option<(usize, String)> {
    let unit = [" KiB", " MiB", " GiB", " million", " %"];
    let unit = unit.into_iter().find(|u| text.ends_with(u)).unwrap_or("");
    let number = &text[..text.len() - unit.len()];
    let ends = |w: &&&str| number.ends_with(*w) && value.fract() == 0.0;
    if let (Some(word), "") = (WORDS.iter().find(ends), unit) {
        let new = WORDS.get(value as usize)?;
        return Some((number.len() - word.len(), (*new).to_owned()));
    }
    let start = number
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_ascii_digit() || matches!(c, '.' | ','))
        .last()?
        .0;
    let decimals = number[start..].split_once('.').map_or(0, |(_, d)| d.len());
    let scale = match unit {
        " KiB" => 1024.0,
        " MiB" => 1024.0 * 1024.0,
        " GiB" => 1024.0 * 1024.0 * 1024.0,
        " million" => 1e6,
        " %" => 0.01,
        _ => 1.0,
    };
    let plain = format!("{:.decimals$}", value / scale);
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    Some((start, format!("{grouped}{rest}{unit}")))
}

/// A line with its days, `2026-01-31`, taken out.
fn without_days(line: &str) -> String {
    let is_day = |word: &str| {
        let day = word.trim_matches(|c: char| !c.is_ascii_digit());
        day.len() == 10 && day.split('-').map(str::len).eq([4, 2, 2])
    };
    let words = line.split(' ').filter(|w| !is_day(w));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn figures_are_restated_as_they_are_written() {
    let new = |text: &str, value: f64| {
        restated(text, value).map(|(at, new)| (text[at..].to_owned(), new))
    };
    let is = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(
        new("takes 68.9 MiB", 72_236_624.0),
        is("68.9 MiB", "68.9 MiB")
    );
    assert_eq!(new("takes 70 MiB", 72_236_624.0), is("70 MiB", "69 MiB"));
    assert_eq!(new("(440,841", 440_842.0), is("440,841", "440,842"));
    assert_eq!(new("with three", 2.0), is("three", "two"));
    assert_eq!(
        new("some 9.5 million", 446_000_000.0),
        is("9.5 million", "446.0 million")
    );
    assert_eq!(new("nothing here ", 1.0), None);
    assert_eq!(
        without_days("a; 2026-01-31; b"),
        without_days("a; 2027-11-02; b")
    );
    assert_ne!(without_days("a; 31; b"), without_days("a; 32; b"));
}

/// Each form is seen, and a wrong figure in it.
#[test]
fn a_wrong_figure_is_found() {
    let mut program = Program::default();
    let plan = "<!-- plan --model seed --portable: batch_size -->";
    assert_eq!(program.compare(&format!("8{plan}")).1.len(), 0);
    let (text, faults) = program.compare(&format!("samples: 9{plan}, and"));
    assert_eq!((text, faults.len()), (format!("samples: 8{plan}, and"), 1));
    assert_eq!(
        program
            .compare("9<!-- plan --portable: nothing -->")
            .1
            .len(),
        1
    );
    let kernel = run(&["kernel", "relu/forward"]);
    let print = |what: &str| {
        format!("<!-- printed by kernel relu/forward -->\n\n{what}\n\n<!-- end of print -->\n")
    };
    assert_eq!(program.compare(&print(kernel.trim())).1.len(), 0);
    let (text, faults) = program.compare(&print("// another"));
    assert_eq!((text, faults.len()), (print(kernel.trim()), 1));
    assert_eq!(
        program
            .compare("<!-- printed by kernel relu/forward -->")
            .1
            .len(),
        1
    );
    if compiler_is_here() {
        let table = |n: u64| {
            format!(
                "<!-- compiled by inspect dense --all --target gfx1100 -->\n\n| kernel | registers | spilled | hot loop |\n|---|--:|--:|--:|\n\
                 | `dense/naive/forward` | {n} | 0 | 1 of 14 (7 %) |\n"
            )
        };
        let faults = |n: u64| Program::default().compare(&table(n)).1.len();
        assert_eq!((faults(12), faults(13)), (0, 1));
    }
}
