//! What a document names, and whether it is there.

use crate::markdown::Markdown;
use clap::CommandFactory;
use gtzan_gpu::cli::Cli;
use gtzan_gpu::kernels;
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::registry;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder of the repository, as paths from its root.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root()).expect("below it").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Names that are another program's: of the instructions that AMD's compiler writes, of WGSL, of other libraries.
const FOREIGN: [&str; 11] = [
    "v_",
    "s_",
    "ds_",
    "buffer_",
    "global_",
    "atomicAdd",
    "librosa.",
    "state_dict",
    "subgroupShuffle",
    "clap::",
    "wgpu::",
];

/// Beginnings of paths that are a user's, or made by a run.
const USERS: [&str; 8] = [
    "runs/", "genres", "plots/", "mine/", "lessons/", "./", "target/", "/",
];

/// What the chapter on an op of one's own has its reader write.
const WRITTEN_BY_THE_READER: (&str, &str) = ("docs/a-new-op.md", "silu");

/// All that a document may name.
pub struct Names {
    words: HashSet<String>,
    kernels: Vec<String>,
    rungs: Vec<String>,
    targets: Vec<String>,
}

impl Names {
    pub fn collect() -> Self {
        let folders = [
            "src", "shaders", "tests", "models", "recipes", "benches", ".ci",
        ];
        let mut words = HashSet::new();
        let texts = folders.iter().flat_map(|f| files(f)).chain([
            PathBuf::from("Cargo.toml"),
            PathBuf::from("Makefile"),
            PathBuf::from("rust-toolchain.toml"),
        ]);
        for file in texts {
            // What this test says of names makes none of them real. What is no text names nothing.
            if file.starts_with("tests/documents") {
                continue;
            }
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            let cut = |c: char| !c.is_alphanumeric() && c != '_';
            words.extend(text.split(cut).map(str::to_owned));
        }
        let makefile = std::fs::read_to_string(root().join("Makefile")).expect("text");
        let targets = makefile
            .lines()
            .filter(|l| !l.starts_with(['\t', '#', '.']));
        let targets = targets.filter_map(|l| l.split_once(':'));
        let ladders = registry().into_iter().flat_map(|e| e.ladders);
        let rungs = ladders.flat_map(|l| {
            let name = l.name();
            l.rungs()
                .into_iter()
                .map(move |r| format!("{name}:{}", r.name))
        });
        let kernel = |f: &PathBuf| {
            let name = f
                .strip_prefix("shaders")
                .expect("below it")
                .with_extension("");
            name.display().to_string().replace('\\', "/")
        };
        Self {
            words,
            kernels: files("shaders").iter().map(kernel).collect(),
            rungs: rungs.collect(),
            targets: targets.map(|(t, _)| t.to_owned()).collect(),
        }
    }

    pub fn is_rung(&self, name: &str) -> bool {
        let end = format!(":{name}");
        self.rungs.iter().any(|r| r == name || r.ends_with(&end))
    }

    /// What is wrong with the names in a document.
    pub fn faults(&self, document: &str, text: &str) -> Vec<String> {
        let markdown = Markdown::parse(text);
        let mut faults = Vec::new();
        let quoted = markdown.quoted();
        for line in quoted.iter().chain(&markdown.code) {
            faults.extend(self.command_fault(line));
        }
        let (its, own) = WRITTEN_BY_THE_READER;
        let readers = |name: &str| document == its && name.contains(own);
        for name in quoted.iter().filter(|q| !readers(q)) {
            faults.extend(self.name_fault(name));
        }
        faults
    }

    /// A line that calls this program, or make: a command that there is, with options and values that it takes.
    fn command_fault(&self, line: &str) -> Option<String> {
        let line = line.trim_start_matches("$ ");
        let line = line.split(" #").next().unwrap_or(line);
        // What an example says behind a wide gap, it says about the command.
        let line = line.split("   ").next().unwrap_or(line).trim();
        if let Some(rest) = line.strip_prefix("make ") {
            // A word and capitals: the rest may be a sentence.
            let target = rest.split_whitespace().next().unwrap_or_default();
            let known = self.targets.iter().any(|t| t == target);
            return (!known).then(|| format!("no target `make {target}`"));
        }
        let called = [
            "gtzan-gpu ",
            "cargo run --release -- ",
            "cargo run --release --locked -- ",
        ];
        let arguments = called.iter().find_map(|c| line.strip_prefix(c))?;
        let arguments = arguments.split([';', '>', '|']).next().unwrap_or_default();
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let parsed =
            Cli::command().try_get_matches_from([&["gtzan-gpu"], words.as_slice()].concat());
        if let Err(e) = parsed
            && e.use_stderr()
        {
            let why = e.to_string();
            let why = why.lines().next().unwrap_or_default();
            return Some(format!("`{line}`: {why}"));
        }
        self.value_fault(&words)
            .map(|what| format!("`{line}`: {what}"))
    }

    /// Names of ops, ladders, kernels, models and recipes in a command's arguments; capitals stand for any.
    fn value_fault(&self, words: &[&str]) -> Option<String> {
        let after = |flag: &str| {
            let at = words.iter().position(|w| *w == flag)?;
            words.get(at + 1).copied()
        };
        if let Some(model) =
            after("--model").filter(|m| !is_placeholder(m) && !m.ends_with(".toml"))
            && Model::load(model).is_err()
        {
            return Some(format!("no model {model}"));
        }
        let recipe = after("--recipe").filter(|r| !is_placeholder(r) && !r.ends_with(".toml"));
        if let Some(recipe) = recipe
            && !root().join(format!("recipes/{recipe}.toml")).exists()
        {
            return Some(format!("no recipe {recipe}"));
        }
        let (&command, rest) = words.split_first()?;
        let name = *rest.first()?;
        if name.starts_with('-') || is_placeholder(name) {
            return None;
        }
        let op = registry().iter().any(|e| e.name == name) || name == WRITTEN_BY_THE_READER.1;
        let ladder = self
            .rungs
            .iter()
            .any(|r| r.split(':').next().is_some_and(|l| l.contains(name)));
        let kernel = || kernels::named(name).is_ok();
        let known = match command {
            "gradcheck" => op,
            "bench" => ladder,
            "kernel" => kernel(),
            "inspect" => op || ladder || kernel(),
            _ => true,
        };
        (!known).then(|| format!("nothing is called {name}"))
    }

    /// A name in backticks: an option, a path, a kernel, a rung, or something in the program's text.
    fn name_fault(&self, name: &str) -> Option<String> {
        if let Some(option) = name.strip_prefix("--") {
            let option = option.split([' ', '=']).next().unwrap_or_default();
            let cli = Cli::command();
            let own = |c: &clap::Command| c.get_arguments().any(|a| a.get_long() == Some(option));
            let known = ["help", "version"].contains(&option) || cli.get_subcommands().any(own);
            return (!known).then(|| format!("no command has --{option}"));
        }
        let starts = |all: &[&str]| all.iter().any(|own| name.starts_with(own));
        if starts(&USERS) || starts(&FOREIGN) {
            return None;
        }
        let path = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
        let tops = [
            "src",
            "docs",
            "shaders",
            "tests",
            "exercises",
            "models",
            "recipes",
            ".ci",
            ".github",
            "examples",
            "web",
        ];
        let is_path = name.contains('/') && name.chars().all(path);
        if is_path && tops.contains(&name.split('/').next().unwrap_or_default()) {
            return (!root().join(name).exists()).then(|| format!("no file {name}"));
        }
        if is_path && name.chars().all(|c| !c.is_ascii_uppercase()) {
            let kernel = name.trim_end_matches(".wgsl");
            let inside = format!("/{kernel}/");
            let known = self.kernels.iter().any(|k| {
                *k == kernel
                    || k.ends_with(&format!("/{kernel}"))
                    || format!("/{k}").contains(&inside)
            });
            return (!known).then(|| format!("no kernel {name}"));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
        if let Some((family, rung)) = name.split_once(':')
            && family.contains('.')
            && !rung.is_empty()
            && (family.to_owned() + rung).chars().all(plain)
        {
            return (!self.is_rung(name)).then(|| format!("no rung {name}"));
        }
        // An identifier of the program: with a low line, a path of Rust, or a call.
        let identifier = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
        let called = name.trim_end_matches("()").trim_end_matches('!');
        let typical = called.contains('_') || called.contains("::") || name.ends_with("()");
        if typical && !called.is_empty() && called.chars().all(identifier) {
            let mut parts = called.split("::");
            let unknown = parts.find(|p| !p.is_empty() && !self.words.contains(*p));
            return unknown.map(|p| format!("nothing in the program is called {p} ({name})"));
        }
        None
    }
}

/// A word that stands for others, as NAME.
fn is_placeholder(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_uppercase()) || word.starts_with('[') || word.contains("...")
}

/// Links that lead nowhere. With `book`, a link may not leave the folder of documents, since the book has nothing else.
pub fn dead_links(document: &str, text: &str, book: bool) -> Vec<String> {
    let folder = root().join(document).parent().expect("a folder").to_owned();
    let markdown = Markdown::parse(text);
    let mut dead = Vec::new();
    for (_, target) in markdown.links() {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, fragment) = match target.split_once('#') {
            Some((path, fragment)) => (path, Some(fragment)),
            None => (target.as_str(), None),
        };
        let file = match path {
            "" => root().join(document),
            path => folder.join(path),
        };
        let Ok(file) = file.canonicalize() else {
            dead.push(format!("a dead link to {target}"));
            continue;
        };
        let docs = root().join("docs").canonicalize().expect("a folder");
        if book && !file.starts_with(docs) {
            dead.push(format!("a link out of the book, to {target}"));
        }
        let Some(fragment) = fragment else { continue };
        let there = std::fs::read_to_string(&file).unwrap_or_default();
        if !Markdown::parse(&there)
            .anchors
            .iter()
            .any(|a| a == fragment)
        {
            dead.push(format!("no heading for the link to {target}"));
        }
    }
    dead
}
