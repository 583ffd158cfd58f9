//! Log lines: to standard error, for people or as JSON; and the trace of a simulation.
use crate::cli::CliError;
use bluefly_sim::trace::TraceLayer;
use clap::ValueEnum;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// How log lines are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    /// One JSON object per line, with the spans that it stands in.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub(crate) struct Logging {
    pub(crate) format: LogFormat,
    /// A level, or levels by module.
    pub(crate) filter: String,
}

impl Logging {
    /// Starts logging, and tracing if a layer for it is given; once per process.
    pub(crate) fn start(&self, trace: Option<TraceLayer>) -> Result<(), CliError> {
        let filter = EnvFilter::builder().parse(&self.filter).map_err(|error| {
            CliError::usage("--log", format!("{:?} is no filter: {error}", self.filter))
        })?;
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        let lines = match self.format {
            LogFormat::Text => lines.with_filter(filter).boxed(),
            LogFormat::Json => lines.json().with_span_list(true).with_filter(filter).boxed(),
        };
        let started = tracing_subscriber::registry().with(trace).with(lines).try_init();
        started.expect("nothing else has set the subscriber: this is called once");
        Ok(())
    }
}
