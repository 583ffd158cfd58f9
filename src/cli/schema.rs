//! `bluefly schema`: what a scan specification may be.
use super::CliError;
use bluefly_protocol::scan::SCHEMA;
use std::io::{self, Write as _};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bluefly schema > scan.schema.json")]
pub(crate) struct Arguments {}

/// Prints the schema.
pub(crate) fn run(Arguments {}: &Arguments) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    let written = out.write_all(SCHEMA.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| CliError::output(&error))
}
