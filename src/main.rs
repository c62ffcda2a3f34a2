//! The program: parse arguments, call one command.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Mesa's device-select layer looks for a display and prints an error where there is none; adapters are ranked by this
    // program anyway. SAFETY: nothing else runs yet.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    let cli = gtzan_gpu::cli::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let what = match error.kind() {
                gtzan_gpu::ErrorKind::Interrupted => "",
                _ => "error: ",
            };
            let message = gtzan_gpu::text::printable_lines(&error.to_string());
            eprintln!("{what}{message}");
            ExitCode::from(error.exit_code())
        }
    }
}
