//! What README and docs/ name exists: files, kernels, rungs, commands and their options.

use clap::CommandFactory;
use gtzan_gpu::cli::Cli;
use gtzan_gpu::ops::registry;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and every document under docs/, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                None if path.is_dir() => folders.push(path),
                Some(ending) if ending == "md" => found.push(path),
                _ => {}
            }
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("text");
        (path, text)
    };
    found.into_iter().map(read).collect()
}

/// What stands in backticks outside blocks of code, lines joined.
fn quoted(text: &str) -> Vec<String> {
    let outside = text.split("```").step_by(2).collect::<String>();
    let marked = outside.split('`').skip(1).step_by(2);
    marked.map(|part| part.replace('\n', " ")).collect()
}

/// Paths of all kernels and shared pieces under shaders/, without their ending.
fn shaders() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("shaders")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root().join("shaders")).expect("below it");
                let name = name.with_extension("").display().to_string();
                found.push(name.replace('\\', "/"));
            }
        }
    }
    found
}

#[test]
fn files_and_kernels_exist() {
    let kernels = shaders();
    let mut seen = 0;
    for (document, text) in documents() {
        for name in quoted(&text) {
            // Not a user's files, commands, or formulas.
            let plain =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/_.-".contains(c);
            let name = name.as_str();
            if !name.contains('/') || !name.chars().all(plain) || name.starts_with('.') {
                continue;
            }
            if ["runs/", "genres", "plots/"]
                .iter()
                .any(|own| name.starts_with(own))
            {
                continue;
            }
            seen += 1;
            let kernel = name.trim_end_matches(".wgsl");
            let shader = |k: &String| *k == kernel || k.ends_with(&format!("/{kernel}"));
            let exists = root().join(name).exists() || kernels.iter().any(shader);
            assert!(exists, "{}: there is no {name}", document.display());
        }
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().expect("a part");
            if target.contains("://") {
                continue;
            }
            let file = document.parent().expect("a folder").join(target);
            assert!(
                file.exists(),
                "{}: a dead link to {target}",
                document.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} names were looked at");
}

#[test]
fn rungs_in_tables_exist() {
    let rungs: Vec<&str> = registry()
        .iter()
        .flat_map(|e| e.ladders)
        .flat_map(|l| l.rungs())
        .map(|r| r.name)
        .collect();
    let mut seen = 0;
    for (document, text) in documents() {
        for table in text.split("<!-- bench:begin -->").skip(1) {
            let table = table.split("<!-- bench:end -->").next().expect("a part");
            let lines = table.lines().filter(|l| l.starts_with("| "));
            let mut rows = lines.map(|l| l.trim_matches('|').split('|').collect::<Vec<_>>());
            let heading = rows.next().expect("a heading");
            let column = heading.iter().position(|c| c.trim() == "rung");
            let column = column.expect("a column of rungs");
            for row in rows {
                let rung = row[column].split_whitespace().next().expect("a name");
                assert!(
                    rungs.contains(&rung),
                    "{}: no rung {rung}",
                    document.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} rungs were looked at");
}

#[test]
fn commands_and_their_options_exist() {
    let cli = Cli::command();
    let mut seen = 0;
    for (document, text) in documents() {
        // A line that ends with a backslash goes on.
        let text = text.replace("\\\n", " ");
        let calls = ["gtzan-gpu ", "cargo run --release -- "];
        let lines = text.lines().map(|l| l.trim_start().to_owned());
        let mut codes: Vec<String> = lines
            .filter(|l| calls.iter().any(|c| l.starts_with(c)))
            .collect();
        codes.extend(quoted(&text));
        for line in codes {
            let Some(arguments) = calls.iter().find_map(|c| line.strip_prefix(c)) else {
                continue;
            };
            let arguments = arguments.split(" #").next().expect("a part");
            let mut words = arguments.split_whitespace();
            let name = words.next().unwrap_or_default();
            let command = cli.find_subcommand(name);
            let command =
                command.unwrap_or_else(|| panic!("{}: no command {name}", document.display()));
            seen += 1;
            for word in words.filter(|w| w.starts_with("--")) {
                let option = word
                    .trim_start_matches("--")
                    .split('=')
                    .next()
                    .expect("a part");
                let known = command
                    .get_arguments()
                    .any(|a| a.get_long() == Some(option));
                assert!(known, "{}: {name} has no --{option}", document.display());
            }
        }
    }
    assert!(seen > 8, "only {seen} commands were looked at");
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("text");
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let row = readme.lines().any(|l| {
            let cell = l.strip_prefix("| `").unwrap_or_default();
            cell.split(['`', ' ']).next() == Some(name)
        });
        assert!(row, "the table of commands lacks {name}");
    }
    assert!(readme.lines().count() <= 150);
}
