//! The format's own conformance cases, as the `onnx` package carries them, against the ops of this program on the GPU; and the list of
//! them in `docs/onnx.md`.

mod case;
mod cover;
mod learning;
mod run;

use super::{common, python};
use case::{Case, Reason};
use cover::OPERATORS;
use gtzan_gpu::gpu::Gpu;
use gtzan_gpu::gradcheck::relative_error;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Of f32 sums of a few hundred numbers; the package's own is 1e-3.
const TOLERANCE: f64 = 1e-5;

/// A case of the package, and the operators of its graph.
struct Listed {
    name: String,
    operators: Vec<String>,
}

impl Listed {
    fn all(folder: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(folder.join("cases.tsv")).expect("the list of cases");
        let listed = text.lines().map(|line| {
            let (name, operators) = line.split_once('\t').expect("a name and operators");
            Self {
                name: name.to_owned(),
                operators: operators.split(' ').map(str::to_owned).collect(),
            }
        });
        listed.collect()
    }

    /// Whether its graph is one node of this operator.
    fn is(&self, operator: &str) -> bool {
        self.operators == [operator]
    }

    fn short(&self) -> &str {
        self.name.strip_prefix("test_").unwrap_or(&self.name)
    }
}

/// Greatest error of a case's outputs, relative to each one's maximum.
fn check(gpu: &Gpu, folder: &Path, cover: cover::Cover) -> Result<f64, Reason> {
    let case = Case::read(folder);
    let got = cover(&case, gpu)?;
    assert_eq!(got.len(), case.outputs(), "{}", folder.display());
    let errors = got
        .iter()
        .enumerate()
        .map(|(i, got)| relative_error(got, &case.want(i)));
    Ok(errors.fold(0.0, f64::max))
}

#[test]
fn the_formats_own_cases_hold() {
    let folder = tempfile::tempdir().unwrap();
    let operators = OPERATORS.map(|o| o.0).join(",");
    let about = "the format's own cases";
    let Some(said) = python("onnx_nodes.py", folder.path(), &[&operators], about) else {
        return;
    };
    let package = said.split(':').next().unwrap().trim().to_owned();
    let gpu = common::gpu();
    let listed = Listed::all(folder.path());
    let (mut table, mut parts) = (String::new(), String::new());
    let (mut own, mut covered, mut wrong) = (0, 0, Vec::new());
    for (operator, with, cover) in OPERATORS {
        let mut good = Vec::new();
        let mut left: BTreeMap<Reason, Vec<&str>> = BTreeMap::new();
        for listed in listed.iter().filter(|l| l.is(operator)) {
            match check(&gpu, &folder.path().join(&listed.name), cover) {
                Ok(error) => {
                    println!("{}: {error:.1e}", listed.name);
                    good.push(listed.short());
                    // A NaN counts as infinite.
                    if error > TOLERANCE {
                        wrong.push(format!("{} differs by {error:e}", listed.name));
                    }
                }
                Err(reason) => left.entry(reason).or_default().push(listed.short()),
            }
        }
        let missing: usize = left.values().map(Vec::len).sum();
        let _ = writeln!(
            table,
            "| {operator} | {with} | {} | {missing} |",
            good.len()
        );
        good.sort_unstable();
        let _ = writeln!(parts, "\n**{operator}.** Covered: {}.\n", good.join(", "));
        for (reason, mut names) in left {
            names.sort_unstable();
            let _ = writeln!(parts, "- Not covered, {reason}: {}.", names.join(", "));
        }
        own += good.len() + missing;
        covered += good.len();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let expanded = listed
        .iter()
        .filter(|l| l.name.contains("_expanded"))
        .count();
    let list = format!(
        "Of the {} node tests of {package}, {own} are one node of an operator that an op here computes; {covered} of these run against it.\n\n\
         | operator | op | covered | not |\n|---|---|--:|--:|\n{table}{parts}\n\
         {expanded} more write an operator out in others, and {} are of operators that no network here has.\n",
        listed.len(),
        listed.len() - own - expanded,
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/onnx.md");
    let text = std::fs::read_to_string(&path).expect("docs/onnx.md");
    let marked = text
        .split_once("<!-- nodes:begin -->\n")
        .and_then(|t| t.1.split_once("<!-- nodes:end -->"));
    let written = marked.expect("the marks of the list").0;
    assert!(
        written == list,
        "docs/onnx.md must say, between its marks:\n{list}"
    );
}
