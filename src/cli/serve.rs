//! `bluefly serve`: the process of a beamline.
use super::{CliError, Format};
use crate::{
    beamline_file,
    hardware::Wiring,
    serve::{self, Address, Job},
};
use bluefly_protocol::beamline::ApiSpec;
use serde_json::json;
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "SIGINT, SIGTERM and SIGHUP end the run under way in order, then the process. A \
                  second one does not wait for that: the hardware is made safe at once.\n\
                  Example: bluefly serve etc/sim.toml --sim --out data"
)]
pub(crate) struct Arguments {
    /// The beamline file
    #[arg(value_name = "BEAMLINE.toml")]
    beamline: PathBuf,
    /// Simulate every device, whatever its provider
    #[arg(long)]
    sim: bool,
    /// Address and port; that of the beamline file if not given. Port 0 takes any that is free
    #[arg(long, value_name = "ADDR", value_parser = ApiSpec::address)]
    listen: Option<SocketAddr>,
    /// Seed of all random numbers
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Directory for documents and data; that of the beamline file if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How the address and errors are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Serves until it is told to end; tells its address as the only line on standard output.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let mut beamline = beamline_file::read(&arguments.beamline)?;
    let wiring = if arguments.sim {
        Wiring::Simulated
    } else {
        Wiring::as_written(&beamline, &arguments.beamline)?
    };
    if let Some(listen) = arguments.listen {
        beamline.api.listen = listen;
        if let Some(rule) = beamline.api.lacks_token() {
            let key = "api.token_file of the beamline file";
            return Err(CliError::usage("--listen", format!("{rule}: set {key}")));
        }
    }
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(&beamline.data.directory));
    let job = Job { beamline, wiring, out, seed: arguments.seed };
    serve::serve(&job, |address| tell(address, arguments.format))
}

/// To serve is worth something also if nobody hears of it.
fn tell(address: &Address, format: Format) {
    let url = format!("{}://{}", address.scheme, address.socket);
    let line = match format {
        Format::Text => format!("listening on {url}\n"),
        Format::Json => format!("{}\n", json!({"listening": url})),
    };
    let mut out = io::stdout();
    if let Err(error) = out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "the address could not be told on standard output");
    }
}
