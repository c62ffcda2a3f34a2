//! The chapter on an op of one's own, followed as its reader would: its files are new, its changes apply to the files that are there.

use crate::named::root;
use std::collections::BTreeMap;
use std::fs;

/// A block of code, and the file that the text before it names.
struct Block<'a> {
    file: &'a str,
    language: &'a str,
    text: String,
}

/// Blocks behind "New file `NAME`" or "In `NAME`"; another block in a row is of the same file.
fn blocks(chapter: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut file = "";
    let mut lines = chapter.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|l| *l != "```");
            let text = inside.map(|l| format!("{l}\n")).collect();
            found.push(Block {
                file,
                language,
                text,
            });
        } else if line.ends_with(':') || line.contains("New file") {
            let named = line.split('`').nth(1);
            file = named.filter(|n| n.contains('.')).unwrap_or(file);
        }
    }
    found
}

#[test]
fn what_the_chapter_has_its_reader_write_fits() {
    let chapter = fs::read_to_string(root().join("docs/a-new-op.md")).expect("text");
    let mut changed: BTreeMap<&str, String> = BTreeMap::new();
    let mut kept = 0;
    let all = blocks(&chapter);
    for Block {
        file,
        language,
        text,
    } in &all
    {
        let path = root().join(file);
        if *language != "diff" {
            assert!(!path.exists(), "{file} is there already");
            let name = file.rsplit('/').next().expect("a name");
            if let Ok(own) = fs::read_to_string(root().join("docs/a-new-op").join(name)) {
                assert_eq!(own, *text, "docs/a-new-op/{name} and the chapter differ");
                kept += 1;
            }
            continue;
        }
        let side = |sign: char| -> String {
            let lines = text.lines().filter(|l| l.starts_with([' ', sign]));
            lines.map(|l| format!("{}\n", &l[1..])).collect()
        };
        let (old, new) = (side('-'), side('+'));
        assert_ne!(old, new, "{file}: a change that changes nothing");
        let source = changed
            .entry(file)
            .or_insert_with(|| fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}")));
        let places = source.matches(&old).count();
        assert_eq!(places, 1, "{file} has not once:\n{old}");
        *source = source.replace(&old, &new);
    }
    assert_eq!((all.len(), kept, changed.len()), (11, 3, 5));
    // The layer's file is a model, as far as the layers that are there.
    let model = all.iter().find(|b| b.language == "toml").expect("a model");
    let model = model.text.replace("\"silu\"", "\"relu\"");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("silu.toml");
    fs::write(&path, model).expect("written");
    let model = gtzan_gpu::nn::Model::load(&path.display().to_string()).expect("a model");
    model.summary(187, 130, 10).expect("shapes that fit");
}
