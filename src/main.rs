//! `bluefly`: the command line.
use std::process::ExitCode;

fn main() -> ExitCode {
    bluefly::cli::main(std::env::args_os().collect())
}
