//! Log lines: to standard error, for people or as JSON.
use crate::cli::CliError;
use clap::ValueEnum;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// How log lines are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    /// One JSON object per line, with the spans that it stands in.
    Json,
}

/// Starts logging what `filter` lets through; once per process.
pub(crate) fn init(format: LogFormat, filter: &str) -> Result<(), CliError> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| CliError::usage("--log", format!("{filter:?} is no filter: {error}")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().with_span_list(true).try_init(),
    };
    started.expect("nothing else has set the subscriber: main calls this once");
    Ok(())
}
