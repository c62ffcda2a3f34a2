//! Every pair of options of every command has a verdict: the two work together, or they are refused. None may be dropped without a
//! word.
//!
//! The test walks over clap's own declaration, so a new option fails it until it has a line in [`VALUES`], which gives it a value;
//! and one in [`REFUSED`] for each option that can't stand beside it. Among the options that training declares, the test of
//! `train/settings/together.rs` does the same.

use super::{Cli, Command, command};
use crate::train::{Declared, Kind, VALUES as DECLARED};
use clap::{Arg, FromArgMatches};
use std::collections::{BTreeMap, BTreeSet};

/// Command (`*`: any), option by its id, and what stands on the command line for it: in the last word its own value, `@` for a
/// switch, before it the `id=value` of what it can't be without. Of several, each is tried.
type Value = (&'static str, &'static str, &'static [&'static str]);

const VALUES: &[Value] = &[
    ("*", "device", &["nowhere"]),
    ("*", "cache", &["kept"]),
    ("*", "no_cache", &["@"]),
    ("*", "json", &["@"]),
    ("*", "class", &["gpu"]),
    ("*", "shaders", &["mine"]),
    ("*", "watch", &["shaders=mine @"]),
    ("*", "model", &["small"]),
    ("*", "batch_size", &["4"]),
    ("*", "segments", &["all"]),
    ("*", "strict", &["@"]),
    ("*", "rungs", &["dense:naive"]),
    ("*", "threads", &["2"]),
    ("train", "synthetic", &["@"]),
    ("train", "run", &["here"]),
    ("train", "resume", &["RUN"]),
    ("train", "config", &["CONFIG"]),
    ("train", "rank_timeout", &["60"]),
    ("evaluate", "data", &["genres", "FILE"]),
    ("evaluate", "side", &["validation"]),
    ("predict", "files", &["song.wav"]),
    ("predict", "top", &["5"]),
    ("plan", "micro_batches", &["2"]),
    ("plan", "ranks", &["2"]),
    ("plan", "vram", &["1GiB"]),
    ("plan", "classes", &["3"]),
    ("plan", "rows", &["64"]),
    ("plan", "frames", &["64"]),
    ("plan", "samples", &["100"]),
    ("plan", "explain", &["@"]),
    ("plan", "fit", &["vram=1GiB @"]),
    ("plan", "svg", &["plan.svg"]),
    ("plan", "portable", &["@"]),
    ("gradcheck", "op", &["relu"]),
    ("gradcheck", "reference", &["@"]),
    ("gradcheck", "default_rungs", &["@"]),
    ("gradcheck", "rung", &["dense.forward:naive"]),
    ("gradcheck", "sync_check", &["small"]),
    ("gradcheck", "batch_size", &["sync_check=small 2"]),
    ("bench", "op", &["conv2d"]),
    ("bench", "rung", &["naive"]),
    ("bench", "shape", &["op=conv2d n=8,c=64,k=128,h=93,w=65"]),
    ("bench", "readme", &["table.md"]),
    ("bench", "svg", &["pictures"]),
    ("bench", "from", &["measured.json"]),
    ("profile", "repeats", &["3"]),
    ("profile", "trace", &["step.json"]),
    ("inspect", "name", &["conv2d"]),
    ("inspect", "target", &["gfx1100"]),
    ("inspect", "case", &["name=conv2d stride"]),
    ("inspect", "all", &["@"]),
    ("inspect", "isa", &["all"]),
    ("inspect", "against", &["name=conv2d naive"]),
    ("inspect", "markdown", &["@"]),
    ("kernel", "name", &["relu"]),
    ("kernel", "piece", &["name=relu store"]),
    ("kernel", "export", &["mine"]),
    ("exercise", "number", &["3"]),
    ("exercise", "device", &["number=3 nowhere"]),
    ("exercise", "hint", &["number=3 @"]),
    ("exercise", "solution", &["number=3 @"]),
    ("exercise", "dir", &["lessons"]),
    ("exercise", "start", &["lessons"]),
    ("features", "data", &["genres", "FILE"]),
    ("features", "out", &["x.npz"]),
    ("features", "features", &["notebook"]),
    ("features", "limit", &["20"]),
    ("export", "onnx", &["model=small model.onnx"]),
    ("export", "web", &["page"]),
    ("export", "single", &["web=page @"]),
    ("synth", "dir", &["songs"]),
    ("synth", "tracks", &["2"]),
    ("synth", "seconds", &["4"]),
    ("synth", "seed", &["7"]),
];

/// Command (`*`: any), and two options that can't stand together: by id, or `id=value` where it depends on the value.
const REFUSED: &[(&str, &str, &str)] = &[
    ("*", "cache", "no_cache"),
    ("*", "json", "watch"),
    ("train", "synthetic", "data"),
    ("train", "resume", "run"),
    ("train", "resume", "config"),
    ("train", "resume", "synthetic"),
    ("evaluate", "data=FILE", "segments"),
    ("evaluate", "data=FILE", "threads"),
    ("plan", "class", "cache"),
    ("plan", "class", "no_cache"),
    ("plan", "fit", "batch_size"),
    ("plan", "fit", "micro_batches"),
    ("plan", "fit", "ranks"),
    ("plan", "fit", "explain"),
    ("plan", "fit", "svg"),
    ("plan", "portable", "cache"),
    ("plan", "portable", "no_cache"),
    ("plan", "portable", "device"),
    ("gradcheck", "reference", "device"),
    ("gradcheck", "reference", "class"),
    ("gradcheck", "reference", "shaders"),
    ("gradcheck", "reference", "default_rungs"),
    ("gradcheck", "reference", "rung"),
    ("gradcheck", "reference", "sync_check"),
    ("gradcheck", "sync_check", "op"),
    ("gradcheck", "sync_check", "default_rungs"),
    ("gradcheck", "sync_check", "rung"),
    ("gradcheck", "default_rungs", "rung"),
    ("bench", "shape", "model"),
    ("bench", "shape", "batch_size"),
    ("bench", "from", "op"),
    ("bench", "from", "rung"),
    ("bench", "from", "shape"),
    ("bench", "from", "model"),
    ("bench", "from", "batch_size"),
    ("bench", "from", "shaders"),
    ("bench", "from", "watch"),
    ("bench", "from", "device"),
    ("bench", "from", "class"),
    ("profile", "class", "cache"),
    ("profile", "class", "no_cache"),
    ("inspect", "target", "device"),
    ("inspect", "case", "model"),
    ("inspect", "case", "batch_size"),
    ("inspect", "isa", "json"),
    ("inspect", "against", "json"),
    ("inspect", "markdown", "json"),
    ("inspect", "markdown", "isa"),
    ("inspect", "markdown", "against"),
    ("kernel", "name", "export"),
    ("export", "onnx", "web"),
    ("export", "onnx", "single"),
    ("exercise", "hint", "solution"),
    ("exercise", "hint", "device"),
    ("exercise", "solution", "device"),
    ("exercise", "start", "number"),
    ("exercise", "start", "dir"),
    ("features", "data=FILE", "features"),
    ("features", "data=FILE", "segments"),
    ("features", "data=FILE", "threads"),
    ("features", "data=FILE", "cache"),
    ("features", "data=FILE", "no_cache"),
];

/// What a run that goes on may be given another of.
const MAY_CHANGE: &[&str] = &["epochs", "strict", "tensorboard", "vram", "threads"];

/// An option and its value.
type Said = (String, String);

/// A command as clap declares it, with the files that the values above speak of.
struct Subject {
    name: String,
    args: BTreeMap<String, Arg>,
    folder: tempfile::TempDir,
}

impl Subject {
    fn new(command: &clap::Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("FILE"), "").expect("written");
        std::fs::write(folder.path().join("CONFIG"), "epochs = 3\n").expect("written");
        std::fs::create_dir(folder.path().join("RUN")).expect("a folder");
        std::fs::write(folder.path().join("RUN/config.toml"), "").expect("written");
        let args = command.get_arguments().filter(|a| a.get_id() != "help");
        Self {
            name: command.get_name().to_owned(),
            args: args.map(|a| (a.get_id().to_string(), a.clone())).collect(),
            folder,
        }
    }

    /// What is to be tried of an option: each a list of what stands on the command line, the option itself last.
    fn tries(&self, id: &str) -> Vec<Vec<Said>> {
        let is = |v: &&Value| v.1 == id && v.0 == self.name;
        let any = |v: &&Value| v.1 == id && v.0 == "*";
        let here = VALUES.iter().find(is).map(|v| v.2);
        let declared = || {
            let plain = DECLARED.iter().find(|v| v.0 == id).map(|v| v.1);
            let value = plain.filter(|_| self.name == "train")?;
            // A switch is on the command line or not; `no_` ones are arguments of their own.
            let switch = self.args.contains_key(&format!("no_{id}"));
            Some(if switch { &["@"] } else { value })
        };
        let off = || (self.name == "train" && is_declared(id)).then_some(&["@"] as &[&str]);
        let anywhere = || VALUES.iter().find(any).map(|v| v.2);
        let values = here
            .or_else(declared)
            .or_else(off)
            .or_else(anywhere)
            .unwrap_or_else(|| {
                panic!(
                    "{} has a new option, {id}: give it a line in VALUES, and one in REFUSED for each other that it can't stand beside",
                    self.name
                )
            });
        values.iter().map(|text| said(id, text)).collect()
    }

    /// Parsed and checked as `main` does, but not run.
    fn verdict(&self, said: &BTreeSet<Said>) -> Result<(), String> {
        let mut words = vec!["gtzan-gpu".to_owned(), self.name.clone()];
        let given = |id: &str| said.iter().find(|s| s.0 == id).map(|s| s.1.clone());
        for (id, arg) in self.args.iter().filter(|(_, a)| !a.is_positional()) {
            let long = arg.get_long().expect("a long form");
            let needed = arg
                .is_required_set()
                .then(|| self.tries(id)[0][0].1.clone());
            match given(id).or(needed).as_deref() {
                None => {}
                Some("@") => words.push(format!("--{long}")),
                Some(value) => words.push(format!("--{long}={}", self.file(value))),
            }
        }
        words.push("--".to_owned());
        let mut positionals: Vec<&Arg> = self.args.values().filter(|a| a.is_positional()).collect();
        positionals.sort_by_key(|a| a.get_index());
        for arg in positionals {
            let id = arg.get_id().as_str();
            let needed = arg
                .is_required_set()
                .then(|| self.tries(id)[0][0].1.clone());
            words.extend(given(id).or(needed).map(|value| self.file(&value)));
        }
        let mut matches = command()
            .try_get_matches_from(&words)
            .map_err(|e| e.to_string())?;
        let cli = Cli::from_arg_matches_mut(&mut matches).map_err(|e| e.to_string())?;
        match &cli.command {
            Command::Train(args) => args.settings().map(drop),
            _ => cli.check(),
        }
        .map_err(|e| e.to_string())
    }

    fn file(&self, value: &str) -> String {
        match value {
            "FILE" | "CONFIG" | "RUN" => self.folder.path().join(value).display().to_string(),
            other => other.to_owned(),
        }
    }

    fn refuses(&self, a: &Said, b: &Said) -> bool {
        let is = |said: &Said, what: &str| match what.split_once('=') {
            Some((id, value)) => said.0 == id && said.1 == value,
            None => said.0 == what,
        };
        let listed = REFUSED
            .iter()
            .filter(|r| r.0 == "*" || r.0 == self.name)
            .any(|r| (is(a, r.1) && is(b, r.2)) || (is(b, r.1) && is(a, r.2)));
        listed || self.is_another_run(a, b) || self.is_another_run(b, a)
    }

    /// What `--resume` goes on with is a run with every option at its default.
    fn is_another_run(&self, resume: &Said, option: &Said) -> bool {
        let may = MAY_CHANGE.contains(&plain(&option.0));
        self.name == "train"
            && resume.0 == "resume"
            && is_declared(&option.0)
            && !may
            && differs(option)
    }

    fn flag(&self, id: &str) -> String {
        let arg = &self.args[id];
        let names = arg.get_value_names().and_then(|n| n.first());
        arg.get_long().map_or_else(
            || names.map_or(id.to_owned(), |n| n.to_string()),
            |l| format!("--{l}"),
        )
    }
}

/// The option without the `no_` of a switch that is turned off.
fn plain(id: &str) -> &str {
    id.strip_prefix("no_").unwrap_or(id)
}

fn is_declared(id: &str) -> bool {
    Declared::all().iter().any(|o| o.name == plain(id))
}

/// Whether it says anything else than the default.
fn differs((id, value): &Said) -> bool {
    let option = Declared::all().iter().find(|o| o.name == plain(id));
    let option = option.expect("an option of training");
    match option.kind {
        Kind::Switch(default) => default == id.starts_with("no_"),
        _ => *value != option.default,
    }
}

fn said(id: &str, text: &str) -> Vec<Said> {
    let words: Vec<&str> = text.split(' ').collect();
    let (own, others) = words.split_last().expect("a value");
    let others = others.iter().map(|w| w.split_once('=').expect("id=value"));
    let others = others.map(|(i, v)| (i.to_owned(), v.to_owned()));
    others.chain([(id.to_owned(), (*own).to_owned())]).collect()
}

#[test]
fn every_pair_of_options_of_every_command_has_a_verdict_and_gets_it() {
    let mut pairs = 0;
    // Only then positional arguments have their numbers.
    let mut whole = command();
    whole.build();
    let commands = whole.get_subcommands().filter(|c| c.get_name() != "help");
    for subject in commands.map(Subject::new) {
        let ids: Vec<&String> = subject.args.keys().collect();
        for (i, &a) in ids.iter().enumerate() {
            for x in subject.tries(a) {
                let alone = subject.verdict(&x.iter().cloned().collect());
                let what = format!("{} {x:?}", subject.name);
                // Those that training declares have what they need among each other.
                let own = subject.name == "train" && is_declared(a);
                if alone.is_err() && own {
                    continue;
                }
                assert!(alone.is_ok(), "{what}: {alone:?}");
                if x.len() > 1 {
                    let bare = subject.verdict(&x[x.len() - 1..].iter().cloned().collect());
                    let said = bare.expect_err(&what);
                    assert!(said.contains(&subject.flag(a)), "{what}: {said}");
                }
                for &b in &ids[i + 1..] {
                    for y in subject.tries(b) {
                        let both_declared = own && is_declared(b);
                        let lone = subject.verdict(&y.iter().cloned().collect());
                        if both_declared
                            || (subject.name == "train" && is_declared(b) && lone.is_err())
                        {
                            continue;
                        }
                        let together: BTreeSet<Said> = x.iter().chain(&y).cloned().collect();
                        // Two values of one option, where one of the two can't be without the other.
                        let twice = x.iter().any(|s| y.iter().any(|t| s.0 == t.0 && s.1 != t.1));
                        if twice {
                            continue;
                        }
                        let refused = together
                            .iter()
                            .any(|s| together.iter().any(|t| subject.refuses(s, t)));
                        let verdict = subject.verdict(&together);
                        let what = format!("{} {together:?}", subject.name);
                        assert_eq!(verdict.is_err(), refused, "{what}: {verdict:?}");
                        if let Err(e) = verdict {
                            let mut named = together.iter().map(|s| subject.flag(&s.0));
                            assert!(named.any(|flag| e.contains(&flag)), "{what}: {e}");
                        }
                        pairs += 1;
                    }
                }
            }
        }
    }
    assert!(pairs > 800, "{pairs} pairs");
    eprintln!("{pairs} pairs of options");
}
