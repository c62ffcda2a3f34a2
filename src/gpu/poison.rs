//! Workgroup memory that starts as garbage, so that tests can see that no kernel reads what it did not write.
//!
//! Nothing clears workgroup memory (see [`super::pipelines`]), and what it holds then depends on what ran before: often zeros, which is
//! what a careless kernel hopes for. Here every kernel begins by filling it with NaNs, or with all bits set where it holds integers.

use crate::ops::Kernel;
use std::fmt::Write;

/// The kernel's text with workgroup memory filled first. The text as it is where there is none, or naga does not understand it.
pub(super) fn poisoned(kernel: &Kernel) -> String {
    fill(kernel.source).unwrap_or_else(|| kernel.source.to_owned())
}

fn fill(source: &str) -> Option<String> {
    let module = naga::front::wgsl::parse_str(source).ok()?;
    let mut body = String::new();
    for (_, variable) in module.global_variables.iter() {
        if variable.space == naga::AddressSpace::WorkGroup {
            assign(
                &module,
                variable.ty,
                variable.name.as_deref()?,
                0,
                &mut body,
            )?;
        }
    }
    if body.is_empty() {
        return None;
    }
    let at = body_of_main(source)?;
    let (head, tail) = source.split_at(at);
    Some(format!(
        "{head} poison_workgroup_memory(); {tail}\nvar<private> poison: u32 = 0x7fc00000u;\n\
         fn poison_workgroup_memory() {{\n{body}workgroupBarrier();\n}}\n"
    ))
}

/// Statements that fill `place`, of type `ty`, by loops `depth` levels deep already; none for a type that no kernel uses.
fn assign(
    module: &naga::Module,
    ty: naga::Handle<naga::Type>,
    place: &str,
    depth: usize,
    out: &mut String,
) -> Option<()> {
    use naga::TypeInner::{Array, Matrix, Scalar, Struct, Vector};
    match &module.types[ty].inner {
        Scalar(s) => writeln!(out, "{place} = {};", garbage(*s)?).ok()?,
        Vector { size, scalar } => {
            let name = scalar_name(*scalar)?;
            let value = garbage(*scalar)?;
            writeln!(out, "{place} = vec{}<{name}>({value});", *size as u8).ok()?;
        }
        Matrix {
            columns,
            rows,
            scalar,
        } => {
            let (name, value) = (scalar_name(*scalar)?, garbage(*scalar)?);
            for column in 0..*columns as u8 {
                let vector = format!("vec{}<{name}>({value})", *rows as u8);
                writeln!(out, "{place}[{column}] = {vector};").ok()?;
            }
        }
        Array {
            base,
            size: naga::ArraySize::Constant(count),
            ..
        } => {
            let i = format!("poison{depth}");
            writeln!(out, "for (var {i} = 0u; {i} < {count}u; {i}++) {{").ok()?;
            assign(module, *base, &format!("{place}[{i}]"), depth + 1, out)?;
            out.push_str("}\n");
        }
        Struct { members, .. } => {
            for member in members {
                let place = format!("{place}.{}", member.name.as_deref()?);
                assign(module, member.ty, &place, depth, out)?;
            }
        }
        _ => return None,
    }
    Some(())
}

fn scalar_name(scalar: naga::Scalar) -> Option<&'static str> {
    Some(match (scalar.kind, scalar.width) {
        (naga::ScalarKind::Float, 4) => "f32",
        (naga::ScalarKind::Float, 2) => "f16",
        (naga::ScalarKind::Uint, 4) => "u32",
        (naga::ScalarKind::Sint, 4) => "i32",
        (naga::ScalarKind::Bool, _) => "bool",
        _ => return None,
    })
}

/// An expression for the worst value of a type. From a variable, since WGSL refuses a NaN that it can see.
fn garbage(scalar: naga::Scalar) -> Option<&'static str> {
    Some(match scalar_name(scalar)? {
        "f32" => "bitcast<f32>(poison)",
        "f16" => "f16(bitcast<f32>(poison))",
        "u32" => "4294967295u",
        "i32" => "-1i",
        _ => "true",
    })
}

/// Behind the brace that opens `main`.
fn body_of_main(source: &str) -> Option<usize> {
    let start = source.find("fn main(")? + "fn main(".len();
    let mut open = 1;
    for (i, c) in source[start..].char_indices() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            '{' if open == 0 => return Some(start + i + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_workgroup_memory_is_filled_and_the_text_stays_valid() {
        let source = "
            struct Pair { a: array<vec4<f32>, 3>, b: u32 }
            var<workgroup> pairs: array<array<Pair, 2>, 5>;
            var<workgroup> flag: bool;
            var<workgroup> turned: mat2x4<f32>;
            @compute @workgroup_size(8)
            fn main(@builtin(local_invocation_index) lane: u32) { pairs[0][1].b = lane; }";
        let text = fill(source).expect("there is memory to fill");
        for part in [
            "pairs[poison0][poison1].a[poison2] = vec4<f32>(bitcast<f32>(poison));",
            "pairs[poison0][poison1].b = 4294967295u;",
            "flag = true;",
            "turned[1] = vec4<f32>(bitcast<f32>(poison));",
            "{ poison_workgroup_memory();  pairs[0][1].b = lane; }",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let module = naga::front::wgsl::parse_str(&text).expect("valid WGSL");
        let (flags, all) = (
            naga::valid::ValidationFlags::all(),
            naga::valid::Capabilities::all(),
        );
        naga::valid::Validator::new(flags, all)
            .validate(&module)
            .expect("a valid module");
        assert_eq!(fill("@compute @workgroup_size(1) fn main() {}"), None);
    }
}
