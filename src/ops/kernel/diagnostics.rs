//! A compiler's message about a kernel, in the file and at the line that its author wrote.

use super::Kernel;
use crate::error::Error;
use codespan_reporting::diagnostic::{Diagnostic, Label};
use codespan_reporting::files::SimpleFiles;
use codespan_reporting::term;
use naga::Span;
use naga::front::wgsl::ParseError;
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use std::error::Error as _;
use std::ops::Range;

/// The error for a kernel that naga can't parse.
pub(super) fn unparsable(kernel: &Kernel, error: &ParseError) -> Error {
    let labels = error.labels().map(|(span, text)| (span, text.to_owned()));
    let notes = error.notes().map(str::to_owned).collect();
    render(kernel, error.message(), labels.collect(), notes)
}

impl Kernel {
    /// What naga finds wrong with the kernel, if anything: for a message that names files and lines when a driver's does not.
    pub(crate) fn diagnose(&self) -> Option<Error> {
        let module = match naga::front::wgsl::parse_str(self.source) {
            Ok(module) => module,
            Err(e) => return Some(unparsable(self, &e)),
        };
        let error = Validator::new(ValidationFlags::all(), Capabilities::all())
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::all())
            .validate(&module)
            .err()?;
        let labels = error.spans().cloned().collect();
        let mut notes = Vec::new();
        let mut cause = error.as_inner().source();
        while let Some(e) = cause {
            notes.push(e.to_string());
            cause = e.source();
        }
        Some(render(self, &error.as_inner().to_string(), labels, notes))
    }

    /// The file that a byte of the whole source belongs to, by number, and where in it.
    fn locate(&self, span: Range<usize>) -> (usize, Range<usize>) {
        let mut start = 0;
        for (i, file) in self.files.iter().enumerate() {
            let end = start + file.text.len();
            if span.start <= end || i + 1 == self.files.len() {
                let inside = |at: usize| at.saturating_sub(start).min(file.text.len());
                return (i, inside(span.start)..inside(span.end));
            }
            start = end + 1; // the line break between two files
        }
        (0, span)
    }
}

pub(super) fn render(
    kernel: &Kernel,
    message: &str,
    labels: Vec<(Span, String)>,
    notes: Vec<String>,
) -> Error {
    let mut files = SimpleFiles::new();
    for file in kernel.files {
        files.add(file.path(), file.text);
    }
    if kernel.files.is_empty() {
        files.add(kernel.path(), kernel.source);
    }
    let labels = labels.into_iter().filter_map(|(span, text)| {
        let (file, range) = kernel.locate(span.to_range()?);
        Some(Label::primary(file, range).with_message(text))
    });
    let labels: Vec<_> = labels.collect();
    // A message about something that is not there has no place in it.
    let message = match labels.as_slice() {
        [] => format!("{}: {message}", kernel.path()),
        _ => message.to_owned(),
    };
    let diagnostic = Diagnostic::error()
        .with_message(&message)
        .with_labels(labels)
        .with_notes(notes);
    let mut text = String::new();
    // Writing to a string fails for a span outside its file only; the message is then better than nothing.
    if term::emit_to_string(&mut text, &term::Config::default(), &files, &diagnostic).is_err() {
        text = message;
    }
    Error::device(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ShaderFile;

    const MAIN: &str = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn main() {
    y[0] = twice(1.0);
}";

    /// A kernel in the place of one of this crate's.
    fn kernel(main: &'static str, piece: &'static str) -> Kernel {
        named(["relu/forward", "lib/step"], main, piece)
    }

    fn named(names: [&'static str; 2], main: &'static str, piece: &'static str) -> Kernel {
        Kernel {
            name: names[0],
            source: format!("{main}\n{piece}").leak(),
            files: vec![
                ShaderFile {
                    name: names[0],
                    text: main,
                },
                ShaderFile {
                    name: names[1],
                    text: piece,
                },
            ]
            .leak(),
            constants: Vec::new(),
        }
    }

    fn message(kernel: &Kernel) -> String {
        kernel.diagnose().expect("a mistake").to_string()
    }

    #[test]
    fn a_sound_kernel_has_no_diagnosis() {
        let piece = "fn twice(x: f32) -> f32 {\n    return x + x;\n}";
        assert_eq!(kernel(MAIN, piece).diagnose(), None);
    }

    #[test]
    fn a_mistake_in_the_file_is_named_there() {
        let text = message(&kernel(MAIN, "fn thrice(x: f32) -> f32 { return x; }"));
        assert!(text.contains("shaders/relu/forward.wgsl:4:12"), "{text}");
        assert!(text.contains("twice"), "{text}");
    }

    #[test]
    fn a_file_of_another_crate_is_named_as_that_crate_names_it() {
        let foreign = named(["op/main", "op/piece"], MAIN, "fn thrice() {}");
        let text = message(&foreign);
        assert!(text.contains("op/main.wgsl:4:12"), "{text}");
        assert!(!text.contains("shaders/"), "{text}");
    }

    #[test]
    fn a_mistake_in_a_piece_is_named_there() {
        let piece = "// twice\nfn twice(x: f32) -> f32 {\n    return x + z;\n}";
        let text = message(&kernel(MAIN, piece));
        assert!(text.contains("shaders/lib/step.wgsl:3:16"), "{text}");
    }

    #[test]
    fn a_mistake_that_only_validation_finds_is_named_too() {
        let piece = "// twice\nfn twice(x: f32) -> f32 {\n    var z: u32 = 1u;\n    z = bitcast<u32>(x) / 0u;\n    return x;\n}";
        let text = message(&kernel(MAIN, piece));
        assert!(text.contains("shaders/lib/step.wgsl"), "{text}");
        assert!(!text.contains("relu/forward.wgsl:"), "{text}");
    }
}
