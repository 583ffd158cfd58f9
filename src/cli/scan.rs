//! `bluefly scan`: one run without a server.
use super::{
    CliError, Format,
    fly::{self, Job, Pace},
    points,
};
use crate::{beamline_file, hardware::Wiring, logging::Logging};
use serde_json::json;
use std::{
    io::{self, Write as _},
    path::PathBuf,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: bluefly scan etc/demo.json --beamline etc/sim.toml --sim --fast --out data"
)]
pub(crate) struct Arguments {
    /// The scan specification; `-` reads standard input
    #[arg(value_name = "SPEC.json")]
    spec: PathBuf,
    /// The beamline file
    #[arg(long, value_name = "FILE")]
    beamline: PathBuf,
    /// Directory for documents and data; that of the beamline file if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Simulate every device, whatever its provider
    #[arg(long)]
    sim: bool,
    /// With --sim: simulate time as well, as fast as it can be computed. Ctrl-C ends the process
    #[arg(long, requires = "sim")]
    fast: bool,
    /// Seed of all random numbers: one seed, one trace
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How the summary and errors are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// With --fast: write what happened, line by line in simulated time, to a file
    #[arg(long, value_name = "FILE", requires = "fast")]
    trace: Option<PathBuf>,
}

/// Flies the scan and tells where its files are.
pub(crate) fn run(arguments: &Arguments, log: &Logging) -> Result<(), CliError> {
    let (spec, _) = points::read(&arguments.spec)?;
    let beamline = beamline_file::read(&arguments.beamline)?;
    let wiring = if arguments.sim {
        Wiring::Simulated
    } else {
        Wiring::as_written(&beamline, &arguments.beamline)?
    };
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(&beamline.data.directory));
    let job = Job {
        spec,
        spec_name: points::named(&arguments.spec),
        beamline,
        wiring,
        out,
        pace: if arguments.fast { Pace::Fast } else { Pace::Real },
        seed: arguments.seed,
        trace: arguments.trace.clone(),
    };
    let landed = fly::fly(job, log)?;
    if arguments.format == Format::Json {
        let summary = json!({
            "frames": landed.frames,
            "documents": landed.documents,
            "master": landed.master,
            "seed": landed.seed,
        });
        let written = writeln!(io::stdout(), "{summary}");
        return written.map_err(|error| CliError::output(&error));
    }
    let text = format!(
        "{} frames\ndocuments {}\nmaster    {}\nseed      {}\n",
        landed.frames,
        landed.documents.display(),
        landed.master.display(),
        landed.seed
    );
    io::stdout().write_all(text.as_bytes()).map_err(|error| CliError::output(&error))
}
