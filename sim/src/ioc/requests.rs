//! What is done with each request of a circuit.
use super::{
    circuit::{Circuit, CircuitChannel, End},
    directory::Served,
    form::{self, View, unreachable_reading},
    put::put_status,
    subscription::Subscription,
};
use bluefly_actors::signal::{Reading, Settle, SignalError, Value};
use bluefly_protocol::channel_access::{
    Access, Class, Data, Dbr, Header, Recipient, Reply, Request, Snapshot, status,
};
use std::rc::Rc;

/// Most subscriptions of one channel.
const MAX_SUBSCRIPTIONS: usize = 1_000;

impl Circuit {
    pub(super) async fn handle(
        self: &Rc<Self>,
        header: &Header,
        payload: &[u8],
    ) -> Result<(), End> {
        match Request::decode(header, payload) {
            Request::Version { .. } => {}
            Request::Search { id, name, must_reply } => {
                self.answer_search(id, name, must_reply);
            }
            Request::CreateChannel { id, name } => self.create_channel(id, name, header),
            Request::Read(access) => self.read_channel(header, access).await?,
            Request::Write(access, payload) => self.write_channel(header, access, payload).await?,
            Request::WriteNotify(access, payload) => self.write_notify(access, payload).await?,
            Request::Subscribe(access, mask) => self.subscribe(header, access, mask)?,
            Request::Unsubscribe(access) => self.unsubscribe(header, access)?,
            Request::ReadSync => self.send(&Reply::ReadSync),
            Request::EventsOff => self.switch_events(false),
            Request::EventsOn => self.switch_events(true),
            Request::ClearChannel { server_id, id } => {
                self.close(server_id)?;
                self.send(&Reply::Cleared { server_id, id });
            }
            Request::ClientName(name) | Request::HostName(name) => {
                tracing::debug!(name = %String::from_utf8_lossy(name), "client");
            }
            Request::Echo => self.send(&Reply::Echo),
            Request::Other(command) => {
                let text = "there is no such request";
                self.fail(header, u32::MAX, status::INTERNAL, text);
                return Err(End::NoCommand(command));
            }
        }
        Ok(())
    }

    fn answer_search(&self, id: u32, name: &[u8], must_reply: bool) {
        let is_here = std::str::from_utf8(name).is_ok_and(|name| self.directory.has(name));
        if is_here {
            self.send(&Reply::Found { id, port: self.figures.port() });
        } else if must_reply {
            self.send(&Reply::NotFound { id });
        }
    }

    fn create_channel(&self, id: u32, name: &[u8], header: &Header) {
        let served = std::str::from_utf8(name).ok().and_then(|name| self.directory.open(name));
        let Some(served) = served else {
            self.send(&Reply::CreateFailed { id });
            return;
        };
        let metadata = served.metadata.borrow().clone();
        let channel = CircuitChannel {
            id,
            served,
            subscriptions: Vec::new().into(),
            pending: super::put::Pending::default(),
        };
        let Some(server_id) = self.open(channel) else {
            self.fail(header, id, status::ALLOCATION, "this client has too many channels");
            self.send(&Reply::CreateFailed { id });
            return;
        };
        let (read, write) = (metadata.access.read, metadata.access.write);
        let (field, count) = (form::field(metadata.native), metadata.max_count as u32);
        self.send(&Reply::AccessRights { id, read, write });
        self.send(&Reply::Created { id, server_id, field, count });
    }

    async fn read_channel(&self, header: &Header, access: Access) -> Result<(), End> {
        let channel = self.channel(access.channel)?;
        let Some(to) = self.recipient(header, &channel, access)? else { return Ok(()) };
        let served = &channel.served;
        if let Dbr::Value(Class::Graphic | Class::Control, _) = to.dbr {
            self.renew_metadata(served).await;
        }
        let reading = match self.reading(served).await {
            Ok(reading) => reading,
            Err(error) => {
                tracing::info!(%error, "nothing to read");
                self.send_with(|out| to.encode_failure(status::GET_FAILED, out));
                return Ok(());
            }
        };
        let metadata = served.metadata.borrow().clone();
        let data = form::data(&reading, served.view, &metadata);
        let (stamp, info) = (form::stamp(&reading), form::info(served, &metadata));
        let snapshot = Snapshot { data: &data, stamp, info };
        self.send_with(|out| snapshot.encode(&to, out));
        Ok(())
    }

    /// The value now, or the last that was seen of a device that cannot be reached.
    async fn reading(&self, served: &Served) -> Result<Reading<Value>, SignalError> {
        match self.clock.timeout(self.settings.answer_within, served.channel.get()).await {
            Ok(Ok(reading)) => Ok(reading),
            Ok(Err(error)) => served.last.borrow().clone().map(unreachable_reading).ok_or(error),
            Err(_) => Err(self.timeout(served)),
        }
    }

    fn timeout(&self, served: &Served) -> SignalError {
        let after = self.settings.answer_within;
        SignalError::Timeout { signal: served.name.clone(), after }
    }

    /// Limits and units may change at any time. What was told last stays if they cannot be had.
    pub(super) async fn renew_metadata(&self, served: &Served) {
        if served.view != View::Value {
            return;
        }
        match self.clock.timeout(self.settings.answer_within, served.channel.metadata()).await {
            Ok(Ok(metadata)) => drop(served.metadata.replace(Rc::new(metadata))),
            Ok(Err(error)) => tracing::info!(%error, "limits are those that were told last"),
            Err(_) => tracing::info!(pv = served.name, "limits are those that were told last"),
        }
    }

    /// Whom the value goes to; nobody if as many elements are asked for as there can never be.
    fn recipient(
        &self,
        header: &Header,
        channel: &CircuitChannel,
        access: Access,
    ) -> Result<Option<Recipient>, End> {
        let Access { request, data_type, count, .. } = access;
        let Some(dbr) = Dbr::from_code(data_type) else {
            self.fail(header, channel.id, status::BAD_TYPE, &channel.served.name);
            return Err(End::NoType(data_type));
        };
        let holds = channel.served.metadata.borrow().max_count;
        if count as usize > holds {
            let text = format!("{} holds {holds} elements, not {count}", channel.served.name);
            self.fail(header, channel.id, status::BAD_COUNT, &text);
            return Ok(None);
        }
        Ok(Some(Recipient { is_event: false, request, dbr, count: count as usize }))
    }

    fn fail(&self, header: &Header, id: u32, status: u32, text: &str) {
        self.send(&Reply::Error { id, status, request: *header, text });
    }

    async fn write_channel(
        &self,
        header: &Header,
        access: Access,
        payload: &[u8],
    ) -> Result<(), End> {
        let channel = self.channel(access.channel)?;
        let value = match value_to_put(&channel, access, payload) {
            Ok(value) => value,
            Err((status, text)) => {
                self.fail(header, channel.id, status, &text);
                return Ok(());
            }
        };
        let put = channel.served.channel.put(value, Settle::Accepted);
        let done = self.clock.timeout(self.settings.answer_within, put).await;
        let done = done.unwrap_or_else(|_| Err(self.timeout(&channel.served)));
        if let Err(error) = done {
            tracing::info!(%error, "put refused");
            self.fail(header, channel.id, put_status(&error), &error.to_string());
        }
        Ok(())
    }

    async fn write_notify(self: &Rc<Self>, access: Access, payload: &[u8]) -> Result<(), End> {
        let channel = self.channel(access.channel)?;
        match value_to_put(&channel, access, payload) {
            Ok(value) => self.put_with_callback(&channel, access, value).await,
            Err((status, text)) => {
                tracing::info!(text, "put-callback refused");
                self.answer_put(access, status);
            }
        }
        Ok(())
    }

    fn subscribe(self: &Rc<Self>, header: &Header, access: Access, mask: u16) -> Result<(), End> {
        let channel = self.channel(access.channel)?;
        let Some(recipient) = self.recipient(header, &channel, access)? else { return Ok(()) };
        let mut subscriptions = channel.subscriptions.borrow_mut();
        if subscriptions.len() >= MAX_SUBSCRIPTIONS {
            let text = format!("{} has too many subscriptions", channel.served.name);
            self.fail(header, channel.id, status::ALLOCATION, &text);
            return Ok(());
        }
        let recipient = Recipient { is_event: true, ..recipient };
        subscriptions.push(Subscription::new(self, &channel, access, recipient, mask));
        Ok(())
    }

    fn unsubscribe(&self, header: &Header, access: Access) -> Result<(), End> {
        let channel = self.channel(access.channel)?;
        let mut subscriptions = channel.subscriptions.borrow_mut();
        let place = subscriptions.iter().position(|known| known.access.request == access.request);
        let Some(place) = place else {
            self.fail(header, channel.id, status::BAD_SUBSCRIPTION, &channel.served.name);
            return Err(End::NoSubscription(access.request));
        };
        let Access { request, data_type, count, channel: server_id } =
            subscriptions.swap_remove(place).access;
        self.send(&Reply::Unsubscribed { request, server_id, data_type, count });
        Ok(())
    }
}

/// What is to be put, or the status and the text of why it cannot.
fn value_to_put(
    channel: &CircuitChannel,
    access: Access,
    payload: &[u8],
) -> Result<Value, (u32, String)> {
    let served = &channel.served;
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", served.name);
    let is_shown_only = matches!(served.view, View::Count { .. } | View::Severity);
    if is_shown_only || !served.metadata.borrow().access.write {
        return Err((status::NO_WRITE_ACCESS, named(&"it is read-only")));
    }
    let Some(Dbr::Value(Class::Plain, field)) = Dbr::from_code(access.data_type) else {
        let why = format!("values of type {} cannot be put", access.data_type);
        return Err((status::BAD_TYPE, named(&why)));
    };
    let data = Data::decode(field, access.count as usize, payload)
        .map_err(|error| (status::PUT_FAILED, named(&error)))?;
    form::value(&data, served).map_err(|error| (status::PUT_FAILED, named(&error)))
}
