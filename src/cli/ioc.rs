//! `bluefly ioc`: the simulated devices of a beamline as Channel Access PVs.
use super::{CliError, Format, Signals};
use crate::{
    beamline_file,
    process::{self, DiskChoice},
    sim_disk::IocDisk,
};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    signal::{Metadata, NativeType},
    storage::StorageClient,
    supervise::Schedule,
    system::real_system,
};
use bluefly_protocol::{
    beamline::BeamlineSpec,
    channel_access::{REPEATER_PORT, SERVER_PORT},
};
use bluefly_sim::{
    Latency, World,
    ioc::{Addresses, CaServer, Directory, Settings, add_static_records},
    sink::FrameSink,
};
use serde_json::json;
use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    rc::Rc,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It serves at 127.0.0.1:PORT, which [ca] of a beamline file has as address_list = \
                  [\"127.0.0.1:PORT\"]; other clients find\nit with EPICS_CA_ADDR_LIST=127.0.0.1:PORT and \
                  EPICS_CA_AUTO_ADDR_LIST=NO.\nExample: bluefly ioc etc/epics.toml --port 5064"
)]
pub(crate) struct Arguments {
    /// The beamline file; devices at `ca://X` and `sim://X` are served as PVs X
    #[arg(value_name = "BEAMLINE.toml")]
    beamline: PathBuf,
    /// UDP and TCP port; circuits take another TCP port if it is not free. 0 takes any that is free
    #[arg(long, value_name = "PORT", env = "EPICS_CA_SERVER_PORT", value_parser = port, default_value_t = SERVER_PORT)]
    port: u16,
    /// UDP port of the repeater of this machine, which tells clients of beacons
    #[arg(long, value_name = "PORT", env = "EPICS_CA_REPEATER_PORT", default_value_t = REPEATER_PORT)]
    repeater_port: u16,
    /// Address to listen on, without a port
    #[arg(long, value_name = "IP", value_parser = address, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print every PV with its type, its elements and whether it can be written, and end; as JSON with
    /// unit, decimal places and choices as well, one a line
    #[arg(long)]
    list: bool,
    /// How that list and errors are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Clients take a lower port for a mistake, and ask at 5064.
fn port(text: &str) -> Result<u16, &'static str> {
    let port = text.parse().ok().filter(|port| *port == 0 || *port > 5_000);
    port.ok_or("expected a port, 5001 to 65535, or 0")
}

fn address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse()
        .map_err(|_| "expected the IP address of this machine, such as 127.0.0.1; see --port")
}

/// Serves until it is told to end; says how many PVs and where as the only line on standard output.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let spec = beamline_file::read(&arguments.beamline)?;
    let system = real_system();
    let ended = system.block_on(serve(&spec, arguments));
    // To drop it would wait for threads that a file system may hold for ever.
    std::mem::forget(system);
    ended
}

async fn serve(spec: &BeamlineSpec, arguments: &Arguments) -> Result<(), CliError> {
    let clock = Clock::real();
    let mut signals = Signals::of_process();
    let storage = process::storage(spec, &clock, DiskChoice::Hdf5)
        .map_err(|error| CliError::not_started(&error))?;
    let ended = serve_world(spec, arguments, &clock, &storage, &mut signals).await;
    // Files that detectors have open are closed and can be read.
    storage.shutdown().await;
    tracing::info!("stopped");
    ended
}

async fn serve_world(
    spec: &BeamlineSpec,
    arguments: &Arguments,
    clock: &Clock,
    storage: &StorageClient,
    signals: &mut Signals,
) -> Result<(), CliError> {
    let sink: Rc<dyn FrameSink> = Rc::new(IocDisk::new(storage.clone()));
    let config = process::world_config(spec, Latency::default(), Schedule::Fifo);
    let world = World::new(&config, clock, Seed(arguments.seed), &sink);
    let directory = Directory::of_world(&world).await;
    let directory = directory.map_err(|error| CliError::failed("ioc", error.to_string()))?;
    add_static_records(&directory);
    let pvs = directory.list();
    if arguments.list {
        return print(|out| list(out, &pvs, arguments.format));
    }
    let listen = SocketAddr::new(arguments.listen, arguments.port);
    let repeater = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.repeater_port));
    let settings = Settings { beacons_to: Some(repeater), ..Settings::new(listen) };
    let server = CaServer::start(&Rc::new(directory), clock, &settings);
    let server = server.map_err(|error| {
        let reason = format!("{listen}: {error}: choose another --port");
        CliError::failed("ioc", reason)
    })?;
    let Addresses { search, circuits } = server.addresses();
    tracing::info!(beamline = %spec.name, %search, %circuits, pvs = pvs.len(), "serving");
    print(|out| writeln!(out, "serving {} PVs on {search}", pvs.len()))?;
    signals.reach(1).await;
    tracing::info!("a signal: shutting down");
    server.stop().await;
    Ok(())
}

fn print(write: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    write(&mut out).and_then(|()| out.flush()).map_err(|error| CliError::output(&error))
}

fn list(
    out: &mut impl io::Write,
    pvs: &[(String, Rc<Metadata>)],
    format: Format,
) -> io::Result<()> {
    match format {
        Format::Text => pvs.iter().try_for_each(|(name, metadata)| {
            let access = if metadata.access.write { "rw" } else { "r" };
            let native = type_name(metadata.native);
            writeln!(out, "{name:<40} {native:<6} {:>8} {access}", metadata.max_count)
        }),
        Format::Json => pvs.iter().try_for_each(|(name, metadata)| {
            let line = json!({
                "name": name,
                "type": type_name(metadata.native),
                "count": metadata.max_count,
                "write": metadata.access.write,
                "units": metadata.units,
                "precision": metadata.precision,
                "choices": metadata.choices,
            });
            writeln!(out, "{line}")
        }),
    }
}

/// As clients of Channel Access call it.
const fn type_name(native: NativeType) -> &'static str {
    match native {
        NativeType::String => "STRING",
        NativeType::Short => "SHORT",
        NativeType::Float => "FLOAT",
        NativeType::Enum => "ENUM",
        NativeType::Char => "CHAR",
        NativeType::Long => "LONG",
        NativeType::Double => "DOUBLE",
    }
}
