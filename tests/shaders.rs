//! Every WGSL file: valid for naga (and tint where it is installed), translatable to SPIR-V, MSL and HLSL, with the header
//! that readers rely on, and used by some op.

use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use std::path::{Path, PathBuf};

fn shaders() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("shaders/ is a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "wgsl") {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 20, "only {} shaders found", found.len());
    found
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
fn every_shader_starts_with_its_five_line_header() {
    for (path, text) in shaders() {
        let header = text.lines().take_while(|l| l.starts_with("//")).count();
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
fn every_shader_is_used_by_the_sources() {
    let mut sources = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("src") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                sources.push_str(&std::fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    for (path, _) in shaders() {
        let name = path
            .strip_prefix(&root)
            .expect("below shaders")
            .with_extension("");
        let call = format!(
            "kernel!(\"{}\")",
            name.display().to_string().replace('\\', "/")
        );
        assert!(
            sources.contains(&call),
            "{} is used nowhere",
            path.display()
        );
    }
}
