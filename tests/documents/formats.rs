//! What docs/files.md says of the files that users write is what the program reads.

use crate::named::root;
use gtzan_gpu::nn::Model;

fn page() -> String {
    std::fs::read_to_string(root().join("docs/files.md")).expect("the page")
}

/// The names in backticks that an error lists behind `expected`.
fn expected(model: &str) -> Vec<String> {
    let error = Model::from_toml(model, "here").expect_err("no such name");
    let said = error.to_string();
    let list = said.split_once("expected").map_or("", |(_, list)| list);
    let names = list.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

/// A model with one layer, which says this.
fn layer(lines: &str) -> String {
    format!("name = \"m\"\n[[layer]]\n{lines}\n")
}

#[test]
fn the_page_has_every_layer_with_every_key_and_no_other() {
    let page = page();
    let row = |kind: &str| {
        let of = |line: &&str| {
            let first = line.split('|').nth(1).unwrap_or_default();
            line.starts_with('|') && first.contains(&format!("`{kind}`"))
        };
        page.lines()
            .find(of)
            .unwrap_or_else(|| panic!("no row for {kind}"))
    };
    let kinds = expected(&layer("type = \"?\""));
    assert!(kinds.len() >= 10, "{kinds:?}");
    for kind in &kinds {
        let keys = expected(&layer(&format!("type = \"{kind}\"\nnothing = 1")));
        let cell = row(kind).split('|').nth(2).expect("a second cell");
        let told: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        for key in &keys {
            assert!(told.contains(&key.as_str()), "{kind}: {key} is missing");
        }
        for key in told {
            assert!(keys.iter().any(|k| k == key), "{kind} has no {key}");
        }
    }
}

#[test]
fn the_network_on_the_page_is_one() {
    let page = page();
    let (_, rest) = page.split_once("```toml\n").expect("an example");
    let (text, _) = rest.split_once("```").expect("its end");
    let model = Model::from_toml(text, "docs/files.md").expect("a model");
    let summary = model.summary(187, 130, 10).expect("it fits its input");
    assert!(summary.trainable() > 0);
}
