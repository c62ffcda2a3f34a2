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
    let main = module.entry_points.iter().find(|e| e.name == "main")?;
    let mut body = String::new();
    for (_, variable) in module.global_variables.iter() {
        if variable.space == naga::AddressSpace::WorkGroup {
            let filled = Filled {
                module: &module,
                // At least 1 where an override says how many: some are then filled twice.
                invocations: main.workgroup_size.iter().product::<u32>().max(1),
                sizes: Vec::new(),
            };
            filled.assign(variable.ty, variable.name.as_deref()?, &mut body)?;
        }
    }
    if body.is_empty() {
        return None;
    }
    let (lane, parameter) = match lane_of(main) {
        Some(name) => (name, ""),
        None => (
            "poison_lane",
            "@builtin(local_invocation_index) poison_lane: u32, ",
        ),
    };
    let (parameters, at) = places_of_main(source)?;
    let (head, rest) = source.split_at(parameters);
    let (rest, tail) = rest.split_at(at - parameters);
    Some(format!(
        "{head}{parameter}{rest} poison_workgroup_memory({lane}); {tail}\nvar<private> poison: u32 = 0x7fc00000u;\n\
         fn poison_workgroup_memory(lane: u32) {{\n{body}workgroupBarrier();\n}}\n"
    ))
}

/// What the kernel calls an invocation's number in its workgroup, if it asks for it.
fn lane_of(main: &naga::EntryPoint) -> Option<&str> {
    let lane = naga::Binding::BuiltIn(naga::BuiltIn::LocalInvocationIndex);
    let mut arguments = main.function.arguments.iter();
    let found = arguments.find(|a| a.binding.as_ref() == Some(&lane))?;
    found.name.as_deref()
}

/// A place in workgroup memory that is to be filled.
struct Filled<'a> {
    module: &'a naga::Module,
    /// That share the filling: each would take as long over all of it as all of them together over their shares.
    invocations: u32,
    /// Of the arrays around it, from the outermost on: numbers, or the names of overrides.
    sizes: Vec<String>,
}

impl Filled<'_> {
    /// Statements that fill `place`, of type `ty`; none for a type that no kernel uses. `#n` stands for the index in array n around it.
    fn assign(&self, ty: naga::Handle<naga::Type>, place: &str, out: &mut String) -> Option<()> {
        use naga::TypeInner::{Array, Matrix, Scalar, Struct, Vector};
        match &self.module.types[ty].inner {
            Scalar(s) => self.each(place, garbage(*s)?, out),
            Vector { size, scalar } => {
                let (name, value) = (scalar_name(*scalar)?, garbage(*scalar)?);
                self.each(place, &format!("vec{}<{name}>({value})", *size as u8), out)
            }
            Matrix {
                columns,
                rows,
                scalar,
            } => {
                let (name, value) = (scalar_name(*scalar)?, garbage(*scalar)?);
                let vector = format!("vec{}<{name}>({value})", *rows as u8);
                (0..*columns as u8)
                    .try_for_each(|c| self.each(&format!("{place}[{c}]"), &vector, out))
            }
            Array { base, size, .. } => {
                let size = match *size {
                    naga::ArraySize::Constant(count) => format!("{count}u"),
                    naga::ArraySize::Pending(size) => self.module.overrides[size].name.clone()?,
                    naga::ArraySize::Dynamic => return None,
                };
                let inside = Filled {
                    sizes: [&self.sizes[..], &[size]].concat(),
                    ..*self
                };
                inside.assign(*base, &format!("{place}[#{}]", self.sizes.len()), out)
            }
            Struct { members, .. } => members.iter().try_for_each(|member| {
                let place = format!("{place}.{}", member.name.as_deref()?);
                self.assign(member.ty, &place, out)
            }),
            _ => None,
        }
    }

    /// Fill `place` in every element of the arrays around it.
    fn each(&self, place: &str, value: &str, out: &mut String) -> Option<()> {
        let mut place = place.to_owned();
        let product = |sizes: &[String]| match sizes {
            [] => "1u".to_owned(),
            sizes => sizes.join(" * "),
        };
        for (n, size) in self.sizes.iter().enumerate() {
            let inside = product(&self.sizes[n + 1..]);
            place = place.replace(&format!("#{n}]"), &format!("i / ({inside}) % {size}]"));
        }
        let (all, step) = (product(&self.sizes), self.invocations);
        writeln!(
            out,
            "for (var i = lane; i < {all}; i += {step}u) {{ {place} = {value}; }}"
        )
        .ok()
    }
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

/// Behind the parenthesis that opens the parameters of `main`, and behind the brace that opens its body.
fn places_of_main(source: &str) -> Option<(usize, usize)> {
    let start = source.find("fn main(")? + "fn main(".len();
    let mut open = 1;
    for (i, c) in source[start..].char_indices() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            '{' if open == 0 => return Some((start, start + i + 1)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(text: &str) {
        let module = naga::front::wgsl::parse_str(text).expect("valid WGSL");
        let (flags, all) = (
            naga::valid::ValidationFlags::all(),
            naga::valid::Capabilities::all(),
        );
        naga::valid::Validator::new(flags, all)
            .validate(&module)
            .expect("a valid module");
    }

    #[test]
    fn every_kind_of_workgroup_memory_is_filled_and_the_text_stays_valid() {
        let source = "
            struct Pair { a: array<vec4<f32>, 3>, b: u32 }
            var<workgroup> pairs: array<array<Pair, 2>, 5>;
            override LANES: u32 = 7u;
            var<workgroup> lanes: array<u32, LANES>;
            var<workgroup> flag: bool;
            var<workgroup> turned: mat2x4<f32>;
            @compute @workgroup_size(8)
            fn main(@builtin(local_invocation_index) lane: u32) { pairs[0][1].b = lane; lanes[1] = lane; }";
        let text = fill(source).expect("there is memory to fill");
        for part in [
            "i < 5u * 2u * 3u; i += 8u) { pairs[i / (2u * 3u) % 5u][i / (3u) % 2u].a[i / (1u) % 3u] = vec4<f32>(bitcast<f32>(poison)); }",
            "i < 5u * 2u; i += 8u) { pairs[i / (2u) % 5u][i / (1u) % 2u].b = 4294967295u; }",
            "i < LANES; i += 8u) { lanes[i / (1u) % LANES] = 4294967295u; }",
            "i < 1u; i += 8u) { flag = true; }",
            "i < 1u; i += 8u) { turned[1] = vec4<f32>(bitcast<f32>(poison)); }",
            "{ poison_workgroup_memory(lane);  pairs[0][1].b = lane; lanes[1] = lane; }",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        validate(&text);
        // A kernel that does not ask for the invocation's number.
        let other = source.replace(
            "local_invocation_index) lane: u32",
            "local_invocation_id) id: vec3<u32>",
        );
        let text = fill(&other.replace("= lane", "= id.x")).expect("there is memory to fill");
        assert!(
            text.contains("poison_workgroup_memory(poison_lane);"),
            "{text}"
        );
        validate(&text);
        assert_eq!(fill("@compute @workgroup_size(1) fn main() {}"), None);
    }
}
