//! Every WGSL file: valid for naga (and tint where it is installed), translatable to SPIR-V, MSL and HLSL, with the header
//! that readers rely on, and used by some op.

use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")
}

/// Every file with this ending below a folder.
fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The arguments of every `kernel!(..)` in the sources: a file and the pieces that it stands on.
fn kernels() -> Vec<Vec<String>> {
    let mut found = std::collections::BTreeSet::new();
    for (_, text) in files("src", "rs") {
        for call in text.split("kernel!(").skip(1) {
            let arguments = call.split(')').next().unwrap_or_default();
            let strings: Vec<String> = arguments
                .split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            if arguments.trim_start().starts_with('"') {
                found.insert(strings);
            }
        }
    }
    // The example in the macro's own documentation is among them.
    assert!(found.len() > 80, "only {} kernels found", found.len());
    found.into_iter().collect()
}

/// Every kernel whole: its file, then its pieces; under the file's path.
fn shaders() -> Vec<(PathBuf, String)> {
    let read = |name: &str| {
        let path = root().join(format!("{name}.wgsl"));
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let whole = |names: Vec<String>| {
        let mut text = read(&names[0]);
        for piece in &names[1..] {
            text.push('\n');
            text.push_str(&read(&format!("lib/{piece}")));
        }
        (PathBuf::from(names.join(" + ")), text)
    };
    kernels().into_iter().map(whole).collect()
}

/// Whether a file uses wgpu's experimental matrix units: no part of WGSL, so tint does not know them, and nothing that naga can
/// write as HLSL.
fn cooperative(text: &str) -> bool {
    text.contains("enable wgpu_cooperative_matrix;")
}

/// Parse, validate, and fill in the overrides' defaults, as a driver would.
fn module(path: &Path, text: &str) -> (naga::Module, naga::valid::ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| {
        panic!(
            "{}",
            e.emit_to_string_with_path(text, &path.display().to_string())
        )
    });
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all());
    let info = validator
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
    let constants = naga::back::PipelineConstants::default();
    let (module, info) =
        naga::back::pipeline_constants::process_overrides(&module, &info, None, &constants)
            .unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
    (module.into_owned(), info.into_owned())
}

#[test]
fn every_invocation_reaches_every_barrier() {
    for (path, text) in shaders() {
        let (module, _) = module(&path, &text);
        let place = gtzan_gpu::ops::barrier_of_some(&module).map(|span| span.location(&text));
        assert!(place.is_none(), "{}: {place:?}", path.display());
    }
}

/// In memory that invocations share, writing one element of a vector may write its neighbours as well (WGSL, "Memory locations": Metal's
/// compiler, for one, does so), and those may be another invocation's. So vectors are written whole, and what is written by elements is an array.
#[test]
fn no_kernel_writes_one_element_of_a_shared_vector() {
    let mut stores = 0;
    for (path, text) in shaders() {
        let (module, _) = module(&path, &text);
        let functions = module.functions.iter().map(|(_, f)| f);
        for f in functions.chain(module.entry_points.iter().map(|e| &e.function)) {
            let mut info = naga::front::Typifier::new();
            let context =
                naga::proc::ResolveContext::with_locals(&module, &f.local_variables, &f.arguments);
            for (handle, _) in f.expressions.iter() {
                info.grow(handle, &f.expressions, &context)
                    .expect("validated");
            }
            for pointer in written(&f.body) {
                stores += 1;
                use naga::{AddressSpace as A, Expression as E, TypeInner as T};
                let (E::Access { base, .. } | E::AccessIndex { base, .. }) = f.expressions[pointer]
                else {
                    continue;
                };
                let shared = |space| matches!(space, A::WorkGroup | A::Storage { .. });
                let of_vector = match *info[base].inner_with(&module.types) {
                    T::Pointer { base, space } => {
                        shared(space) && matches!(module.types[base].inner, T::Vector { .. })
                    }
                    T::ValuePointer {
                        size: Some(_),
                        space,
                        ..
                    } => shared(space),
                    _ => false,
                };
                let place = f.expressions.get_span(pointer).location(&text);
                assert!(!of_vector, "{}: {place:?}", path.display());
            }
        }
    }
    assert!(stores > 500, "only {stores} stores seen");
}

/// What a block's statements write through.
fn written(block: &naga::Block) -> Vec<naga::Handle<naga::Expression>> {
    use naga::Statement as S;
    let mut found = Vec::new();
    for statement in block {
        match statement {
            S::Store { pointer, .. } => found.push(*pointer),
            S::Block(b) => found.extend(written(b)),
            S::If { accept, reject, .. } => {
                found.extend([written(accept), written(reject)].concat())
            }
            S::Switch { cases, .. } => found.extend(cases.iter().flat_map(|c| written(&c.body))),
            S::Loop {
                body, continuing, ..
            } => found.extend([written(body), written(continuing)].concat()),
            _ => {}
        }
    }
    found
}

#[test]
fn naga_translates_every_shader_to_spirv_msl_and_hlsl() {
    for (path, text) in shaders() {
        let (module, info) = module(&path, &text);
        let spirv = spv::write_vec(
            &module,
            &info,
            &spv::Options {
                lang_version: (1, 3),
                ..Default::default()
            },
            None,
        );
        assert!(
            spirv.is_ok_and(|words| words.len() > 20),
            "{}: SPIR-V",
            path.display()
        );
        let msl_options = msl::Options {
            lang_version: (2, 4),
            fake_missing_bindings: true,
            ..Default::default()
        };
        let metal = msl::write_string(
            &module,
            &info,
            &msl_options,
            &msl::PipelineOptions::default(),
        );
        assert!(
            metal.is_ok_and(|(t, _)| t.contains("kernel void")),
            "{}: MSL",
            path.display()
        );
        if cooperative(&text) {
            continue;
        }
        let hlsl_options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_2,
            fake_missing_bindings: true,
            ..Default::default()
        };
        let pipeline = hlsl::PipelineOptions::default();
        let mut out = String::new();
        let written =
            hlsl::Writer::new(&mut out, &hlsl_options, &pipeline).write(&module, &info, None);
        assert!(
            written.is_ok() && out.contains("numthreads"),
            "{}: HLSL {written:?}",
            path.display()
        );
    }
}

#[test]
fn tint_accepts_every_shader_where_it_is_installed() {
    let installed = std::process::Command::new("tint")
        .arg("--version")
        .output()
        .is_ok();
    if !installed {
        eprintln!("NOT RUN: tint is not installed");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    for (path, text) in shaders() {
        if cooperative(&text) {
            continue;
        }
        // naga refuses the `enable` line that tint asks for.
        let mut source = String::new();
        if text.contains("subgroup") {
            source.push_str("enable subgroups;\n");
        }
        if text.contains("f16") {
            source.push_str("enable f16;\n");
        }
        source.push_str(&text.replace("enable f16;", ""));
        let file = dir.path().join("shader.wgsl");
        std::fs::write(&file, source).expect("written");
        let out = std::process::Command::new("tint")
            .args(["--format", "wgsl", "-o"])
            .arg(dir.path().join("out.wgsl"))
            .arg(&file)
            .output()
            .expect("tint runs");
        assert!(
            out.status.success(),
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[test]
fn every_kernel_starts_with_its_five_line_header_and_every_piece_says_what_it_is() {
    for (path, text) in files("shaders", "wgsl") {
        let header = text.lines().take_while(|l| l.starts_with("//")).count();
        if path.starts_with(root().join("lib")) {
            assert!(header >= 1, "{}: no header", path.display());
            continue;
        }
        assert!(header >= 5, "{}: {header} header lines", path.display());
        let rung = text
            .lines()
            .take(header)
            .any(|l| l.starts_with("// Next rung:"));
        assert!(
            rung,
            "{}: the header does not say what the next rung gains",
            path.display()
        );
    }
}

#[test]
fn every_file_is_part_of_a_kernel() {
    let kernels = kernels();
    for (path, _) in files("shaders", "wgsl") {
        let name = path
            .strip_prefix(root())
            .expect("below shaders")
            .with_extension("")
            .display()
            .to_string()
            .replace('\\', "/");
        let used = match name.strip_prefix("lib/") {
            Some(piece) => kernels.iter().any(|k| k[1..].iter().any(|p| p == piece)),
            None => kernels.iter().any(|k| k[0] == name),
        };
        assert!(used, "{} is used nowhere", path.display());
    }
}

/// `gtzan-gpu kernel` knows every file, and what it prints is a whole module.
#[test]
fn every_kernel_is_listed_and_printed_whole() {
    let all = gtzan_gpu::kernels::all().expect("every case can be lowered");
    let titles: Vec<String> = all.iter().map(|w| w.title()).collect();
    assert!(titles.is_sorted_by(|a, b| a < b), "{titles:?}");
    for kernel in kernels() {
        let title = kernel.join(" + ");
        assert!(titles.contains(&title), "{title} is not listed");
    }
    for whole in &all {
        let title = whole.title();
        let text = whole.text();
        module(Path::new(&title), &text);
        for file in whole.kernel.files {
            assert!(text.contains(file.text), "{title} lacks {}", file.name);
        }
        for (constant, values) in &whole.constants {
            assert!(
                text.contains(&format!("override {constant}")),
                "{title}: {constant}"
            );
            assert!(!values.is_empty());
        }
    }
}

#[test]
fn a_kernel_is_found_by_any_part_of_its_name_that_tells_it_from_others() {
    let titles = |name: &str| {
        let found = gtzan_gpu::kernels::named(name).expect("some");
        found.iter().map(|w| w.title()).collect::<Vec<_>>()
    };
    assert_eq!(titles("relu/forward"), ["relu/forward"]);
    let both = titles("registers/forward");
    assert!(
        both.len() >= 2 && both.iter().all(|t| t.contains("registers/forward")),
        "{both:?}"
    );
    assert_eq!(titles("sum_of_sq"), ["reduce/sum_of_squares + tree_sum"]);
    let error = gtzan_gpu::kernels::named("conv9d").expect_err("none");
    assert_eq!(error.exit_code(), 2);
}
