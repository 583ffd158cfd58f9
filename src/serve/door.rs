//! [`Door`]: where clients come in.
use super::secret;
use crate::{cli::CliError, process::Doors};
use bluefly_actors::front::http::{HttpConfig, HttpServer, Limits, Rate, Token};
use bluefly_protocol::beamline::ApiSpec;
use std::{
    io,
    net::{SocketAddr, TcpListener},
};

/// A port that is listened on already, and whom it will be opened for.
pub(super) struct Door {
    listener: TcpListener,
    pub(super) address: Address,
    config: HttpConfig,
}

/// Where clients find the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) socket: SocketAddr,
    pub(crate) scheme: &'static str,
}

impl Door {
    /// Fails if a secret cannot be used, or the address cannot be listened on.
    pub(super) fn new(api: &ApiSpec) -> Result<Self, CliError> {
        let config = config(api)?;
        let listen = || -> io::Result<_> {
            let listener = TcpListener::bind(api.listen)?;
            let socket = listener.local_addr()?;
            Ok((listener, socket))
        };
        let (listener, socket) = listen().map_err(|error| {
            CliError::failed(api.listen.to_string(), format!("cannot listen there: {error}"))
        })?;
        let scheme = if api.tls.is_some() { "https" } else { "http" };
        if api.tls.is_none() && !socket.ip().is_loopback() {
            tracing::warn!(%socket, "whoever listens on the network reads the token: no TLS");
        }
        Ok(Self { listener, address: Address { socket, scheme }, config })
    }

    /// What makes the branch of the tree that serves clients.
    pub(super) fn doors(self) -> Doors {
        let Self { listener, config, .. } = self;
        Box::new(move |desk| HttpServer::branch(desk, listener, config))
    }
}

fn config(api: &ApiSpec) -> Result<HttpConfig, CliError> {
    let token = api.token_file.as_deref().map(secret::token).transpose()?;
    let per_second = f64::from(api.max_requests_per_s);
    let rate = Rate { burst: api.max_requests_per_s.saturating_mul(2), per_second };
    let limits = Limits {
        workers: api.workers,
        max_connections: api.max_clients,
        max_body_bytes: api.max_body_bytes,
        rate: Some(rate),
        ..Limits::default()
    };
    let names = api.allowed_hosts.clone();
    let token = token.as_deref().map(Token::new);
    with_tls(HttpConfig { token, names, limits, ..HttpConfig::default() }, api)
}

#[cfg(feature = "tls")]
fn with_tls(config: HttpConfig, api: &ApiSpec) -> Result<HttpConfig, CliError> {
    let tls = api.tls.as_ref().map(super::tls::config).transpose()?;
    Ok(HttpConfig { tls, ..config })
}

#[cfg(not(feature = "tls"))]
fn with_tls(config: HttpConfig, api: &ApiSpec) -> Result<HttpConfig, CliError> {
    match &api.tls {
        None => Ok(config),
        Some(_) => {
            let reason = "this program was built without the feature tls";
            Err(CliError::input("api.tls_certificate", reason))
        }
    }
}
