//! What a GPU's compiler made of a training step's kernels, for the report.

use serde::{Deserialize, Serialize};

/// The kernels of a training step as a compiler sees them; the fields are those of `gtzan-gpu inspect --json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompiledKernels {
    /// The chip, or the adapter's name.
    pub target: String,
    /// Driver and version.
    pub driver: String,
    pub kernels: Vec<CompiledKernel>,
}

/// One of them, compiled with one set of constants. What the driver does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompiledKernel {
    pub kernel: String,
    /// The family or op that it works for, e.g. `conv2d.forward`.
    pub op: String,
    /// Vector registers of an invocation.
    pub registers: Option<u64>,
    /// Those of them that lie in memory.
    pub spilled: Option<u64>,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: Option<u64>,
    /// Subgroups that a SIMD unit holds at once.
    pub waves_per_simd: Option<u64>,
    /// Instructions of the whole kernel.
    pub instructions: Option<u64>,
    /// The block in a loop with the most multiply-adds.
    pub hot_loop: Option<HotLoop>,
}

/// Instructions of the hottest loop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotLoop {
    pub multiply_adds: u64,
    pub instructions: u64,
}

impl CompiledKernels {
    /// One line per kernel and op, as cells; lines that would read the same are one.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for k in &self.kernels {
            let number = |v: Option<u64>| v.map_or("–".to_owned(), |v| v.to_string());
            let hot = k.hot_loop.filter(|h| h.multiply_adds > 0);
            let row = vec![
                k.kernel.clone(),
                k.op.clone(),
                number(k.registers),
                number(k.spilled),
                number(k.workgroup_bytes),
                number(k.waves_per_simd),
                number(k.instructions),
                hot.map_or("–".to_owned(), |h| {
                    format!("{} of {}", h.multiply_adds, h.instructions)
                }),
            ];
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `inspect --json` prints them: fields that are not shown, and none where the driver says nothing.
    #[test]
    fn the_json_of_inspect_is_read() {
        let text = r#"{"target": "gfx1100", "driver": "radv Mesa 22.3.6", "model": "seed", "batch_size": 8, "kernels": [
            {"kernel": "relu/forward", "op": "relu", "rung": null, "problem": null, "constants": {}, "default": true,
             "registers": 12, "spilled": 0, "workgroup_bytes": 0, "waves_per_simd": 32, "instructions": 24,
             "hot_loop": null},
            {"kernel": "dense/split/forward", "op": "dense.forward", "registers": null, "spilled": null,
             "workgroup_bytes": null, "waves_per_simd": null, "instructions": null,
             "hot_loop": {"multiply_adds": 512, "instructions": 601, "waits": 3}}]}"#;
        let mut compiled: CompiledKernels = serde_json::from_str(text).expect("it fits");
        let again = compiled.kernels[0].clone();
        compiled.kernels.push(again);
        let rows = compiled.rows();
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(rows[0].join(" "), "relu/forward relu 12 0 0 32 24 –");
        assert_eq!(
            rows[1].join(" "),
            "dense/split/forward dense.forward – – – – – 512 of 601"
        );
    }
}
