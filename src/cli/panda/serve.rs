//! `bluefly panda serve`: a simulated PandA box on real sockets.
use crate::cli::{CliError, Format, Signals};
use bluefly_actors::{clock::Clock, system::real_system};
use bluefly_sim::panda::{Addresses, PandaServer, Waves};
use serde_json::json;
use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "INENC1 follows a sine of 100,000 counts in 10 s, INENC2 one of 20,000 counts in 4 s.\n\
                  Example: bluefly panda serve --listen 127.0.0.1:0:0"
)]
pub(crate) struct Arguments {
    /// Address, control port and data port; port 0 takes any that is free
    #[arg(long, value_name = "HOST:CTRL:DATA", default_value_t = Listen::DEFAULT)]
    listen: Listen,
    /// Encoders stay where they are
    #[arg(long)]
    still: bool,
    /// How the ports and errors are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Where both ports are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen {
    host: IpAddr,
    control: u16,
    data: u16,
}

impl Listen {
    /// The ports of a box.
    const DEFAULT: Self = Self { host: IpAddr::V4(Ipv4Addr::LOCALHOST), control: 8888, data: 8889 };
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, control, data } = self;
        match host {
            IpAddr::V4(host) => write!(f, "{host}:{control}:{data}"),
            IpAddr::V6(host) => write!(f, "[{host}]:{control}:{data}"),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text} is not HOST:CTRL:DATA, such as {}", Self::DEFAULT);
        let mut parts = text.rsplitn(3, ':');
        let mut port = || parts.next()?.parse::<u16>().ok();
        let (data, control) = (port(), port());
        let host = parts.next().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        let host = host.and_then(|host| match host {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok(),
        });
        let (Some(host), Some(control), Some(data)) = (host, control, data) else {
            return Err(expected());
        };
        if control == data && control != 0 {
            return Err(format!("{text} has the same port twice"));
        }
        Ok(Self { host, control, data })
    }
}

/// Serves until it is told to end; says where as the only line on standard output.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    real_system().block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> Result<(), CliError> {
    let clock = Clock::real();
    let mut signals = Signals::of_process();
    let Listen { host, control, data } = arguments.listen;
    let waves = if arguments.still { Waves::none() } else { Waves::demonstration() };
    let [control, data] = [control, data].map(|port| SocketAddr::new(host, port));
    let server = PandaServer::start(&clock, control, data, waves).map_err(|error| {
        let reason = format!("{}: {error}: choose another --listen", arguments.listen);
        CliError::failed("panda serve", reason)
    })?;
    let addresses = server.addresses();
    tracing::info!(control = %addresses.control, data = %addresses.data, "serving");
    tell(&addresses, arguments.format)?;
    signals.reach(1).await;
    tracing::info!("a signal: shutting down");
    server.stop().await;
    Ok(())
}

fn tell(addresses: &Addresses, format: Format) -> Result<(), CliError> {
    let Addresses { control, data } = addresses;
    let line = match format {
        Format::Text => format!("serving control on {control}, data on {data}"),
        Format::Json => json!({"control": control, "data": data}).to_string(),
    };
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|error| CliError::output(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_listen_is_read_or_named() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = text.parse::<Listen>().map(|listen| listen.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("127.0.0.1:8888:8889", Ok("127.0.0.1:8888:8889"));
        check("localhost:0:0", Ok("127.0.0.1:0:0"));
        check("[::1]:8888:8889", Ok("[::1]:8888:8889"));
        check("127.0.0.1:1:1", Err("127.0.0.1:1:1 has the same port twice"));
        let expected = |text| format!("{text} is not HOST:CTRL:DATA, such as 127.0.0.1:8888:8889");
        for text in ["", "127.0.0.1", "127.0.0.1:8888", "127.0.0.1:8888:99999", "here:1:2"] {
            check(text, Err(&expected(text)));
        }
    }
}
