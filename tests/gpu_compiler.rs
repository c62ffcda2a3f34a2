//! What a GPU runs by default, through a GPU's compiler: Mesa's RADV, which compiles for chips that are not there.

use serde_json::Value;
use std::process::Command;

/// RDNA 2 and RDNA 3.
const CHIPS: [&str; 2] = ["navi21", "gfx1100"];

/// The built-in models and the one in the repository.
const MODELS: [&str; 5] = ["seed", "notebook", "small", "demo", "models/deep.toml"];

/// Ladders whose kernels multiply matrices, in whatever form.
const MATRIX_LIKE: [&str; 6] = [
    "conv2d.forward",
    "conv2d.backward_input",
    "conv2d.backward_weight",
    "dense.forward",
    "dense.backward_input",
    "dense.backward_weight",
];

/// Least part of a hot loop that multiplies and adds.
const SHARE: f64 = 0.8;
/// Least subgroups per SIMD unit. Fewer don't hide the latency of memory.
const WAVES: u64 = 8;

/// Why a GPU runs naive kernels in a residual network.
const STRIDED: &str = "no rung for GPUs takes a stride or a window but 3x3 yet";

/// Kernels that break a rule, and why that is known and stands. One that keeps the rules does not belong here.
const KNOWN: [(&str, &str); 5] = [
    (
        "conv2d/workgroup/forward",
        "its stages divide and check bounds tap by tap; to be replaced by a rung that looks each tap's offset up",
    ),
    (
        "conv2d/workgroup/backward_weight",
        "36 sums per invocation are too few for its loads; to be replaced by a rung with 64",
    ),
    ("conv2d/naive/forward", STRIDED),
    ("conv2d/naive/backward_input", STRIDED),
    ("conv2d/naive/backward_weight", STRIDED),
];

fn inspect(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gtzan-gpu"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("inspect")
        .args(arguments)
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Whether there is a compiler to ask. Where `.ci/run` expects one, it is an error that there is none.
fn compiler_here() -> bool {
    if gtzan_gpu::inspect::radv::find().is_some() {
        return true;
    }
    let expected = std::env::var_os("GTZAN_GPU_EXPECT_RADV").is_some_and(|v| !v.is_empty());
    assert!(
        !expected,
        "Mesa's RADV is not installed, so what GPUs run can't be checked: install it (Debian: mesa-vulkan-drivers), \
         or set GTZAN_GPU_EXPECT_RADV to nothing where it can't be"
    );
    eprintln!("not checked: Mesa's RADV is not installed");
    false
}

/// Of the kernels of a rung (they may pack, transform and finish), the one that multiplies most, per constants.
fn multiplies_most<'k>(kernel: &Value, all: &'k [Value]) -> Option<&'k Value> {
    let same = |k: &&Value| k["op"] == kernel["op"] && k["rung"] == kernel["rung"];
    let most = all.iter().filter(same);
    most.max_by_key(|k| k["hot_loop"]["multiply_adds"].as_u64())
}

/// What is wrong with a kernel, with its numbers.
fn faults(kernel: &Value, all: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let number = |value: &Value| value.as_u64().expect("RADV gives this figure");
    if number(&kernel["spilled"]) > 0 {
        found.push(format!("spills {} registers", kernel["spilled"]));
    }
    if number(&kernel["waves_per_simd"]) < WAVES {
        found.push(format!(
            "{} waves per SIMD, {} registers, {} bytes of workgroup memory",
            kernel["waves_per_simd"], kernel["registers"], kernel["workgroup_bytes"]
        ));
    }
    let family = kernel["op"].as_str().expect("a name");
    let name = &kernel["kernel"];
    if MATRIX_LIKE.contains(&family)
        && multiplies_most(kernel, all).map(|k| &k["kernel"]) == Some(name)
    {
        let hot = &kernel["hot_loop"];
        let [ma, all] = ["multiply_adds", "instructions"].map(|f| hot[f].as_f64().unwrap_or(0.0));
        if ma < SHARE * all || all == 0.0 {
            found.push(format!(
                "{ma} multiply-adds of {all} instructions in the hot loop"
            ));
        }
    }
    found
}

#[test]
fn what_a_gpu_runs_by_default_neither_spills_nor_starves() {
    if !compiler_here() {
        return;
    }
    let mut bad = Vec::new();
    let mut known = Vec::new();
    for chip in CHIPS {
        for model in MODELS {
            let text = inspect(&["--json", "--target", chip, "--model", model]);
            let report: Value = serde_json::from_str(&text).expect("JSON");
            let kernels = report["kernels"].as_array().expect("a list");
            let there = |family: &str| kernels.iter().any(|k| k["op"] == family);
            assert!(
                MATRIX_LIKE.into_iter().filter(|f| there(f)).count() >= 5,
                "{model}"
            );
            for kernel in kernels {
                assert_eq!(kernel["default"], true, "{kernel}");
                for fault in faults(kernel, kernels) {
                    if let Some(name) = KNOWN.iter().find(|k| kernel["kernel"] == k.0) {
                        known.push(name.0);
                        continue;
                    }
                    bad.push(format!(
                        "{chip}, {model}: {} ({} {}, {}): {fault}",
                        kernel["kernel"], kernel["op"], kernel["rung"], kernel["problem"]
                    ));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    for (name, _) in KNOWN {
        assert!(
            known.contains(&name),
            "{name} keeps the rules: strike it off the list"
        );
    }
}

/// Stores of one register after the other to workgroup memory, always of the same one: how one invocation clears it.
fn longest_fill(listing: &[&str]) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, String::new());
    for line in listing {
        let code = line.trim();
        let Some((name, operands)) = code.split_once(char::is_whitespace) else {
            continue;
        };
        if !name.starts_with("ds_store") && !name.starts_with("ds_write") {
            continue;
        }
        let data = operands.split(';').next().unwrap_or("").split(',').nth(1);
        let data = data.unwrap_or("").split_whitespace().next().unwrap_or("");
        run = if data == last { run + 1 } else { 1 };
        last = data.to_owned();
        longest = longest.max(run);
    }
    longest
}

#[test]
fn no_invocation_clears_workgroup_memory() {
    if !compiler_here() {
        return;
    }
    for chip in CHIPS {
        let text = inspect(&["--all", "--isa=all", "--target", chip, "--model", "seed"]);
        let mut kernels: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in text.lines().skip(1) {
            match kernels.last_mut() {
                Some((_, code)) if line.starts_with("  ") => code.push(line),
                _ => kernels.push((line, Vec::new())),
            }
        }
        assert!(kernels.len() > 20, "{} kernels", kernels.len());
        let stores = |code: &[&str]| code.iter().any(|l| l.contains("\tds_"));
        assert!(kernels.iter().filter(|(_, c)| stores(c)).count() >= 5);
        for (name, code) in &kernels {
            let fill = longest_fill(code);
            assert!(
                fill < 8,
                "{chip}, {name}: {fill} stores of the same registers in a row"
            );
        }
    }
}

/// The search finds what naga makes of memory that is to be cleared, as RADV prints it.
#[test]
fn clearing_is_recognised() {
    let cleared: Vec<String> = (0..20)
        .map(|i| {
            format!(
                "  \tds_store_b128 v4, v[0:3] offset:{}      ; d97c0010 00000004",
                16 * i
            )
        })
        .collect();
    let lines: Vec<&str> = cleared.iter().map(String::as_str).collect();
    assert_eq!(longest_fill(&lines), 20);
    assert_eq!(
        longest_fill(&[
            "  \tds_write_b32 v4, v5",
            "  \tv_mov_b32 v5, 0",
            "  \tds_write_b32 v4, v6"
        ]),
        1
    );
}
