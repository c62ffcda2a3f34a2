//! Figures that stand in the documents and that the program can say without measuring: text and program must agree.
//!
//! Four forms, none of which a reader sees:
//!
//! - behind a figure, the command (with `--json` added) and where in its answer the figure is:
//!   `68.9 MiB<!-- plan --model seed --class cpu: total_bytes -->`;
//! - behind a figure, what was counted for it (`counted.rs`): `440,842<!-- counted: parameters of seed -->`; with `more than counted`
//!   the figure is one that what was counted stays below, and nobody restates it;
//! - around what a command prints, `<!-- printed by inspect --markdown -->` and `<!-- end of print -->`; days are not compared;
//! - above a table of kernels, `<!-- compiled by inspect --all --target gfx1100 -->` (more commands behind `and`): each row is one of the kernels in the answers, in
//!   the columns that [`COLUMNS`] knows.
//!
//! With `GTZAN_GPU_UPDATE_DOCS=1` figures and prints are rewritten instead.

use crate::counted::count;
use crate::figure::Figure;
use crate::markdown::Markdown;
use serde_json::Value;
use std::collections::HashMap;
use std::process::Command;

/// In front of `counted` where the document names a bound.
const BOUND: &str = "more than ";

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
            let (comment, behind) = part.split_once(" -->").unwrap_or_default();
            if let Some((command, path)) = comment.rsplit_once(": ")
                && let Some(told) = self.told(command, path, behind)
            {
                let read = told.and_then(|value| Some((value, Figure::at_end(&out)?)));
                match read {
                    None => faults.push(format!("no figure for `{comment}`")),
                    Some((value, figure)) if command.starts_with(BOUND) => {
                        if value >= figure.value {
                            let old = &out[figure.start..];
                            faults.push(format!("{old}, but it is {value} ({path})"));
                        }
                    }
                    Some((value, figure)) => {
                        let new = figure.restated(value);
                        if out[figure.start..] != new {
                            let old = &out[figure.start..];
                            faults.push(format!("{old}, but `{command}` says {new} ({path})"));
                            out.replace_range(figure.start.., &new);
                        }
                    }
                }
            }
            out.push_str("<!-- ");
            out.push_str(part);
        }
        out
    }

    /// What a command's answer says, or what can be counted; none where the command can't be asked here.
    fn told(&mut self, command: &str, path: &str, behind: &str) -> Option<Option<f64>> {
        if command.trim_start_matches(BOUND) == "counted" {
            return Some(count(path, behind));
        }
        Some(at(&self.json(command)?, path))
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
fn days_are_not_compared() {
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
    let counted = |figure: &str, what: &str| {
        let text = format!("{figure}<!-- {what} --> of them");
        let (new, faults) = Program::default().compare(&text);
        (
            new.split("<!--").next().unwrap_or_default().to_owned(),
            faults.len(),
        )
    };
    let exercises = "counted: exercises";
    assert_eq!(counted("30", exercises), ("30".to_owned(), 0));
    assert_eq!(counted("31", exercises), ("30".to_owned(), 1));
    let bound = "more than counted: exercises";
    assert_eq!(counted("under 31", bound), ("under 31".to_owned(), 0));
    assert_eq!(counted("under 30", bound), ("under 30".to_owned(), 1));
    assert_eq!(counted("30", "counted: unheard of").1, 1);
    assert_eq!(counted("none", exercises).1, 1);
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
