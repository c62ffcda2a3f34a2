//! The page's own files, and how they become one.

use super::written::{script_url, seven_bits};
use crate::error::{Error, Result};

/// The page itself.
const INDEX: &str = include_str!("../../web/index.html");
/// Its looks.
const STYLES: [(&str, &str); 2] = [
    ("style.css", include_str!("../../web/style.css")),
    (
        "style-listen.css",
        include_str!("../../web/style-listen.css"),
    ),
];

/// Every script, by its name.
const SCRIPTS: &[(&str, &str)] = &[
    ("bench.js", include_str!("../../web/bench.js")),
    ("benchtab.js", include_str!("../../web/benchtab.js")),
    ("chacha.js", include_str!("../../web/chacha.js")),
    ("check.js", include_str!("../../web/check.js")),
    ("checktab.js", include_str!("../../web/checktab.js")),
    ("draw.js", include_str!("../../web/draw.js")),
    ("editor.js", include_str!("../../web/editor.js")),
    ("engine.js", include_str!("../../web/engine.js")),
    ("features.js", include_str!("../../web/features.js")),
    ("fft.js", include_str!("../../web/fft.js")),
    ("filters.js", include_str!("../../web/filters.js")),
    ("listen-draw.js", include_str!("../../web/listen-draw.js")),
    ("listen-tab.js", include_str!("../../web/listen-tab.js")),
    ("listen-view.js", include_str!("../../web/listen-view.js")),
    (
        "listen-worker.js",
        include_str!("../../web/listen-worker.js"),
    ),
    ("listen.js", include_str!("../../web/listen.js")),
    ("main.js", include_str!("../../web/main.js")),
    ("microphone.js", include_str!("../../web/microphone.js")),
    ("page.js", include_str!("../../web/page.js")),
    ("pcm.js", include_str!("../../web/pcm.js")),
    ("player.js", include_str!("../../web/player.js")),
    ("resample.js", include_str!("../../web/resample.js")),
    ("study.js", include_str!("../../web/study.js")),
    ("train.js", include_str!("../../web/train.js")),
    ("votes.js", include_str!("../../web/votes.js")),
];

/// The script that runs in a worker of its own, and what it imports, each after those that it imports itself.
const WORKER: &str = "listen-worker.js";
const WORKER_IMPORTS: [&str; 5] = [
    "fft.js",
    "filters.js",
    "features.js",
    "resample.js",
    "pcm.js",
];

/// Where `index.html` names what lies beside it.
const STYLE_LINKS: &str = r#"<link rel="stylesheet" href="style.css">
<link rel="stylesheet" href="style-listen.css">"#;
const MAIN_SCRIPT: &str = r#"<script type="module" src="main.js"></script>"#;

/// The files of a folder, by name; `page.bin.gz` goes beside them.
pub fn folder() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("index.html", INDEX)];
    all.extend_from_slice(&STYLES);
    all.extend_from_slice(SCRIPTS);
    all
}

/// One file with everything inside: scripts become `data:` URLs that an import map names, since modules can't import one another
/// by relative paths when they have no folder.
///
/// # Errors
/// When a file of the page has lost the line that is replaced: a bug.
pub fn single(packed: &[u8]) -> Result<String> {
    let urls: serde_json::Map<String, serde_json::Value> = (SCRIPTS.iter())
        .map(|(name, text)| {
            let text = match *name {
                WORKER => worker(),
                _ => bare_imports(text),
            };
            (bare(name), script_url(&text).into())
        })
        .collect();
    let map = serde_json::json!({ "imports": urls });
    let data = format!(
        "<script type=\"importmap\">{map}</script>\n\
         <script type=\"text/plain\" id=\"page-bin\" data-bytes=\"{}\">{}</script>\n\
         <script type=\"module\">import \"{}\";</script>",
        packed.len(),
        seven_bits(packed),
        bare("main.js")
    );
    let styles = STYLES.map(|(_, text)| text).concat();
    let page = replaced(INDEX, STYLE_LINKS, &format!("<style>\n{styles}</style>"))?;
    replaced(&page, MAIN_SCRIPT, &data)
}

/// The worker with all that it imports in one script, for import maps don't reach into workers. All of these scripts' own names
/// differ, so they can stand side by side.
fn worker() -> String {
    let names = WORKER_IMPORTS.iter().chain([&WORKER]);
    let texts = names.filter_map(|name| SCRIPTS.iter().find(|(n, _)| n == name));
    texts.map(|(_, text)| without_modules(text)).collect()
}

/// A script without its imports and exports; each import ends with a line that ends in `";`.
fn without_modules(text: &str) -> String {
    let mut lines = text.lines();
    let mut out = String::new();
    while let Some(line) = lines.next() {
        if line.starts_with("import ") {
            let mut last = line;
            while !last.ends_with("\";") {
                let Some(next) = lines.next() else { break };
                last = next;
            }
        } else if !line.starts_with("export {") {
            out += line.strip_prefix("export ").unwrap_or(line);
            out.push('\n');
        }
    }
    out
}

fn bare(name: &str) -> String {
    format!("gtzan-gpu/{name}")
}

/// A script with `./name.js` in quotes replaced by the name in the import map.
fn bare_imports(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, _) in SCRIPTS {
        text = text.replace(&format!("\"./{name}\""), &format!("\"{}\"", bare(name)));
    }
    text
}

fn replaced(text: &str, what: &str, by: &str) -> Result<String> {
    match text.split_once(what) {
        Some((before, after)) => Ok([before, by, after].concat()),
        None => Err(Error::data(format!("web/index.html has no {what}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_asks_for_no_other() {
        let page = single(&[1, 2, 3]).expect("a page");
        assert!(!page.contains(STYLE_LINKS) && !page.contains(MAIN_SCRIPT));
        assert!(page.contains(&format!(
            "data-bytes=\"3\">{}</script>",
            seven_bits(&[1, 2, 3])
        )));
        for (name, text) in SCRIPTS {
            let bare = bare_imports(text);
            // Types are imported in comments.
            let mut code = bare.lines().filter(|l| !l.starts_with("/**"));
            assert!(
                !code.any(|l| l.contains("from \"./")),
                "{name} imports a file"
            );
            assert!(page.contains(&format!("\"gtzan-gpu/{name}\"")));
        }
    }

    /// A worker in one file imports nothing, has what it needs, and declares no name twice.
    #[test]
    fn the_worker_stands_alone() {
        let worker = worker();
        for line in worker.lines() {
            assert!(
                !line.starts_with("import ") && !line.starts_with("export "),
                "{line}"
            );
        }
        for needed in [
            "class Extractor",
            "class RealFft",
            "class Resampler",
            "function readPcm",
        ] {
            assert!(worker.contains(needed), "{needed}");
        }
        let mut names: Vec<&str> = worker
            .lines()
            .filter_map(|line| {
                let rest = ["const ", "let ", "function ", "async function ", "class "]
                    .iter()
                    .find_map(|word| line.strip_prefix(word))?;
                rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
            })
            .filter(|name| !name.is_empty())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
