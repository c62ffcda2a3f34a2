//! `gtzan-gpu devices`.

use super::{console, print_json};
use crate::error::Result;
use crate::gpu::{AdapterChoice, Described, describe_adapters};
use clap::Args;
use serde::Serialize;

/// Options of `devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    #[command(flatten)]
    device: super::DeviceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Adapter<'a> {
    #[serde(flatten)]
    described: &'a Described,
    /// Training would use this one.
    chosen: bool,
}

/// List the adapters and say which one would be used.
///
/// # Errors
/// When there is none, with what to install.
pub fn run(args: &DevicesArgs) -> Result<()> {
    let all = describe_adapters()?;
    if args.json {
        args.device.open()?;
        let names: Vec<String> = all.iter().map(|a| a.name.clone()).collect();
        let number = args.device.choice().among(&names);
        let adapters: Vec<Adapter> = all
            .iter()
            .enumerate()
            .map(|(i, described)| Adapter {
                described,
                chosen: number == Some(i),
            })
            .collect();
        return print_json(&adapters);
    }
    for (i, a) in all.iter().enumerate() {
        console::line(&format!(
            "{i}: {} ({}, {}, driver {})",
            a.name, a.kind, a.backend, a.driver
        ));
        console::line(&format!(
            "   buffers up to {}, bindings up to {}, {} storage buffers per kernel",
            crate::report::bytes(a.max_buffer_bytes),
            crate::report::bytes(a.max_binding_bytes),
            a.max_storage_buffers
        ));
        console::line(&format!(
            "   workgroups of up to {} invocations with {} of memory, subgroups of {}, f16 {}, matrix units {}, timestamps {}",
            a.max_invocations,
            crate::report::bytes(u64::from(a.max_workgroup_memory)),
            a.subgroups,
            if a.f16 { "yes" } else { "no" },
            if a.cooperative { "yes" } else { "no" },
            if a.timestamps { "yes" } else { "no" },
        ));
    }
    // After the list, from which another can be chosen if this one can't be opened.
    let chosen = args.device.open()?;
    let why = match args.device.choice() {
        AdapterChoice::Best => "GPUs come before software adapters",
        _ => "as asked for with --device or GTZAN_GPU_DEVICE",
    };
    console::line(&format!("training would use {} ({why})", chosen.name()));
    if let Some(text) = chosen.software_note() {
        console::line(&text);
    }
    Ok(())
}
