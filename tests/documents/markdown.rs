//! As much of Markdown as it takes to see what a document names.

/// A document, its blocks of code apart from the rest.
pub struct Markdown {
    /// Lines outside blocks of code, joined.
    pub prose: String,
    /// Lines of fenced and indented blocks; a line that ends with a backslash is joined with the next.
    pub code: Vec<String>,
    /// Headings, as the fragment that a link to them has.
    pub anchors: Vec<String>,
}

/// What GitHub and mdBook make of a heading: lower case, blanks to hyphens, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .collect::<String>();
    kept.replace(' ', "-")
}

impl Markdown {
    pub fn parse(text: &str) -> Self {
        let (mut prose, mut anchors) = (String::new(), Vec::new());
        let mut code: Vec<String> = Vec::new();
        let (mut fenced, mut indented, mut blank) = (false, false, true);
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            // Four blanks are code only behind an empty line; else they go on with a paragraph or a list.
            indented = line.starts_with("    ") && (blank || indented);
            blank = line.trim().is_empty();
            if fenced || indented {
                match code.last_mut().filter(|last| last.ends_with('\\')) {
                    Some(last) => {
                        last.pop();
                        last.push_str(line.trim());
                    }
                    None => code.push(line.trim().to_owned()),
                }
                continue;
            }
            if let Some(heading) = line.strip_prefix('#') {
                let plain = anchor(heading.trim_start_matches('#'));
                let same = |a: &&String| **a == plain || a.starts_with(&format!("{plain}-"));
                let before = anchors.iter().filter(same).count();
                anchors.push(match before {
                    0 => plain,
                    n => format!("{plain}-{n}"),
                });
            }
            prose.push_str(line);
            prose.push('\n');
        }
        Self {
            prose,
            code,
            anchors,
        }
    }

    /// What stands in backticks, on one line each.
    pub fn quoted(&self) -> Vec<String> {
        // A backtick opens what the next one closes, within a paragraph.
        let paragraphs = self.prose.split("\n\n");
        let parts = paragraphs.flat_map(|p| p.split('`').skip(1).step_by(2));
        parts
            .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Text and target of every link and picture.
    pub fn links(&self) -> Vec<(String, String)> {
        let parts: Vec<&str> = self.prose.split("](").collect();
        let pairs = parts.windows(2).filter_map(|pair| {
            let text = pair[0].rsplit_once('[').map_or(pair[0], |(_, t)| t);
            let (target, _) = pair[1].split_once(')')?;
            Some((text.replace('\n', " "), target.to_owned()))
        });
        pairs.collect()
    }

    /// The rows of every table, cells trimmed, lines of dashes left out.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let lines = self.prose.lines().filter(|l| l.starts_with("| "));
        let cells = |l: &str| {
            let inner = l.trim().trim_matches('|');
            inner.split(" |").map(|c| c.trim().to_owned()).collect()
        };
        lines.map(cells).collect()
    }
}
