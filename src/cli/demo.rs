//! `bluefly demo`: the example scan on the simulated beamline, in real time.
use super::{
    CliError,
    fly::{self, Job, Pace},
};
use crate::{beamline_file, hardware::Wiring, logging::Logging};
use std::{
    io::{self, Write as _},
    path::PathBuf,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bluefly demo --out /tmp/demo")]
pub(crate) struct Arguments {
    /// Directory for documents and data
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    out: PathBuf,
}

const BEAMLINE: &str = include_str!("../../etc/sim.toml");
const SPEC: &str = include_str!("../../etc/demo.json");

/// Flies the example scan and tells how to look at what it left.
pub(crate) fn run(arguments: &Arguments, log: &Logging) -> Result<(), CliError> {
    let spec_name = "etc/demo.json".to_owned();
    let spec = SPEC.parse().map_err(|error: bluefly_protocol::scan::SpecError| {
        CliError::input(spec_name.clone(), error.to_string())
    })?;
    let beamline = beamline_file::read_text("etc/sim.toml", BEAMLINE)?;
    say(
        "Flying etc/demo.json, a snaked grid of 16 x 100 frames, on the simulated beamline etc/sim.toml.\n",
    )?;
    let out = arguments.out.clone();
    let (wiring, pace) = (Wiring::Simulated, Pace::Real);
    let job = Job { spec, spec_name, beamline, wiring, out, pace, seed: None, trace: None };
    let landed = fly::fly(job, log)?;
    let (master, documents) = (landed.master.display(), landed.documents.display());
    say(&format!(
        "
{frames} frames are in files beside
  {master}
and announced in
  {documents}

Look at them (docs/data.md tells more):
  .venv/bin/python -c 'import h5py, sys; f = h5py.File(sys.argv[1]); \
print(f[\"entry/camera/data\"], f[\"entry/scan/x_set\"][:5])' {master}
While a scan runs, open a stream file (.h5) with h5py.File(path, swmr=True).
",
        frames = landed.frames,
    ))
}

fn say(text: &str) -> Result<(), CliError> {
    io::stdout().write_all(text.as_bytes()).map_err(|error| CliError::output(&error))
}
