//! [`PandaChannel`]: a field of a PandA as a signal of one kind.
use super::{
    convert,
    form::{Form, Unit},
    hub::{Hub, Session},
    observed::{Observed, Place},
};
use crate::{
    backend::panda::control::ControlFault,
    signal::{
        Backlog, Channel, Kind, LocalFuture, Metadata, Monitor, Reading, Settle, SignalError,
        Value, monitor,
    },
};
use bluefly_protocol::panda::{
    control::{Command, Reply},
    describe::FieldName,
};
use std::rc::Rc;

#[derive(Clone)]
pub(super) struct PandaChannel {
    hub: Rc<Hub>,
    name: FieldName,
    address: Rc<str>,
    kind: Kind,
}

/// Resolves once the PandA is reached; fails if it has no such field, or one of another kind.
pub(super) async fn connect(
    hub: Rc<Hub>,
    name: FieldName,
    address: Rc<str>,
    kind: Kind,
) -> Result<PandaChannel, SignalError> {
    let channel = PandaChannel { hub, name, address, kind };
    loop {
        let Some(session) = channel.hub.session() else {
            channel.hub.changed.notified().await;
            continue;
        };
        let form = channel.form(&session)?;
        if !form.carries(kind) {
            return Err(channel.of_another_kind(&session, &form).await);
        }
        return Ok(channel);
    }
}

impl PandaChannel {
    fn signal(&self) -> String {
        self.address.to_string()
    }

    fn session(&self) -> Result<Session, SignalError> {
        self.hub.session().ok_or_else(|| self.hub.disconnected(&self.address))
    }

    fn form(&self, session: &Session) -> Result<Form, SignalError> {
        let info = session.inventory.field(&self.name);
        let form = info.and_then(|info| Form::of(&self.name, info));
        form.ok_or_else(|| SignalError::Unknown { signal: self.signal() })
    }

    /// What is said to whoever wants a kind that the field cannot carry: by its value, if it has one.
    async fn of_another_kind(&self, session: &Session, form: &Form) -> SignalError {
        let (signal, expected) = (self.signal(), self.kind);
        let kind = form.shape.kind();
        let found = if form.access.read { self.ask(session, form, kind).await.ok() } else { None };
        match found {
            Some(found) => SignalError::WrongType { signal, expected, found: found.value },
            None => SignalError::WrongRecord { signal, expected, found: form.class.clone() },
        }
    }

    fn command(name: &str) -> Command {
        Command::query(name).expect("a name that was parsed")
    }

    async fn ask(
        &self,
        session: &Session,
        form: &Form,
        kind: Kind,
    ) -> Result<Reading<Value>, SignalError> {
        let reply = session.control.ask(Self::command(&self.name.to_string())).await;
        let reply = reply.map_err(|fault| self.not_told(&fault))?;
        convert::reading(&self.address, form, kind, reply, &self.hub.clock)
    }

    fn not_told(&self, fault: &ControlFault) -> SignalError {
        tracing::debug!(signal = &*self.address, %fault, "not read");
        self.hub.disconnected(&self.address)
    }

    async fn read(&self) -> Result<Reading<Value>, SignalError> {
        let session = self.session()?;
        let form = self.form(&session)?;
        if !form.access.read {
            return Err(SignalError::NoAccess { signal: self.signal(), operation: "read" });
        }
        self.ask(&session, &form, self.kind).await
    }

    async fn write(&self, value: Value) -> Result<(), SignalError> {
        if value.kind() != self.kind {
            let (expected, found) = (self.kind, value);
            return Err(SignalError::WrongType { signal: self.signal(), expected, found });
        }
        let session = self.session()?;
        let form = self.form(&session)?;
        if !form.access.write {
            return Err(SignalError::NoAccess { signal: self.signal(), operation: "written" });
        }
        let command = convert::command(&self.address, &form, &self.name.to_string(), &value)?;
        let done = session.control.done(command).await;
        done.map_err(|fault| convert::not_put(&self.address, value, fault, self.hub.absence()))
    }

    async fn described(&self) -> Result<Metadata, SignalError> {
        let session = self.session()?;
        let form = self.form(&session)?;
        let units = match form.unit {
            Unit::None => None,
            Unit::Told | Unit::OfField => {
                let field = format!("{}.{}.UNITS", self.name.block, self.name.field());
                let reply = session.control.ask(Self::command(&field)).await;
                match reply.map_err(|fault| self.not_told(&fault))? {
                    Reply::Value(units) => Some(units),
                    Reply::Ok | Reply::Lines(_) | Reply::Error(_) => None,
                }
            }
        };
        Ok(form.metadata(units.unwrap_or_default()))
    }
}

impl Channel for PandaChannel {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let this = self.clone();
        Box::pin(async move { this.read().await })
    }

    /// A PandA answers once the value is in its registers: there is no difference.
    fn put(&self, value: Value, _settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        let this = self.clone();
        Box::pin(async move { this.write(value).await })
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let (feed, monitor) = monitor(&self.address, backlog);
        if self.hub.session().is_none() {
            feed.push(Err(self.hub.disconnected(&self.address)));
        }
        let (address, name) = (Rc::clone(&self.address), self.name.clone());
        let observed = Observed { address, name, kind: self.kind, feed, place: Place::Fresh };
        let mut all = self.hub.observed.borrow_mut();
        all.retain(|other| other.feed.is_observed());
        all.push(observed);
        drop(all);
        self.hub.observing.notify_waiters();
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        let this = self.clone();
        Box::pin(async move { this.described().await })
    }
}
