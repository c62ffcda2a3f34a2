//! The program: parse arguments, call one command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Mesa's device-select layer looks for a display and prints an error where there is none; adapters are ranked by this
    // program anyway. SAFETY: nothing else runs yet.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    ExitCode::from(gtzan_gpu::cli::Cli::main())
}
