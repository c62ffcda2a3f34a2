//! The page's own files, and how they become one.

use crate::error::{Error, Result};
use base64ct::{Base64, Encoding};

/// The page itself.
const INDEX: &str = include_str!("../../web/index.html");
/// Its looks.
const STYLE: &str = include_str!("../../web/style.css");

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
    ("main.js", include_str!("../../web/main.js")),
    ("page.js", include_str!("../../web/page.js")),
    ("player.js", include_str!("../../web/player.js")),
    ("study.js", include_str!("../../web/study.js")),
    ("train.js", include_str!("../../web/train.js")),
];

/// Where `index.html` names what lies beside it.
const STYLE_LINK: &str = r#"<link rel="stylesheet" href="style.css">"#;
const MAIN_SCRIPT: &str = r#"<script type="module" src="main.js"></script>"#;

/// The files of a folder, by name; `page.bin.gz` goes beside them.
pub fn folder() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("index.html", INDEX), ("style.css", STYLE)];
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
            let text = bare_imports(text);
            let url = format!(
                "data:text/javascript;base64,{}",
                Base64::encode_string(text.as_bytes())
            );
            (bare(name), url.into())
        })
        .collect();
    let map = serde_json::json!({ "imports": urls });
    let data = format!(
        "<script type=\"importmap\">{map}</script>\n\
         <script type=\"text/plain\" id=\"page-bin\">{}</script>\n\
         <script type=\"module\">import \"{}\";</script>",
        Base64::encode_string(packed),
        bare("main.js")
    );
    let page = replaced(INDEX, STYLE_LINK, &format!("<style>\n{STYLE}</style>"))?;
    replaced(&page, MAIN_SCRIPT, &data)
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
        assert!(!page.contains(STYLE_LINK) && !page.contains(MAIN_SCRIPT));
        assert!(page.contains("AQID"));
        for (name, text) in SCRIPTS {
            let bare = bare_imports(text);
            assert!(!bare.contains("from \"./"), "{name} imports a file");
            assert!(page.contains(&format!("\"gtzan-gpu/{name}\"")));
        }
    }
}
