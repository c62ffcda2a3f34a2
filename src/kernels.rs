//! Every kernel whole, as text: to read, to paste into a playground, to check.

use crate::bench;
use crate::error::{Error, Result};
use crate::inspect::of_cases;
use crate::ops::{Capabilities, DeviceClass, Kernel, registry};
use std::fmt::Write;

/// A kernel's text, and the values that ops give its `override` constants.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The kernel, as some op dispatches it.
    pub kernel: Kernel,
    /// Each constant that is set, with its values in the order in which they were met.
    pub constants: Vec<(&'static str, Vec<f64>)>,
}

impl Whole {
    /// The file's path under `shaders/`, then the pieces: e.g. `conv2d/registers/forward + tile_params + store_plain`.
    pub fn title(&self) -> String {
        let files = self.kernel.files.iter();
        let names: Vec<&str> = files
            .map(|f| f.name.strip_prefix("lib/").unwrap_or(f.name))
            .collect();
        names.join(" + ")
    }

    /// Whether it stands on this piece.
    pub fn stands_on(&self, piece: &str) -> bool {
        let mut pieces = self.kernel.files.iter().skip(1);
        pieces.any(|f| f.name.strip_prefix("lib/") == Some(piece))
    }

    /// The text, behind comments that say where it is from, which constants ops set, and what a browser wants besides.
    pub fn text(&self) -> String {
        let mut text = format!("// shaders: {}\n", self.title());
        for (name, values) in &self.constants {
            let values: Vec<String> = values.iter().map(f64::to_string).collect();
            let _ = writeln!(text, "// {name} is set to {}.", values.join(" or "));
        }
        if self.kernel.source.contains("subgroup") {
            text.push_str("// In a browser, put `enable subgroups;` in front.\n");
        }
        text.push('\n');
        text.push_str(self.kernel.source);
        text
    }
}

/// Devices between which every rung of every op can run.
fn devices() -> [Capabilities; 2] {
    let gpu = Capabilities {
        subgroups: true,
        subgroup_size: Some(32),
        f16: true,
        cooperative: true,
        ..Capabilities::portable(DeviceClass::Hardware)
    };
    let cpu_driver = Capabilities {
        subgroup_size: Some(8),
        ..Capabilities::portable(DeviceClass::Software)
    };
    [gpu, cpu_driver]
}

/// Every kernel that some op runs on some device, over the cases of the gradient checks, and those of the benches; sorted by title.
///
/// # Errors
/// When a case can't be lowered: a bug in its op.
pub fn all() -> Result<Vec<Whole>> {
    let mut all: Vec<Whole> = Vec::new();
    let mut add = |kernel: Kernel| {
        let found = all.iter().position(|w| w.kernel.files == kernel.files);
        let found = found.unwrap_or_else(|| {
            all.push(Whole {
                kernel: kernel.clone(),
                constants: Vec::new(),
            });
            all.len() - 1
        });
        let constants = &mut all[found].constants;
        for &(name, value) in &kernel.constants {
            match constants.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) if values.contains(&value) => {}
                Some((_, values)) => values.push(value),
                None => constants.push((name, vec![value])),
            }
        }
    };
    for device in devices() {
        for entry in registry() {
            for wanted in of_cases(entry.name, "", &device, true)?.0 {
                add(wanted.kernel);
            }
        }
    }
    add(bench::peak_kernel());
    all.sort_by_key(Whole::title);
    Ok(all)
}

/// The kernels whose name is `name`, or ends with it, or contains it: the first of these that any do.
///
/// # Errors
/// When none does.
pub fn named(name: &str) -> Result<Vec<Whole>> {
    let all = all()?;
    let whole = |w: &Whole| w.kernel.name == name;
    let end = |w: &Whole| w.kernel.name.ends_with(&format!("/{name}"));
    let part = |w: &Whole| w.kernel.name.contains(name);
    let ways: [&dyn Fn(&Whole) -> bool; 3] = [&whole, &end, &part];
    let found = ways
        .into_iter()
        .map(|fits| all.iter().filter(|w| fits(w)).cloned().collect::<Vec<_>>())
        .find(|found| !found.is_empty());
    found.ok_or_else(|| {
        Error::usage(format!(
            "there is no kernel '{name}'; `gtzan-gpu kernel` lists them"
        ))
    })
}
