//! What 32 lanes touch together: lines of memory or banks of workgroup memory, counted from the addresses that a function of a student's
//! kernel gives. Nothing is timed, so it says the same on every device, and on none.

use super::address::evaluate;
use crate::error::{Error, Result};
use naga::{Block, Function, Handle, Module, Statement};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Lanes that access memory together.
const LANES: u32 = 32;
/// Elements of four bytes in a line of memory of 128 bytes.
const LINE: u32 = 32;
/// Banks of workgroup memory, each four bytes wide.
const BANKS: u32 = 32;

/// A function that gives an address, and how well it has to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Its name in the kernel; takes `u32`s and gives the place of a four-byte element.
    pub function: String,
    /// Which argument tells neighbouring lanes apart.
    pub lane_argument: usize,
    /// The other arguments, one access each.
    pub others: Vec<Vec<u32>>,
    /// What is counted.
    pub what: What,
    /// The most of it that an access may take.
    pub most: usize,
}

/// What an access is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Lines of 128 bytes that the lanes touch.
    Lines,
    /// Cycles: the most different words that they want from one bank.
    Banks,
}

impl What {
    fn count(self, places: &[u32]) -> usize {
        let different: BTreeSet<u32> = match self {
            Self::Lines => {
                return places
                    .iter()
                    .map(|p| p / LINE)
                    .collect::<BTreeSet<_>>()
                    .len();
            }
            Self::Banks => places.iter().copied().collect(),
        };
        let mut of_bank = vec![0; BANKS as usize];
        different
            .iter()
            .for_each(|p| of_bank[(p % BANKS) as usize] += 1);
        of_bank.into_iter().max().unwrap_or(0)
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Lines => "lines of 128 bytes",
            Self::Banks => "cycles of workgroup memory",
        }
    }
}

/// Whether all accesses are within what is asked for, and the worst in words.
///
/// # Errors
/// When the kernel has no such function, does not call it, or it computes in a way that can't be followed.
pub fn count(module: &Module, counted: &Counted) -> Result<(bool, String)> {
    let name = &counted.function;
    let fail = |why: &str| Error::data(format!("fn {name}: {why}"));
    let function = module
        .functions
        .iter()
        .find(|(_, f)| f.name.as_deref() == Some(name));
    let (handle, function) = function.ok_or_else(|| fail("the kernel has no such function"))?;
    let arguments = function.arguments.len();
    let mut bodies = module.functions.iter().map(|(_, f)| f);
    let called = |f: &Function| calls(&f.body, handle);
    if !bodies.any(called) && !module.entry_points.iter().any(|e| called(&e.function)) {
        return Err(fail("the kernel does not call it"));
    }
    let mut worst = (0, Vec::new());
    for others in &counted.others {
        if arguments != others.len() + 1 {
            let why = format!("it takes {arguments} arguments, not {}", others.len() + 1);
            return Err(fail(&why));
        }
        let place = |lane: u32| {
            let mut given = others.clone();
            given.insert(counted.lane_argument.min(given.len()), lane);
            evaluate(module, function, &given).map_err(fail)
        };
        let places = (0..LANES).map(place).collect::<Result<Vec<u32>>>()?;
        let taken = counted.what.count(&places);
        if taken > worst.0 {
            let first = places.iter().take(3).map(ToString::to_string);
            worst = (taken, first.collect());
        }
    }
    let finding = format!(
        "{LANES} lanes of {name} (at {}, …) take {} {}; at most {} is asked for",
        worst.1.join(", "),
        worst.0,
        counted.what.unit(),
        counted.most
    );
    Ok((worst.0 <= counted.most, finding))
}

/// Blocks inside a statement.
fn inner(statement: &Statement) -> Vec<&Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter().map(|c| &c.body).collect(),
        Statement::Loop {
            body, continuing, ..
        } => vec![body, continuing],
        _ => Vec::new(),
    }
}

fn calls(block: &Block, wanted: Handle<Function>) -> bool {
    block.iter().any(|s| match s {
        Statement::Call { function, .. } => *function == wanted,
        _ => inner(s).into_iter().any(|b| calls(b, wanted)),
    })
}

/// Barriers that stand in loops, in the entry point and what it calls there.
pub fn barriers_in_loops(module: &Module) -> usize {
    fn within(module: &Module, block: &Block, looped: bool) -> usize {
        let one = |s: &Statement| match s {
            Statement::ControlBarrier(_) => usize::from(looped),
            Statement::Call { function, .. } => {
                within(module, &module.functions[*function].body, looped)
            }
            _ => {
                let looped = looped || matches!(s, Statement::Loop { .. });
                let blocks = inner(s).into_iter();
                blocks.map(|b| within(module, b, looped)).sum()
            }
        };
        block.iter().map(one).sum()
    }
    let entries = module.entry_points.iter();
    entries
        .map(|e| within(module, &e.function.body, false))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(body: &str, main: &str) -> Module {
        let text = format!(
            "const WIDE: u32 = 64u; var<workgroup> t: array<f32, 4096>; fn place(a: u32, b: u32) -> u32 {{ {body} }}
             @compute @workgroup_size(32) fn main(@builtin(local_invocation_index) l: u32) {{ t[place(l, 1u)] = 1.0; {main} }}"
        );
        naga::front::wgsl::parse_str(&text).expect(body)
    }

    fn taken(body: &str, what: What) -> Result<usize> {
        let counted = Counted {
            function: "place".to_owned(),
            lane_argument: 0,
            others: vec![vec![0], vec![3]],
            what,
            most: 1,
        };
        let (fits, finding) = count(&module(body, ""), &counted)?;
        let number = finding
            .split("take ")
            .nth(1)
            .and_then(|t| t.split(' ').next());
        let number = number.and_then(|n| n.parse().ok()).expect("a number");
        assert_eq!(fits, number <= 1, "{finding}");
        Ok(number)
    }

    #[test]
    fn lines_and_banks() {
        for (body, lines, banks) in [
            ("return a + 32u * b;", 1, 1),
            ("return a + b;", 2, 1),
            ("return a * WIDE + b;", 32, 32),
            ("return a * (WIDE + 1u) + b;", 32, 1),
            ("return a * WIDE + (a + b) % WIDE;", 32, 1),
            ("return a * 2u;", 2, 2),
            ("return b;", 1, 1),
            (
                "let q = a / 4u; return select(q, q + 1u, a % 4u > 5u);",
                1,
                1,
            ),
            (
                "var p = a; if b > 1u { p = p * 4u; } return min(p, 1000u);",
                4,
                4,
            ),
            ("if a < 16u { return a ^ 1u; } return a << 1u;", 2, 2),
        ] {
            assert_eq!(taken(body, What::Lines).expect(body), lines, "{body}");
            assert_eq!(taken(body, What::Banks).expect(body), banks, "{body}");
        }
    }

    #[test]
    fn what_can_not_be_followed_is_said() {
        for body in [
            "var s = 0u; for (var i = 0u; i < a; i++) { s += i; } return s + b;",
            "return u32(t[a]) + b;",
        ] {
            let error = taken(body, What::Lines).expect_err(body).to_string();
            assert!(error.contains("fn place: how it computes"), "{error}");
        }
        let mut counted = Counted {
            function: "other".to_owned(),
            lane_argument: 0,
            others: vec![vec![0]],
            what: What::Lines,
            most: 1,
        };
        let module = module("return a;", "");
        let error = count(&module, &counted).expect_err("no such function");
        assert!(error.to_string().contains("no such function"), "{error}");
        counted.function = "place".to_owned();
        counted.others = vec![vec![]];
        let error = count(&module, &counted).expect_err("too few arguments");
        assert!(error.to_string().contains("takes 2"), "{error}");
    }

    #[test]
    fn barriers_of_loops() {
        let b = "workgroupBarrier();";
        for (main, found) in [
            (format!("{b} {b}"), 0),
            (format!("{b} loop {{ {b} if l < 99u {{ break; }} }}"), 1),
            (
                format!("for (var i = 0u; i < 3u; i++) {{ {{ {b} }} {b} }} {b}"),
                2,
            ),
        ] {
            assert_eq!(
                barriers_in_loops(&module("return a + b;", &main)),
                found,
                "{main}"
            );
        }
    }
}
