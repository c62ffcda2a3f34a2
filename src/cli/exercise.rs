//! `gtzan-gpu exercise`.

use super::console;
use crate::error::{Error, ErrorKind, Result};
use crate::exercise::{self, Exercise, Progress};
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the exercises are, from the root of a checkout.
const DIR: &str = "exercises";

/// Options of `exercise`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gtzan-gpu exercise                     all exercises, and which are solved
  gtzan-gpu exercise 7                   the task, and whether your kernel is right
  gtzan-gpu exercise 7 --hint
  gtzan-gpu exercise --start lessons     write the exercises into a folder, without touching what is there
  gtzan-gpu exercise 7 --dir lessons     and do them there")]
pub struct ExerciseArgs {
    /// Its number
    #[arg(value_name = "NUMBER")]
    number: Option<usize>,
    /// A push in the right direction
    #[arg(long, requires = "number", conflicts_with = "solution")]
    hint: bool,
    /// A solution: as a rule, the program's own kernel
    #[arg(long, requires = "number")]
    solution: bool,
    /// Where the exercises are
    #[arg(long, value_name = "DIR", default_value = DIR)]
    dir: PathBuf,
    /// Write the exercises into this folder, where they are not there yet
    #[arg(long, value_name = "DIR", conflicts_with_all = ["number", "dir"])]
    start: Option<PathBuf>,
    #[command(flatten)]
    device: super::DeviceArgs,
}

impl ExerciseArgs {
    /// Refuse options that others leave without effect.
    pub fn check(&self) -> Result<()> {
        if self.hint || self.solution {
            self.device
                .refuse("with --hint or --solution, which run no kernel")?;
        }
        if self.number.is_none() {
            self.device
                .refuse("without the number of an exercise, whose kernel it would run")?;
        }
        Ok(())
    }
}

/// List, show or check.
///
/// # Errors
/// When there is no such exercise, or the student's kernel is not right yet.
pub fn run(args: &ExerciseArgs) -> Result<()> {
    if let Some(dir) = &args.start {
        let written = exercise::start(dir)?;
        console::line(&format!(
            "{0}: {written} files written; `gtzan-gpu exercise --dir {0}` lists them, and with a number checks yours",
            dir.display()
        ));
        return Ok(());
    }
    let all = exercise::all(&args.dir)?;
    let Some(number) = args.number else {
        return list(args, &all);
    };
    let Some(chosen) = all.iter().find(|e| e.number == number) else {
        return Err(Error::usage(format!(
            "there is no exercise {number}; there are {} in {}",
            all.len(),
            args.dir.display()
        )));
    };
    if args.hint {
        console::line(&chosen.hint);
        return Ok(());
    }
    if args.solution {
        console::line(chosen.solution()?.trim_end());
        return Ok(());
    }
    attempt(args, chosen)
}

fn list(args: &ExerciseArgs, all: &[Exercise]) -> Result<()> {
    let progress = exercise::progress(&args.dir, all)?;
    for (e, p) in all.iter().zip(&progress) {
        let mark = match p {
            Progress::Untouched => "",
            Progress::Begun => "begun",
            Progress::Solved => "solved",
        };
        console::line(&format!("{:>3}  {:<36}{mark}", e.number, e.title));
    }
    let solved = progress.iter().filter(|p| **p == Progress::Solved).count();
    let elsewhere = match args.dir.as_path() == Path::new(DIR) {
        true => String::new(),
        false => format!(" --dir {}", args.dir.display()),
    };
    console::line(&format!(
        "{solved} of {} solved; `gtzan-gpu exercise NUMBER{elsewhere}` shows a task and checks your file",
        all.len()
    ));
    Ok(())
}

fn attempt(args: &ExerciseArgs, chosen: &Exercise) -> Result<()> {
    console::line(chosen.task()?.trim_end());
    let file = chosen.file();
    console::line(&format!("\nYour file: {}", file.display()));
    let verdict = exercise::check(chosen, args.device.device.as_deref())?;
    verdict.findings.iter().for_each(|f| console::line(f));
    if verdict.solved {
        exercise::remember(&args.dir, chosen)?;
        console::line("Solved.");
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Data,
        format!(
            "exercise {} is not solved yet; --hint helps, --solution tells",
            chosen.number
        ),
    ))
}
