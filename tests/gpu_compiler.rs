//! What a GPU runs by default, through a GPU's compiler: Mesa's RADV, which compiles for chips that are not there.

use serde_json::Value;
use std::process::Command;

/// RDNA 2 and RDNA 3.
const CHIPS: [&str; 2] = ["navi21", "gfx1100"];

/// A model of the repository that is not built in, with strides and windows that the others lack.
const DEEP: &str = "models/deep.toml";

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

/// How the sentence about too small a share ends.
const OF_HOT_LOOP: &str = "instructions in the hot loop";

/// Kernels whose hot loop may have fewer multiply-adds than [`SHARE`]: chip, kernel, and why that stands. All other rules hold for them too, and
/// one that keeps this one does not belong here.
const KNOWN: [(&str, &str, &str); 2] = [("navi21", FEW, READS), ("gfx1100", FEW, READS)];

/// The gradient of a first layer's weight has so little arithmetic per element of dy that reading dy is what takes time.
const FEW: &str = "conv2d/few_channels/backward_weight";
const READS: &str = "bound by memory: 62 instructions for each 5 bytes of dy and argmax, while a card moves those in the time of 85";

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
    // Arrays whose index is no constant live there, and count as no spill.
    let scratch = &kernel["statistics"]["Scratch size"];
    if scratch.as_f64().expect("RADV gives this figure") > 0.0 {
        found.push(format!("keeps {scratch} bytes of a subgroup in memory"));
    }
    let family = kernel["op"].as_str().expect("a name");
    let name = &kernel["kernel"];
    if MATRIX_LIKE.contains(&family)
        && multiplies_most(kernel, all).map(|k| &k["kernel"]) == Some(name)
    {
        let hot = &kernel["hot_loop"];
        let [ma, all] = ["multiply_adds", "instructions"].map(|f| hot[f].as_f64().unwrap_or(0.0));
        if ma < SHARE * all || all == 0.0 {
            found.push(format!("{ma} multiply-adds of {all} {OF_HOT_LOOP}"));
        }
    }
    found
}

/// What `inspect` says of a model's default kernels, or of every rung of `name`.
fn report(chip: &str, model: &str, name: Option<&str>) -> Value {
    let mut arguments = vec!["--json", "--target", chip, "--model", model];
    arguments.extend(name);
    serde_json::from_str(&inspect(&arguments)).expect("JSON")
}

/// The faults of a model's default kernels, each with the kernel's name.
fn faults_of_model(chip: &'static str, model: &str) -> Vec<(String, String)> {
    let report = report(chip, model, None);
    let kernels = report["kernels"].as_array().expect("a list");
    let there = |family: &&str| kernels.iter().any(|k| k["op"] == *family);
    assert!(
        MATRIX_LIKE.iter().filter(|f| there(f)).count() >= 5,
        "{model}"
    );
    let mut found = Vec::new();
    for kernel in kernels {
        assert_eq!(kernel["default"], true, "{kernel}");
        let name = kernel["kernel"].as_str().expect("a name");
        for fault in faults(kernel, kernels) {
            let place = format!(
                "{chip} ({}), {model}: {name} ({} {}, {}): {fault}",
                report["driver"], kernel["op"], kernel["rung"], kernel["problem"]
            );
            found.push((name.to_owned(), place));
        }
    }
    found
}

#[test]
fn what_a_gpu_runs_by_default_neither_spills_nor_starves() {
    if !compiler_here() {
        return;
    }
    let mut models = gtzan_gpu::nn::Model::built_in();
    models.push(DEEP);
    let of_chip = |chip: &'static str| -> Vec<(String, String)> {
        let all = models.iter().map(|model| faults_of_model(chip, model));
        all.flatten().collect()
    };
    let [first, second] = std::thread::scope(|s| {
        let threads = CHIPS.map(|chip| s.spawn(move || (chip, of_chip(chip))));
        threads.map(|t| t.join().expect("it ends"))
    });
    for (chip, found) in [first, second] {
        let known = |name: &str, place: &str| {
            place.ends_with(OF_HOT_LOOP) && KNOWN.iter().any(|k| (k.0, k.1) == (chip, name))
        };
        let bad = found.iter().filter(|(name, place)| !known(name, place));
        let bad: Vec<&str> = bad.map(|(_, place)| place.as_str()).collect();
        assert!(bad.is_empty(), "{}", bad.join("\n"));
        for (_, name, _) in KNOWN.iter().filter(|k| k.0 == chip) {
            assert!(
                found
                    .iter()
                    .any(|(n, place)| n == name && place.ends_with(OF_HOT_LOOP)),
                "{name} keeps the rule for {chip}: strike it off the list"
            );
        }
    }
}

/// The rules see what is wrong with a rung that no GPU runs by default, and with figures that are.
#[test]
fn a_kernel_that_breaks_a_rule_is_found() {
    if !compiler_here() {
        return;
    }
    let report = report("gfx1100", "small", Some("dense.forward"));
    let kernels = report["kernels"].as_array().expect("a list");
    let of = |name: &str| kernels.iter().find(|k| k["kernel"] == name).expect(name);
    let idle = faults(of("dense/naive/forward"), kernels).join(", ");
    assert!(idle.starts_with("1 multiply-adds of "), "{idle}");
    let mut product = of("dense/workgroup/product").clone();
    assert_eq!(faults(&product, kernels), [""; 0]);
    product["spilled"] = 3.into();
    product["waves_per_simd"] = 7.into();
    product["statistics"]["Scratch size"] = 20480.0.into();
    let starved = faults(&product, kernels);
    assert_eq!(starved[0], "spills 3 registers");
    assert!(starved[1].starts_with("7 waves per SIMD, "), "{starved:?}");
    assert_eq!(starved[2], "keeps 20480.0 bytes of a subgroup in memory");
}

/// The vector registers that an operand names: 4 to 7 for `v[4:7]`.
fn registers(operand: &str) -> Option<std::ops::RangeInclusive<u32>> {
    let name = operand.trim().strip_prefix('v')?;
    let (first, last) = match name.strip_prefix('[') {
        Some(range) => range.strip_suffix(']')?.split_once(':')?,
        None => (name, name),
    };
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// Stores to workgroup memory, one after the other, of registers that keep what they hold: how one invocation clears it.
fn longest_fill(listing: &[&str]) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, None);
    for line in listing {
        let code = line.split(';').next().unwrap_or("").trim();
        let Some((name, operands)) = code.split_once(char::is_whitespace) else {
            continue;
        };
        let mut operands = operands.split(',');
        if !name.starts_with("ds_store") && !name.starts_with("ds_write") {
            // Another value in the register is another thing to store.
            let written = operands.next().and_then(registers);
            if let (Some(written), Some(last)) = (written, &last)
                && written.start() <= std::ops::RangeInclusive::end(last)
                && written.end() >= std::ops::RangeInclusive::start(last)
            {
                run = 0;
            }
            continue;
        }
        let data = operands.nth(1).and_then(|d| d.split_whitespace().next());
        let data = data.and_then(registers);
        run = if data.is_some() && data == last {
            run + 1
        } else {
            1
        };
        last = data;
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
    // A register that is stored again and again, with another value each time; and one that keeps its own.
    let reused = |between: &'static str| {
        let lines = ["  \tds_write_b16 v16, v71 offset:136", between];
        longest_fill(&lines.repeat(10))
    };
    assert_eq!(reused("  \tv_cndmask_b32_e64 v71, 0, v9, s[20:21]"), 1);
    assert_eq!(
        reused("  \tbuffer_load_dwordx2 v[70:71], v9, s[0:3], 0 offen"),
        1
    );
    assert_eq!(reused("  \tv_add_nc_u32_e32 v16, 4, v16"), 10);
}
