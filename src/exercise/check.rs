//! Whether a student's kernel is right: the gradient check of the op with that kernel in the place of the built-in one, by this program
//! itself in a process of its own, so that a kernel that hangs or loses the device ends nothing else.

use super::{Compiled, Exercise, Faster, counted, handed_out, placement};
use crate::error::{Error, Result};
use crate::fsutil::create_dir;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

/// How long a check may take. A right kernel takes some seconds; a loop that does not end is stopped.
const PATIENCE: Duration = Duration::from_secs(180);

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Right on every case, and as good as asked for.
    pub solved: bool,
    /// What was found, a line each.
    pub findings: Vec<String>,
}

impl Verdict {
    pub(super) fn no(findings: Vec<String>) -> Self {
        Self {
            solved: false,
            findings,
        }
    }
}

/// What `gradcheck --json` says.
#[derive(Debug, Deserialize)]
struct Report {
    adapter: Option<String>,
    results: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    case: String,
    tensor: String,
    gpu_error: Option<f64>,
    tolerance: f64,
    ok: bool,
}

/// Check the kernel in the exercise's folder; `device` as on the command line.
///
/// # Errors
/// When the file can't be read or this program can't be started.
pub fn check(exercise: &Exercise, device: Option<&str>) -> Result<Verdict> {
    let file = exercise.file();
    let text = fs::read(&file)
        .map_err(|e| Error::data(format!("{}: can't read it: {e}", file.display())))?;
    if exercise.placement {
        let text = String::from_utf8_lossy(&text);
        let given = handed_out(exercise).unwrap_or(&text);
        return placement::check(&text, given, &file.display().to_string());
    }
    let folder = tempfile::tempdir()
        .map_err(|e| Error::data(format!("can't make a folder for the kernel: {e}")))?;
    let copy = folder.path().join(format!("{}.wgsl", exercise.kernel));
    create_dir(copy.parent().unwrap_or(folder.path()))?;
    fs::write(&copy, &text).map_err(|e| Error::data(format!("{}: {e}", copy.display())))?;
    let program = Program {
        shaders: folder.path(),
        copy: copy.display().to_string(),
        file: file.display().to_string(),
        device,
    };

    let mut arguments = vec!["gradcheck", exercise.op.as_str(), "--json"];
    if let Some(rung) = &exercise.rung {
        arguments.extend(["--rung", rung]);
    }
    let out = program.run(&arguments)?;
    let Some(report) = out.parsed::<Report>() else {
        return Ok(Verdict::no(out.complaint));
    };
    let wrong: Vec<&Row> = report.results.iter().filter(|r| !r.ok).collect();
    if report.results.is_empty() {
        let why = "nothing was checked: this device can't run the rung that the exercise is about";
        return Ok(Verdict::no(vec![why.to_owned()]));
    }
    if !wrong.is_empty() {
        return Ok(Verdict::no(told(&wrong, tensors(&report.results))));
    }
    let adapter = report.adapter.as_deref().unwrap_or("this device");
    let mut verdict = Verdict {
        solved: true,
        findings: vec![format!(
            "right: {} tensors on {adapter}",
            tensors(&report.results)
        )],
    };
    verdict.and_text(exercise, &String::from_utf8_lossy(&text));
    if let Some(faster) = &exercise.faster {
        verdict.and(program.faster(faster)?);
    }
    if let Some(compiled) = &exercise.compiled {
        verdict.and(program.compiled(exercise, compiled)?);
    }
    Ok(verdict)
}

/// Different tensors of different cases: a kernel that several rungs share has a row for each of them.
fn tensors<'a>(rows: impl IntoIterator<Item = &'a Row>) -> usize {
    let of = |r: &'a Row| (r.case.as_str(), r.tensor.as_str());
    rows.into_iter().map(of).collect::<BTreeSet<_>>().len()
}

/// The first wrong tensors in words.
fn told(wrong: &[&Row], of: usize) -> Vec<String> {
    const TOLD: usize = 4;
    let all = tensors(wrong.iter().copied());
    let mut lines = vec![format!("wrong in {all} of {of} tensors:")];
    let mut seen = BTreeSet::new();
    let first = wrong.iter().filter(|r| seen.insert((&r.case, &r.tensor)));
    for row in first.take(TOLD) {
        let error = match row.gpu_error {
            Some(e) if e.is_finite() => format!("off by {e:.1e} of its maximum"),
            _ => "not a number, or not written".to_owned(),
        };
        lines.push(format!(
            "  case '{}', {}: {error} (at most {:.0e})",
            row.case, row.tensor, row.tolerance
        ));
    }
    if all > TOLD {
        lines.push(format!("  and {} more", all - TOLD));
    }
    lines.push("  (y, y1, …: the op's outputs; d0, d1, …: the gradients of its inputs)".to_owned());
    lines
}

impl Verdict {
    /// What the kernel's text says of addresses and barriers.
    fn and_text(&mut self, exercise: &Exercise, text: &str) {
        if exercise.counted.is_empty() && exercise.barriers_in_loops.is_none() {
            return;
        }
        let module = match parsed(exercise, text) {
            Ok(module) => module,
            Err(e) => return self.and((false, e.to_string())),
        };
        for wanted in &exercise.counted {
            let found = counted::count(&module, wanted);
            self.and(found.unwrap_or_else(|e| (false, e.to_string())));
        }
        if let Some(most) = exercise.barriers_in_loops {
            let found = counted::barriers_in_loops(&module);
            let finding = format!("barriers in loops: {found}; at most {most} is asked for");
            self.and((found <= most, finding));
        }
    }

    fn and(&mut self, (reached, finding): (bool, String)) {
        self.solved &= reached;
        self.findings.push(finding);
    }
}

/// The student's text, with the shared pieces behind it that the program's own kernel stands on.
fn parsed(exercise: &Exercise, text: &str) -> Result<naga::Module> {
    let whole = crate::kernels::named(&exercise.kernel)?;
    let own = crate::ops::built_in_files();
    let own = own.into_iter().find(|(name, _)| *name == exercise.kernel);
    let pieces = match (whole.first(), &own) {
        (Some(whole), Some((_, own))) => whole.kernel.source.strip_prefix(own).unwrap_or_default(),
        _ => "",
    };
    naga::front::wgsl::parse_str(&format!("{text}{pieces}"))
        .map_err(|e| Error::data(format!("{}: {e}", exercise.file().display())))
}

/// This program, with the student's kernel.
struct Program<'a> {
    shaders: &'a Path,
    /// The kernel's path there, and where the student has it.
    copy: String,
    file: String,
    device: Option<&'a str>,
}

struct Output {
    stdout: String,
    complaint: Vec<String>,
}

impl Output {
    fn parsed<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.stdout).ok()
    }
}

impl Program<'_> {
    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let fail = |e: io::Error| Error::data(format!("can't start this program again: {e}"));
        let mut command = Command::new(std::env::current_exe().map_err(fail)?);
        command
            .args(arguments)
            .arg("--shaders")
            .arg(self.shaders)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(device) = self.device {
            command.args(["--device", device]);
        }
        let mut child = command.spawn().map_err(fail)?;
        // Both streams are read while it runs: a full pipe would stop it.
        let reader = |stream: Option<Box<dyn Read + Send>>| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                // What was read until the process was stopped is all there is to tell.
                let _cut = stream.map(|mut s| s.read_to_end(&mut bytes));
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let stdout = reader(child.stdout.take().map(|s| Box::new(s) as _));
        let stderr = reader(child.stderr.take().map(|s| Box::new(s) as _));
        let begin = Instant::now();
        let ended = loop {
            if child.try_wait().map_err(fail)?.is_some() {
                break true;
            }
            if begin.elapsed() > PATIENCE {
                // It may have ended by itself in this moment; either way it is gone.
                let _gone = child.kill();
                let _gone = child.wait();
                break false;
            }
            thread::sleep(Duration::from_millis(20));
        };
        let text = |t: thread::JoinHandle<String>| t.join().unwrap_or_default();
        let (stdout, stderr) = (text(stdout), text(stderr));
        let complaint = match ended {
            true => stderr
                .lines()
                .filter(|l| !l.starts_with("kernels from "))
                .map(|l| l.replace(&self.copy, &self.file))
                .collect(),
            false => vec![format!(
                "stopped after {} s: is there a loop that does not end?",
                PATIENCE.as_secs()
            )],
        };
        Ok(Output { stdout, complaint })
    }

    fn faster(&self, f: &Faster) -> Result<(bool, String)> {
        let time = |rung: &str| -> Result<Option<f64>> {
            let arguments = [
                "bench", &f.family, "--rung", rung, "--shape", &f.shape, "--json",
            ];
            let report: Option<Value> = self.run(&arguments)?.parsed();
            let rows = report.as_ref().and_then(|r| r["results"].as_array());
            let row = rows.and_then(|rows| rows.iter().find(|r| r["rung"] == *rung));
            Ok(row.and_then(|r| r["ms"].as_f64()))
        };
        let (Some(ours), Some(theirs)) = (time(&f.rung)?, time(&f.than)?) else {
            let why = format!(
                "not timed: this device can't run {} or {} of {}",
                f.rung, f.than, f.family
            );
            return Ok((true, why));
        };
        let ratio = theirs / ours;
        let finding = format!(
            "{ratio:.1} times as fast as {} ({ours:.2} ms against {theirs:.2} ms); {} times is asked for",
            f.than, f.by
        );
        Ok((ratio >= f.by, finding))
    }

    fn compiled(&self, exercise: &Exercise, c: &Compiled) -> Result<(bool, String)> {
        let arguments = [
            "inspect",
            &exercise.op,
            "--case",
            &c.case,
            "--target",
            &c.target,
            "--json",
        ];
        let out = self.run(&arguments)?;
        let report: Option<Value> = out.parsed();
        let rows = report.as_ref().and_then(|r| r["kernels"].as_array());
        let row = rows.and_then(|rows| rows.iter().find(|r| r["kernel"] == exercise.kernel));
        let Some(whole) = row.map(|r| &r["contraction_loop"]) else {
            let why = out.complaint.join(" ");
            return Ok((true, format!("not compiled for {}: {why}", c.target)));
        };
        let per = |name: &str| {
            let adds = whole["multiply_adds"].as_f64().unwrap_or(0.0).max(1.0);
            whole[name].as_f64().unwrap_or(f64::INFINITY) / adds
        };
        let mut reached = true;
        let mut parts = Vec::new();
        for (name, what, most) in [
            ("memory_bytes", "memory", c.memory_bytes),
            ("workgroup_bytes", "workgroup memory", c.workgroup_bytes),
        ] {
            let Some(most) = most else { continue };
            let value = per(name);
            reached &= value <= most;
            parts.push(format!(
                "{value:.2} bytes from {what} per multiply-add on {}; at most {most} is asked for",
                c.target
            ));
        }
        Ok((reached, parts.join(", ")))
    }
}
