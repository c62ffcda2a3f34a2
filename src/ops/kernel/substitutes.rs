//! Kernels read from a folder in place of the built-in ones of the same names, so that a change is seen without building.

use super::{Kernel, Reflection, ShaderFile, compatible, diagnostics, uniformity};
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
    for (path, text) in kernel_texts(dir)? {
        let name = name_of(&path);
        let Some(original) = built_in.get(&name) else {
            return Err(no_such_kernel(&dir.join(path), &name, &built_in));
        };
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

/// The texts of all `.wgsl` files below `dir`, by their paths in it.
///
/// # Errors
/// When a folder or a file can't be read, or there is no such file.
pub fn kernel_texts(dir: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
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
                let name = path.strip_prefix(dir).unwrap_or(&path).to_path_buf();
                found.insert(name, read(&path)?);
            }
        }
    }
    if found.is_empty() {
        return Err(Error::data(format!(
            "{}: no .wgsl file in it; `gtzan-gpu kernel --export {0}` writes the built-in ones there",
            dir.display()
        )));
    }
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
        None if is_built_in(file.name) => format!("shaders/{}.wgsl", file.name),
        None => format!("{}.wgsl", file.name),
    }
}

/// Whether a file is one of `shaders/`, not another crate's.
pub(super) fn is_built_in(name: &str) -> bool {
    BUILT_IN.get_file(format!("{name}.wgsl")).is_some()
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
    compatible::check(kernel, module, own, &original)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_known() {
        let names: Vec<String> = built_in_files().into_iter().map(|f| f.0).collect();
        assert!(
            names.contains(&"relu/forward".to_owned()) && names.contains(&"lib/step".to_owned())
        );
        assert!(names.is_sorted() && names.len() > 100);
    }
}
