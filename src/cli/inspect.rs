//! `gtzan-gpu inspect`.

use super::{console, print_json, values};
use crate::bench;
use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, describe_adapters};
use crate::inspect::assembly::Count;
use crate::inspect::{Inspector, Kernels, Row, of_cases, of_model, radv};
use crate::nn::Model;
use crate::ops::Choices;
use crate::train::{now, utc};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::process::Stdio;

/// Options of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gtzan-gpu inspect                            the kernels that this GPU runs in a training step of seed
  gtzan-gpu inspect --target gfx1100           the same for a Radeon RX 7900, which need not be there
  gtzan-gpu inspect conv2d --target navi21     every rung of an op
  gtzan-gpu inspect workgroup/forward --isa --target gfx1100
  gtzan-gpu inspect workgroup/forward --against registers/forward --target gfx1100")]
pub struct InspectArgs {
    /// An op, a family such as conv2d.forward, or a part of a kernel's name: every rung of it [default: all that runs by default]
    #[arg(value_name = "OP|KERNEL")]
    name: Option<String>,
    /// Compile for this chip with Mesa's RADV, whatever GPU is here: gfx1100, navi21, …
    #[arg(long, value_name = "CHIP")]
    target: Option<String>,
    /// seed, notebook, small, demo, strong, or a TOML file of layers
    #[arg(long, default_value = "seed")]
    model: String,
    /// Samples per step
    #[arg(long, default_value_t = 8, value_parser = values::batch_size())]
    batch_size: usize,
    /// Instead of a model's problems, those of the op's cases whose name contains this
    #[arg(long, value_name = "PART", requires = "name", conflicts_with_all = ["model", "batch_size"])]
    case: Option<String>,
    /// Every rung, not only what runs by default
    #[arg(long)]
    all: bool,
    /// Print the assembly of the hot loop, or all of it
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "hot", conflicts_with = "json")]
    isa: Option<Isa>,
    /// Put this kernel beside the first
    #[arg(
        long,
        value_name = "KERNEL",
        requires = "name",
        conflicts_with = "json"
    )]
    against: Option<String>,
    #[command(flatten)]
    shaders: super::shaders::WatchArgs,
    #[command(flatten)]
    device: super::DeviceArgs,
    /// Print a table in Markdown
    #[arg(long, conflicts_with_all = ["json", "isa", "against"])]
    markdown: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How much assembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Isa {
    /// The hot loop.
    Hot,
    /// The whole kernel.
    All,
}

#[derive(Serialize)]
struct Report<'a> {
    target: &'a str,
    driver: &'a str,
    model: Option<&'a str>,
    batch_size: Option<usize>,
    kernels: &'a [Row],
}

impl InspectArgs {
    /// Refuse options that others leave without effect.
    pub fn check(&self) -> Result<()> {
        if self.target.is_some() {
            self.device
                .refuse("with --target, which compiles without a GPU")?;
        }
        Ok(())
    }
}

/// Compile and print.
///
/// # Errors
/// When there is no compiler to ask, an unknown name, or a kernel that does not compile.
pub fn run(args: &InspectArgs) -> Result<()> {
    if args.shaders.apply()? {
        return Ok(());
    }
    let inspector = open(args)?;
    let found = collect(args, &inspector)?;
    let pick = |name: &str| -> Result<Vec<Row>> { rows(&inspector, found.clone().named(name)?) };
    if let (Some(name), Some(other)) = (&args.name, &args.against) {
        return side_by_side(&inspector, &pick(name)?, &pick(other)?, args.isa);
    }
    let rows = match &args.name {
        Some(name) if args.case.is_none() => pick(name)?,
        _ => rows(&inspector, found)?,
    };
    if args.json {
        let model = args.case.is_none();
        return print_json(&Report {
            target: inspector.target(),
            driver: inspector.driver(),
            model: model.then_some(args.model.as_str()),
            batch_size: model.then_some(args.batch_size),
            kernels: &rows,
        });
    }
    if args.markdown {
        markdown(args, &inspector, &rows);
        return Ok(());
    }
    console::line(&title(&inspector));
    match args.isa {
        None => table(&rows),
        Some(isa) => rows.iter().for_each(|r| listing(r, isa)),
    }
    Ok(())
}

/// Set the environment for the target, then load Vulkan.
fn open(args: &InspectArgs) -> Result<Inspector> {
    if let Some(chip) = &args.target {
        let variables = radv::environment(chip)?;
        // RADV aborts the process at a chip that it does not know; so another one tries first. (At one that it knows, that process
        // still reports failure, since a device without hardware can't be opened for work: only a signal counts.)
        let tried = std::env::current_exe().and_then(|program| {
            std::process::Command::new(program)
                .arg("devices")
                .envs(variables.iter().map(|(k, v)| (*k, v)))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
        });
        if tried.is_ok_and(|status| status.code().is_none()) {
            return Err(radv::unknown(chip));
        }
        for (name, value) in variables {
            // SAFETY: this is the program's one thread so far: arguments are parsed, nothing else has run.
            unsafe { std::env::set_var(name, value) };
        }
        return Inspector::open(Some(chip), None);
    }
    let name = match args.device.choice() {
        AdapterChoice::Best => None,
        AdapterChoice::Name(part) => Some(part),
        AdapterChoice::Index(i) => {
            let all = describe_adapters()?;
            let found = all.into_iter().nth(i);
            let name = found.map(|a| a.name);
            Some(name.ok_or_else(|| {
                Error::usage(format!("there is no adapter {i}; see `gtzan-gpu devices`"))
            })?)
        }
    };
    Inspector::open(None, name.as_deref())
}

fn collect(args: &InspectArgs, inspector: &Inspector) -> Result<Kernels> {
    let every = args.all || args.name.is_some();
    match (&args.name, &args.case) {
        (Some(op), Some(part)) => of_cases(op, part, inspector.capabilities(), every),
        _ => {
            let model = Model::load(&args.model)?;
            let graph = bench::graph(args.batch_size);
            let choices = Choices::default();
            bench::check_step(&model, args.batch_size, inspector.capabilities(), &choices)?;
            of_model(&model, &graph, inspector.capabilities(), every)
        }
    }
}

fn rows(inspector: &Inspector, kernels: Kernels) -> Result<Vec<Row>> {
    console::with_bar("compiling", |bar| {
        let total = kernels.0.len();
        let numbered = kernels.0.iter().enumerate();
        numbered
            .map(|(i, k)| {
                bar(i, total);
                inspector.inspect(k)
            })
            .collect()
    })
}

fn title(inspector: &Inspector) -> String {
    format!("{} ({})", inspector.target(), inspector.driver())
}

/// The figures of a row, under their names; `-` for one that the driver does not give.
fn figures(r: &Row) -> Vec<(&'static str, String)> {
    let number = |v: Option<u64>| v.map_or("-".to_owned(), |v| v.to_string());
    let share = |c: Option<Count>| {
        c.map_or("-".to_owned(), |c| {
            format!(
                "{}/{} {:.0}%",
                c.multiply_adds,
                c.instructions,
                100.0 * c.share()
            )
        })
    };
    let per = |bytes: fn(&Count) -> usize| {
        let whole = r.contraction_loop.filter(|c| c.multiply_adds > 0);
        whole.map_or("-".to_owned(), |c| {
            format!("{:.2}", bytes(&c) as f64 / c.multiply_adds as f64)
        })
    };
    // With loops inside it, how often each part runs is not known.
    let inner = r.inner_loops.unwrap_or(0) > 0;
    let whole = share(r.contraction_loop) + if inner { "*" } else { "" };
    vec![
        ("registers", number(r.registers)),
        ("spilled", number(r.spilled)),
        ("wg bytes", number(r.workgroup_bytes)),
        ("waves", number(r.waves_per_simd)),
        ("code", number(r.code_bytes)),
        ("instr.", number(r.instructions)),
        ("hot loop: ma/all", share(r.hot_loop)),
        ("whole loop: ma/all", whole),
        ("wg B/ma", per(|c| c.workgroup_bytes)),
        ("mem B/ma", per(|c| c.memory_bytes)),
    ]
}

fn cell(name: &str, text: &str) -> String {
    format!("{text:>width$}", width = name.len().max(5) + 2)
}

/// What the columns mean.
const LEGEND: &str = "ma: multiply-adds. hot loop: the block in a loop with the most of them. whole loop: the outermost one around it, with its \
         loads and barriers (*: it has loops inside, and counts each instruction once). B/ma: bytes per multiply-add that an \
         invocation loads there from workgroup memory, from memory. -: the driver does not say.";

/// One line per kernel, and what the columns mean.
fn table(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    let names: String = figures(first).iter().map(|(n, _)| cell(n, n)).collect();
    console::line(&format!("{:<42}{:<8}{names}", "kernel", ""));
    let mut op = None;
    for r in rows {
        let of = (r.op.as_str(), r.rung);
        if op != Some(of) {
            let rung = r.rung.map_or(String::new(), |r| format!(": {r}"));
            console::line(&format!("{}{rung}", r.op));
            op = Some(of);
        }
        let cells: String = figures(r).iter().map(|(n, t)| cell(n, t)).collect();
        let default = if r.default { "default" } else { "" };
        console::line(&format!("  {:<40}{default:<8}{cells}", r.kernel));
        let all = r.problem.iter().chain(&r.more_problems);
        all.for_each(|p| console::line(&format!("    {p}")));
    }
    console::line(LEGEND);
}

/// The same for a document: who says so, of what, when, by which command.
fn markdown(args: &InspectArgs, inspector: &Inspector, rows: &[Row]) {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let of = match &args.case {
        Some(case) => format!("cases with '{case}' in their name"),
        None => format!("`{}` at batch {}", args.model, args.batch_size),
    };
    let now = utc(now());
    let day = now.split(' ').next().unwrap_or(&now);
    console::line(&format!(
        "{}; {of}; {day}; `gtzan-gpu {}`\n",
        title(inspector),
        words.join(" ")
    ));
    let Some(first) = rows.first() else { return };
    let names: Vec<&str> = figures(first).iter().map(|(n, _)| *n).collect();
    let right = "--:|".repeat(names.len());
    console::line(&format!("| kernel | for | {} |", names.join(" | ")));
    console::line(&format!("|---|---|{right}"));
    for (i, r) in rows.iter().enumerate() {
        let cells: Vec<String> = figures(r).into_iter().map(|(_, text)| text).collect();
        let line = |r: &Row| format!("| `{}` | {} |", r.kernel, r.op);
        // Constants may differ where nothing that is shown does.
        let told = |o: &Row| line(o) == line(r) && figures(o) == figures(r);
        if !rows[..i].iter().any(told) {
            console::line(&format!("{} {} |", line(r), cells.join(" | ")));
        }
    }
    console::line(&format!("\n{LEGEND}"));
}

fn listing(r: &Row, isa: Isa) {
    let rung = r.rung.map_or(String::new(), |r| format!(", {r}"));
    let problem = r
        .problem
        .as_ref()
        .map_or(String::new(), |p| format!(", {p}"));
    console::line(&format!("{} ({}{rung}{problem})", r.kernel, r.op));
    let lines = r.listing(isa == Isa::All);
    if lines.is_empty() {
        console::line("  the driver gives no assembly with a loop that multiplies and adds");
    }
    lines.iter().for_each(|l| console::line(&format!("  {l}")));
}

/// Two kernels, figure by figure.
fn side_by_side(inspector: &Inspector, a: &[Row], b: &[Row], isa: Option<Isa>) -> Result<()> {
    let (Some(a), Some(b)) = (a.first(), b.first()) else {
        return Err(Error::usage("there is nothing to compare"));
    };
    console::line(&title(inspector));
    let width = a.kernel.len().max(b.kernel.len()).max(20) + 2;
    let row = |name: &str, a: &str, b: &str| {
        console::line(&format!("{name:<20}{a:>width$}{b:>width$}"));
    };
    row("", a.kernel, b.kernel);
    for ((name, x), (_, y)) in figures(a).iter().zip(&figures(b)) {
        row(name, x, y);
    }
    if let Some(isa) = isa {
        let (x, y) = (a.listing(isa == Isa::All), b.listing(isa == Isa::All));
        let longest = x.iter().map(|l| l.len()).max().unwrap_or(0) + 2;
        for i in 0..x.len().max(y.len()) {
            let line = |l: &[&str]| l.get(i).copied().unwrap_or("").to_owned();
            console::line(&format!("{:<longest$}{}", line(&x), line(&y)));
        }
    }
    Ok(())
}
