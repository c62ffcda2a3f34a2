//! Kernels read from a folder in place of the built-in ones of the same names, so that a change is seen without building.

use super::{Kernel, Reflection, ShaderFile, diagnostics, uniformity};
use crate::error::{Error, Result};
use include_dir::{Dir, include_dir};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::{fs, io};

/// Everything under `shaders/`.
static BUILT_IN: Dir = include_dir!("$CARGO_MANIFEST_DIR/shaders");

/// The folder in use, if any.
static FOLDER: OnceLock<Folder> = OnceLock::new();

/// Files larger than this are no kernels.
const LARGEST: u64 = 1 << 20;

/// Files that stand in for built-in ones.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Texts that differ from the built-in ones, by name.
    texts: BTreeMap<String, &'static str>,
    /// Sources put together from them, by the address of the built-in source.
    sources: Mutex<HashMap<usize, Source>>,
}

/// A source with files of the folder in it.
#[derive(Debug, Clone, Copy)]
struct Source {
    built_in: &'static str,
    text: &'static str,
    files: &'static [ShaderFile],
}

/// Every WGSL file of this program by its path under `shaders/` without the ending, in alphabetical order.
pub fn built_in_files() -> Vec<(String, &'static str)> {
    fn walk(dir: &'static Dir, found: &mut Vec<(String, &'static str)>) {
        for file in dir.files() {
            let path = file.path();
            if let (Some("wgsl"), Some(text)) = (
                path.extension().and_then(|e| e.to_str()),
                file.contents_utf8(),
            ) {
                found.push((name_of(path), text));
            }
        }
        dir.dirs().for_each(|d| walk(d, found));
    }
    let mut found = Vec::new();
    walk(&BUILT_IN, &mut found);
    found.sort();
    found
}

/// A file's name as kernels are called: with `/` between folders on every system, without the ending.
fn name_of(path: &Path) -> String {
    let stem = path.with_extension("");
    let parts: Vec<_> = stem.iter().map(|p| p.to_string_lossy()).collect();
    parts.join("/")
}

/// Read `dir`, which is laid out like `shaders/`, and from now on use its files in place of the built-in ones; the names of those that
/// differ. Files that are missing in it are taken as built in. Kernels are put together when they are first used, so this comes before
/// anything else; a process has one folder.
///
/// # Errors
/// When the folder can't be read, has a WGSL file that no kernel is made of, or another folder is in use.
pub fn substitute(dir: &Path) -> Result<Vec<String>> {
    let built_in: BTreeMap<String, &str> = built_in_files().into_iter().collect();
    let mut texts = BTreeMap::new();
    for path in wgsl_files(dir)? {
        let name = name_of(path.strip_prefix(dir).unwrap_or(&path));
        let Some(original) = built_in.get(&name) else {
            return Err(no_such_kernel(&path, &name, &built_in));
        };
        let text = read(&path)?;
        if text != **original {
            texts.insert(name, &*text.leak());
        }
    }
    let names = texts.keys().cloned().collect();
    let folder = Folder {
        path: dir.to_path_buf(),
        texts,
        sources: Mutex::default(),
    };
    FOLDER.set(folder).map_err(|folder| {
        Error::usage(format!(
            "{}: kernels are read from another folder already",
            folder.path.display()
        ))
    })?;
    Ok(names)
}

fn unreadable(path: &Path, e: &io::Error) -> Error {
    Error::data(format!("{}: can't read it: {e}", path.display()))
}

/// All `.wgsl` files below `dir`, in alphabetical order.
fn wgsl_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| unreadable(&folder, &e))? {
            let entry = entry.map_err(|e| unreadable(&folder, &e))?;
            let kind = entry
                .file_type()
                .map_err(|e| unreadable(&entry.path(), &e))?;
            let path = entry.path();
            if kind.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "wgsl") {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        return Err(Error::data(format!(
            "{}: no .wgsl file in it; `gtzan-gpu kernel --export {0}` writes the built-in ones there",
            dir.display()
        )));
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    let size = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(Error::data(format!(
            "{}: no kernel: a regular file of at most {} KiB is expected",
            path.display(),
            LARGEST >> 10
        )));
    }
    fs::read_to_string(path).map_err(|e| unreadable(path, &e))
}

/// A file that would be passed over in silence, most likely for a misspelt name.
fn no_such_kernel(path: &Path, name: &str, built_in: &BTreeMap<String, &str>) -> Error {
    let closest = built_in
        .keys()
        .max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
    Error::data(format!(
        "{}: no kernel is made of a file of this name; the closest is {}.wgsl (`gtzan-gpu kernel` lists all)",
        path.display(),
        closest.map_or("", |c| c.as_str())
    ))
}

/// Source and files of a kernel, those of the folder put in.
pub(super) fn resolve(
    built_in: &'static str,
    files: &'static [ShaderFile],
) -> (&'static str, &'static [ShaderFile]) {
    let Some(folder) = FOLDER.get() else {
        return (built_in, files);
    };
    if !files.iter().any(|f| folder.texts.contains_key(f.name)) {
        return (built_in, files);
    }
    let mut sources = folder
        .sources
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // Kernels are named by static texts, so there are only as many of these as there are kernels.
    let found = sources
        .entry(built_in.as_ptr() as usize)
        .or_insert_with(|| {
            let files: Vec<ShaderFile> = files
                .iter()
                .map(|f| ShaderFile {
                    text: folder.texts.get(f.name).copied().unwrap_or(f.text),
                    ..*f
                })
                .collect();
            let texts: Vec<&str> = files.iter().map(|f| f.text).collect();
            Source {
                built_in,
                text: texts.join("\n").leak(),
                files: files.leak(),
            }
        });
    (found.text, found.files)
}

/// Where a file's text was read, for messages.
pub(super) fn path(file: &ShaderFile) -> String {
    let folder = FOLDER.get().filter(|f| {
        let text = f.texts.get(file.name);
        text.is_some_and(|t| std::ptr::eq(*t, file.text))
    });
    match folder {
        Some(folder) => folder
            .path
            .join(format!("{}.wgsl", file.name))
            .display()
            .to_string(),
        None => format!("shaders/{}.wgsl", file.name),
    }
}

/// The built-in kernel that this one stands in for, if it does.
fn built_in(kernel: &Kernel) -> Option<Kernel> {
    let folder = FOLDER.get()?;
    let sources = folder
        .sources
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let found = sources
        .values()
        .find(|s| std::ptr::eq(s.text, kernel.source))?;
    Some(Kernel {
        name: kernel.name,
        source: found.built_in,
        files: &[],
        constants: Vec::new(),
    })
}

/// Whether a kernel of the folder takes what the op sends: the bindings, parameters, constants and invocations of the built-in one.
///
/// # Errors
/// With the file, the line and what the op sends, at the first difference.
pub(super) fn check(kernel: &Kernel, module: &naga::Module, own: &Reflection) -> Result<()> {
    let Some(original) = built_in(kernel) else {
        return Ok(());
    };
    check_against(kernel, module, own, &original)?;
    if let Some(span) = uniformity::barrier_of_some(module) {
        let message = "a barrier that not every invocation of the workgroup reaches: whether it is reached depends on the invocation";
        let label = (span, "the others would be waited for here".to_owned());
        return Err(diagnostics::render(
            kernel,
            message,
            vec![label],
            Vec::new(),
        ));
    }
    Ok(())
}

fn check_against(
    kernel: &Kernel,
    module: &naga::Module,
    own: &Reflection,
    original: &Kernel,
) -> Result<()> {
    let expected = naga::front::wgsl::parse_str(original.source)
        .map_err(|e| diagnostics::unparsable(original, &e))?;
    let differs = |span: naga::Span, message: &str| {
        let label = (span, "here".to_owned());
        Err(diagnostics::render(
            kernel,
            message,
            vec![label],
            Vec::new(),
        ))
    };
    let theirs = super::reflection::declarations(original, &expected)?;
    let (mine, sent) = (bindings(module, own), bindings(&expected, &theirs));
    for (i, sent) in sent.iter().enumerate() {
        match mine.get(i) {
            Some(mine) if mine.kind == sent.kind => {}
            Some(mine) => {
                let message = format!(
                    "binding {i} is {}, but the op binds {} ({}) there",
                    mine.kind, sent.kind, sent.name
                );
                return differs(mine.span, &message);
            }
            None => {
                let message = format!(
                    "binding {i} is missing: the op binds {} ({}) there",
                    sent.kind, sent.name
                );
                return differs(
                    entry(module).map_or_else(naga::Span::default, first_statement),
                    &message,
                );
            }
        }
    }
    if let Some(more) = mine.get(sent.len()) {
        let message = format!("the op binds nothing as binding {}", sent.len());
        return differs(more.span, &message);
    }
    for (_, constant) in expected.overrides.iter() {
        let same = module
            .overrides
            .iter()
            .find(|(_, o)| o.name == constant.name);
        let name = constant.name.as_deref().unwrap_or_default();
        let Some((handle, found)) = same else {
            let message =
                format!("the op sets a constant, `override {name}`, that is not declared");
            return differs(naga::Span::default(), &message);
        };
        if module.types[found.ty].inner != expected.types[constant.ty].inner {
            let message =
                format!("`override {name}` has another type than the value that the op sets");
            return differs(module.overrides.get_span(handle), &message);
        }
    }
    let (Some(mine), Some(theirs)) = (entry(module), entry(&expected)) else {
        return differs(
            naga::Span::default(),
            "there is no compute entry point `main`",
        );
    };
    if mine.workgroup_size != theirs.workgroup_size {
        let message = format!(
            "a workgroup has {:?} invocations, but the op counts its workgroups for {:?}",
            mine.workgroup_size, theirs.workgroup_size
        );
        return differs(first_statement(mine), &message);
    }
    Ok(())
}

/// The entry point.
fn entry(module: &naga::Module) -> Option<&naga::EntryPoint> {
    module.entry_points.iter().find(|e| e.name == "main")
}

/// A place in the kernel that messages can point at (naga keeps none of the attributes in front of it).
fn first_statement(entry: &naga::EntryPoint) -> naga::Span {
    let body = &entry.function.body;
    body.span_iter()
        .next()
        .map_or_else(naga::Span::default, |(_, span)| *span)
}

/// What is bound at one number.
struct Binding {
    kind: String,
    name: String,
    span: naga::Span,
}

/// All bindings in order, as far as an op could tell them apart.
fn bindings(module: &naga::Module, reflection: &Reflection) -> Vec<Binding> {
    let mut found = BTreeMap::new();
    for (handle, var) in module.global_variables.iter() {
        let Some(binding) = &var.binding else {
            continue;
        };
        let inner = &module.types[var.ty].inner;
        let kind = match var.space {
            naga::AddressSpace::Storage { access } => {
                match access.contains(naga::StorageAccess::STORE) {
                    true => "a storage buffer to write".to_owned(),
                    false => "a storage buffer to read".to_owned(),
                }
            }
            naga::AddressSpace::Uniform if matches!(inner, naga::TypeInner::Array { .. }) => {
                "a uniform window".to_owned()
            }
            naga::AddressSpace::Uniform => {
                format!("{} bytes of parameters", inner.size(module.to_ctx()))
            }
            _ => {
                let texels = reflection.texels.iter();
                let found = texels.enumerate().find(|(i, _)| {
                    let first = reflection.storage.len()
                        + reflection.windows
                        + usize::from(reflection.has_params);
                    first + i == binding.binding as usize
                });
                found.map_or("a texture".to_owned(), |(_, (pool, access))| {
                    format!("the texture {} ({access:?})", pool.name())
                })
            }
        };
        found.insert(
            binding.binding,
            Binding {
                kind,
                name: var.name.clone().unwrap_or_default(),
                span: module.global_variables.get_span(handle),
            },
        );
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "override WIDTH: u32 = 4u;
struct Params { n: u32, m: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.n { y[id.x] = x[id.x] * f32(WIDTH) * f32(params.m); }
}";

    fn kernel(text: &str) -> Kernel {
        let text: &'static str = text.to_owned().leak();
        let files = vec![ShaderFile {
            name: "op/main",
            text,
        }]
        .leak();
        Kernel::built_in(text, files)
    }

    fn checked(from: &str, to: &str) -> Result<()> {
        assert!(SENT.contains(from));
        let changed = kernel(&SENT.replace(from, to));
        let module = naga::front::wgsl::parse_str(changed.source).expect("parses");
        let own = super::super::reflection::declarations(&changed, &module)?;
        check_against(&changed, &module, &own, &kernel(SENT))
    }

    #[test]
    fn what_an_op_cannot_tell_apart_is_let_through() {
        for (from, to) in [
            ("y: array<f32>;", "y: array<f32>; // the result"),
            ("f32(WIDTH) * f32(params.m)", "f32(params.m * WIDTH)"),
            ("@workgroup_size(64)", "@workgroup_size(64, 1, 1)"),
            (
                "override WIDTH: u32 = 4u;",
                "override WIDTH: u32; const MORE = 3;",
            ),
        ] {
            checked(from, to).unwrap_or_else(|e| panic!("{to}: {e}"));
        }
    }

    #[test]
    fn what_an_op_does_not_send_is_refused_at_its_line() {
        for (from, to, place, message) in [
            (
                "var<storage, read> x",
                "var<storage, read_write> x",
                "op/main.wgsl:3:",
                "binding 0 is a storage buffer to write",
            ),
            (
                "m: u32 }",
                "m: u32, more: u32 }",
                "op/main.wgsl:5:",
                "12 bytes of parameters, but the op binds 8 bytes",
            ),
            ("(64)", "(32)", "op/main.wgsl:8:", "[32, 1, 1] invocations"),
            (
                "override WIDTH: u32 = 4u",
                "override WIDTH: i32 = 4",
                "op/main.wgsl:1:",
                "another type",
            ),
            (
                "override WIDTH: u32",
                "const WIDTH: u32",
                "op/main",
                "`override WIDTH`",
            ),
            (
                "@group(0) @binding(2) var<uniform> params: Params;",
                "const params = Params(1u, 2u);",
                "op/main.wgsl:8:",
                "binding 2 is missing: the op binds 8 bytes of parameters (params)",
            ),
            (
                "@compute",
                "@group(0) @binding(3) var<uniform> w: array<vec4<f32>, 4096>;\n@compute",
                "op/main.wgsl:6:",
                "binds nothing as binding 3",
            ),
            (
                "fn main",
                "fn other",
                "op/main",
                "no compute entry point `main`",
            ),
        ] {
            let Err(error) = checked(from, to) else {
                panic!("{to} was let through");
            };
            let text = error.to_string();
            assert!(
                text.contains(place) && text.contains(message),
                "{to}: {text}"
            );
        }
    }

    #[test]
    fn every_file_of_the_folder_is_known() {
        let names: Vec<String> = built_in_files().into_iter().map(|f| f.0).collect();
        assert!(
            names.contains(&"relu/forward".to_owned()) && names.contains(&"lib/step".to_owned())
        );
        assert!(names.is_sorted() && names.len() > 100);
    }
}
