//! `bluefly`: the command line, and the place where a beamline is put together.
mod beamline_file;
mod cli;
mod logging;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os().collect())
}
