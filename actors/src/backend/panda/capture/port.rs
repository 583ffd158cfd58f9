//! [`DataPort`]: where rows of a PandA are captured from, over a socket or within the process.
use super::{CaptureError, CaptureHandle, Settings};
use crate::{
    backend::panda::{connect_data, control::Dial},
    clock::Clock,
    storage::StorageClient,
};
use bluefly_protocol::panda::Address;
use futures_util::future::LocalBoxFuture;
use std::{
    io::{self, ErrorKind},
    rc::Rc,
    time::Duration,
};
use tokio::io::AsyncWriteExt as _;

/// A capture on its way.
pub type Starting = LocalBoxFuture<'static, Result<CaptureHandle, CaptureError>>;

/// Makes connections to one data port.
pub trait DataPort {
    /// Connects and sends the request, within a time of its own.
    fn start(&self, settings: Settings, storage: StorageClient) -> Starting;
}

/// Connects by TCP, and reads on a thread of its own.
#[derive(Clone, Debug)]
pub struct TcpDataPort {
    pub address: Address,
    pub within: Duration,
    pub clock: Clock,
}

/// Dials, and reads by a task.
#[derive(Clone)]
pub struct WireDataPort {
    pub dial: Rc<dyn Dial>,
    pub within: Duration,
    pub clock: Clock,
}

impl DataPort for TcpDataPort {
    fn start(&self, settings: Settings, storage: StorageClient) -> Starting {
        let Self { address, within, clock } = self.clone();
        Box::pin(async move {
            let peer = format!("{}:{}", address.host, address.data_port);
            let request = settings.request;
            let connect = move || connect_data(&address, request, within);
            // A name may be looked up for longer than a connection takes.
            let socket = match clock.timeout(within, clock.foreign(connect)).await {
                Ok(connected) => connected.map_err(|fault| fault.source),
                Err(_) => Err(ErrorKind::TimedOut.into()),
            };
            let socket = socket.map_err(|source| CaptureError::Connect { peer, source })?;
            CaptureHandle::on_thread(socket, settings, storage)
        })
    }
}

impl DataPort for WireDataPort {
    fn start(&self, settings: Settings, storage: StorageClient) -> Starting {
        let Self { dial, within, clock } = self.clone();
        Box::pin(async move {
            let request = format!("{}\n", settings.request);
            let connect = async {
                let mut wire = dial.dial().await?;
                wire.write_all(request.as_bytes()).await?;
                Ok::<_, io::Error>(wire)
            };
            let connected = clock.timeout(within, connect).await;
            let wire = connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
            let wire =
                wire.map_err(|source| CaptureError::Connect { peer: dial.peer(), source })?;
            Ok(CaptureHandle::on_wire(wire, settings, storage))
        })
    }
}
