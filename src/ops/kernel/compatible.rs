//! Whether a kernel can stand in for another: whether an op that was written for one could tell them apart.

use super::{Kernel, Reflection, diagnostics, reflection};
use crate::error::Result;
use std::collections::BTreeMap;

/// Whether a kernel takes what the op sends to the original: its bindings, parameters, constants and invocations.
///
/// # Errors
/// With the file, the line and what the op sends, at the first difference.
pub(super) fn check(
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
    let theirs = reflection::declarations(original, &expected)?;
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
    use crate::ops::kernel::ShaderFile;

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
        let own = reflection::declarations(&changed, &module)?;
        check(&changed, &module, &own, &kernel(SENT))
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
}
