//! [`PvChannel`]: one PV as a signal of one kind.
use super::{
    convert::{self, Plan},
    hub::{Handle, Hub},
    state::{Link, Observed, Waiter},
};
use crate::{
    backend::channel_access::{Command, Payload, Status},
    signal::{
        Absence, Backlog, Channel, Kind, LocalFuture, Metadata, Monitor, Reading, Settle,
        SignalError, Value, monitor,
    },
};
use futures_util::future::{Either, select};
use std::{pin::pin, rc::Rc, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

#[derive(Clone)]
pub(super) struct PvChannel {
    handle: Rc<Handle>,
    address: Rc<str>,
    kind: Kind,
}

/// Resolves once the PV is there and has said what it is.
pub(super) async fn connect(
    hub: &Rc<Hub>,
    address: Rc<str>,
    kind: Kind,
) -> Result<PvChannel, SignalError> {
    let unknown = || SignalError::Unknown { signal: address.to_string() };
    let handle = hub.handle(&address).ok_or_else(unknown)?;
    let channel = PvChannel { handle, address: Rc::clone(&address), kind };
    loop {
        if let Ok(metadata) = channel.present() {
            convert::plan(&address, kind, &metadata)?;
            convert::within_limit(&address, kind, &metadata, hub.array_limit)?;
            return Ok(channel);
        }
        channel.may_connect()?;
        channel.changed().await;
    }
}

impl PvChannel {
    fn may_connect(&self) -> Result<(), SignalError> {
        let state = self.handle.hub.state.borrow();
        match state.pvs.get(&self.handle.channel).and_then(|pv| pv.failed) {
            Some(status) => {
                let found = format!("a name or type that cannot be used: {status}");
                Err(SignalError::WrongRecord { signal: self.signal(), expected: self.kind, found })
            }
            None => Ok(()),
        }
    }

    /// Resolves once the PV is to be looked at again.
    async fn changed(&self) {
        let (tell, told) = oneshot::channel();
        self.handle.hub.change(|state| {
            if let Some(pv) = state.pvs.get_mut(&self.handle.channel) {
                pv.waiting.push(tell);
            }
        });
        // The sender is kept as long as the PV, which lives as long as this handle.
        told.await.unwrap_or_default();
    }

    fn signal(&self) -> String {
        self.address.to_string()
    }

    fn disconnected(&self) -> SignalError {
        SignalError::Disconnected { signal: self.signal(), absence: Box::new(self.absence()) }
    }

    /// Why the PV cannot be reached.
    fn absence(&self) -> Absence {
        self.handle.hub.absence(self.handle.channel)
    }

    /// What the PV is, if it can be reached.
    fn present(&self) -> Result<Rc<Metadata>, SignalError> {
        let state = self.handle.hub.state.borrow();
        match state.pvs.get(&self.handle.channel).map(|pv| &pv.link) {
            Some(Link::Up(metadata)) => Ok(Rc::clone(metadata)),
            Some(Link::Down | Link::Undescribed(_) | Link::Silent(_)) | None => {
                Err(self.disconnected())
            }
        }
    }

    fn readable(&self) -> Result<Plan, SignalError> {
        let state = self.handle.hub.state.borrow();
        match state.pvs.get(&self.handle.channel).map(|pv| &pv.link) {
            Some(Link::Up(metadata)) if metadata.access.read => {
                convert::plan(&self.address, self.kind, metadata)
            }
            Some(Link::Up(_)) => {
                Err(SignalError::NoAccess { signal: self.signal(), operation: "read" })
            }
            Some(Link::Down | Link::Undescribed(_) | Link::Silent(_)) | None => {
                Err(self.disconnected())
            }
        }
    }

    fn writable(&self, value: &Value) -> Result<Payload, SignalError> {
        if value.kind() != self.kind {
            let (expected, found) = (self.kind, value.clone());
            return Err(SignalError::WrongType { signal: self.signal(), expected, found });
        }
        let state = self.handle.hub.state.borrow();
        match state.pvs.get(&self.handle.channel).map(|pv| &pv.link) {
            Some(Link::Up(metadata)) if metadata.access.write => {
                convert::plan(&self.address, self.kind, metadata)?;
                convert::payload(&self.address, metadata, value)
            }
            Some(Link::Up(_)) => {
                Err(SignalError::NoAccess { signal: self.signal(), operation: "written" })
            }
            Some(Link::Down | Link::Undescribed(_) | Link::Silent(_)) | None => {
                Err(self.disconnected())
            }
        }
    }

    /// All that the PV says of itself; it is asked for that by the first who wants to know.
    async fn described(&self) -> Result<Metadata, SignalError> {
        loop {
            let metadata = self.present()?;
            let channel = self.handle.channel;
            let is_described = self.handle.hub.change(|state| {
                state.describe(channel);
                state.pvs.get(&channel).is_some_and(|pv| pv.is_described)
            });
            if is_described {
                return Ok(Rc::unwrap_or_clone(metadata));
            }
            self.changed().await;
        }
    }

    /// A place among the requests that may be under way.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, SignalError> {
        let permits = Arc::clone(&self.handle.hub.permits);
        permits.acquire_owned().await.map_err(|_| self.disconnected())
    }

    /// The turn of a put-callback: the one before may be under way though its caller is gone.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, SignalError> {
        let (turn, lost) = {
            let state = self.handle.hub.state.borrow();
            let pv = state.pvs.get(&self.handle.channel).ok_or_else(|| self.disconnected())?;
            (Arc::clone(&pv.turn), Rc::clone(&pv.lost))
        };
        let (lost, turn) = (pin!(lost.notified()), pin!(turn.acquire_owned()));
        match select(lost, turn).await {
            Either::Left(((), _)) => Err(self.disconnected()),
            Either::Right((turn, _)) => turn.map_err(|_| self.disconnected()),
        }
    }

    async fn ask(&self) -> Result<Reading<Value>, SignalError> {
        self.readable()?;
        let permit = self.permit().await?;
        let Plan { native, shape } = self.readable()?;
        let (reply, answer) = oneshot::channel();
        let channel = self.handle.channel;
        self.handle.hub.change(|state| {
            let request = state.request(channel, Waiter::Get(reply), vec![permit]);
            state.commands.push(Command::Get { channel, request, native, shape });
        });
        match answer.await.unwrap_or(Err(Status::DISCONNECTED)) {
            Ok(sample) => convert::reading(&self.address, self.kind, sample),
            Err(status) if status.is_denial() => {
                Err(SignalError::NoAccess { signal: self.signal(), operation: "read" })
            }
            Err(status) if status.is_loss() => Err(self.disconnected()),
            Err(status) => {
                let (signal, reason) = (self.signal(), status.to_string());
                Err(SignalError::Unreadable { signal, reason })
            }
        }
    }

    async fn tell(&self, value: Value, settle: Settle) -> Result<(), SignalError> {
        self.writable(&value)?;
        let permits = match settle {
            // A stop is behind nobody.
            Settle::Accepted => Vec::new(),
            Settle::Completed => vec![self.turn().await?, self.permit().await?],
        };
        let payload = self.writable(&value)?;
        let (reply, answer) = oneshot::channel();
        let channel = self.handle.channel;
        self.handle.hub.change(|state| {
            let is_plain = settle == Settle::Accepted;
            let waiter = Waiter::Put { reply, is_plain, refusal: None };
            let request = state.request(channel, waiter, permits);
            state.commands.push(match settle {
                Settle::Accepted => Command::Put { channel, request, payload },
                Settle::Completed => Command::PutCallback { channel, request, payload },
            });
        });
        match answer.await.unwrap_or(Err(Status::DISCONNECTED)) {
            Ok(()) => Ok(()),
            Err(status) if status.is_loss() => {
                let (signal, absence) = (self.signal(), Box::new(self.absence()));
                Err(SignalError::Lost { signal, value, absence })
            }
            Err(status) if status.is_denial() => {
                Err(SignalError::NoAccess { signal: self.signal(), operation: "written" })
            }
            Err(status) => Err(convert::refused(&self.address, &value, status.to_string())),
        }
    }
}

impl Channel for PvChannel {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let this = self.clone();
        Box::pin(async move { this.ask().await })
    }

    fn put(&self, value: Value, settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        let this = self.clone();
        Box::pin(async move { this.tell(value, settle).await })
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let (feed, monitor) = monitor(&self.address, backlog);
        let channel = self.handle.channel;
        let now = self.handle.hub.now();
        self.handle.hub.change(|state| {
            let Some(pv) = state.pvs.get(&channel) else { return };
            let disconnected = || {
                let absence = Box::new(pv.absence(now));
                SignalError::Disconnected { signal: self.signal(), absence }
            };
            let plan = match &pv.last {
                Some(metadata) => convert::plan(&self.address, self.kind, metadata),
                None => Err(disconnected()),
            };
            let plan = match plan {
                Ok(plan) => Some(plan),
                Err(error) => {
                    feed.push(Err(error));
                    None
                }
            };
            if plan.is_some() && !matches!(pv.link, Link::Up(_)) {
                feed.push(Err(disconnected()));
            }
            let (address, kind) = (Rc::clone(&self.address), self.kind);
            let (held, heard) = (Vec::new(), None);
            state.subscribe(Observed { channel, address, kind, backlog, feed, plan, held, heard });
        });
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        let this = self.clone();
        Box::pin(async move { this.described().await })
    }
}
