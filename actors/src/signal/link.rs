//! [`Connector`]: makes typed signals from addresses; [`Batch`]: connects many of them at once.
use super::{
    Channel, Kind, Metadata, Monitor, Reading, Settle, SignalError, SignalProvider, SignalR,
    SignalRW, SignalValue, SignalW, SignalX, Value,
};
use crate::{clock::Clock, signal::Backlog};
use futures_util::future::join_all;
use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    time::Duration,
};

/// Makes typed signals from addresses. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    reach: Reach,
    /// Where links are noted to be connected together, in place of one by one.
    batch: Option<Rc<RefCell<Vec<Rc<Link>>>>>,
}

/// How signals are reached.
#[derive(Clone)]
struct Reach {
    provider: Rc<dyn SignalProvider>,
    clock: Clock,
    connect_within: Duration,
    deadline: Duration,
}

/// What a record does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    Read,
    Write,
    ReadWrite,
    /// Something is put to set it off.
    Trigger,
}

impl Usage {
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite | Self::Trigger)
    }
}

/// A signal as a record asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub address: String,
    pub kind: Kind,
    pub usage: Usage,
    /// The words that the record knows, of an enum.
    pub choices: Vec<String>,
    /// Characters of the longest text that is put, or comes; 0 if nobody knows.
    pub characters: usize,
}

impl Wanted {
    /// Whether it is not enough that it is there.
    const fn demands(&self) -> bool {
        self.usage.writes() || self.characters > 0
    }
}

/// What one signal said when it was asked about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub metadata: Metadata,
    /// Of a signal that can be read.
    pub value: Option<Value>,
}

/// Signals that were asked for together, to be connected together.
#[derive(Clone)]
pub struct Batch(Rc<RefCell<Vec<Rc<Link>>>>);

/// One signal and the way to it.
pub(super) struct Link {
    wanted: Wanted,
    reach: Reach,
    channel: OnceCell<Rc<dyn Channel>>,
}

impl Connector {
    /// `deadline`: how long a connection, a get or an ordinary put may take.
    pub fn new(provider: Rc<dyn SignalProvider>, clock: Clock, deadline: Duration) -> Self {
        Self { reach: Reach { provider, clock, connect_within: deadline, deadline }, batch: None }
    }

    /// The same, but a connection may take so long and no longer.
    pub fn connecting_within(mut self, within: Duration) -> Self {
        self.reach.connect_within = within;
        self
    }

    /// One whose signals are connected by the batch, all at once: until then each is there, whether
    /// or not it can be reached, and is connected on its own if it is used.
    pub fn batch(&self) -> (Self, Batch) {
        let links = Rc::new(RefCell::new(Vec::new()));
        let connector = Self { reach: self.reach.clone(), batch: Some(Rc::clone(&links)) };
        (connector, Batch(links))
    }

    pub fn clock(&self) -> &Clock {
        &self.reach.clock
    }

    pub async fn r<T: SignalValue>(&self, address: &str) -> Result<SignalR<T>, SignalError> {
        Ok(SignalR::new(self.link(wanted::<T>(address, Usage::Read)).await?))
    }

    pub async fn w<T: SignalValue>(&self, address: &str) -> Result<SignalW<T>, SignalError> {
        Ok(SignalW::new(self.link(wanted::<T>(address, Usage::Write)).await?))
    }

    pub async fn rw<T: SignalValue>(&self, address: &str) -> Result<SignalRW<T>, SignalError> {
        Ok(SignalRW::new(self.link(wanted::<T>(address, Usage::ReadWrite)).await?))
    }

    /// As [`rw`](Self::rw), of an enum that must have these words, or of any text.
    pub async fn rw_words(
        &self,
        address: &str,
        words: Vec<String>,
    ) -> Result<SignalRW<String>, SignalError> {
        let wanted = Wanted { choices: words, ..wanted::<String>(address, Usage::ReadWrite) };
        Ok(SignalRW::new(self.link(wanted).await?))
    }

    /// As [`r`](Self::r), of a text that must have room for so many characters.
    pub async fn r_text(
        &self,
        address: &str,
        characters: usize,
    ) -> Result<SignalR<String>, SignalError> {
        let wanted = Wanted { characters, ..wanted::<String>(address, Usage::Read) };
        Ok(SignalR::new(self.link(wanted).await?))
    }

    /// As [`rw`](Self::rw), of a text that must have room for so many characters.
    pub async fn rw_text(
        &self,
        address: &str,
        characters: usize,
    ) -> Result<SignalRW<String>, SignalError> {
        let wanted = Wanted { characters, ..wanted::<String>(address, Usage::ReadWrite) };
        Ok(SignalRW::new(self.link(wanted).await?))
    }

    pub async fn x(&self, address: &str) -> Result<SignalX, SignalError> {
        Ok(SignalX::new(self.link(wanted::<i64>(address, Usage::Trigger)).await?))
    }

    /// A link that is not connected, and part of no batch.
    pub(super) fn probe(&self, wanted: Wanted) -> Link {
        Link { wanted, reach: self.reach.clone(), channel: OnceCell::new() }
    }

    pub(super) async fn link(&self, wanted: Wanted) -> Result<Rc<Link>, SignalError> {
        let link = Rc::new(self.probe(wanted));
        match &self.batch {
            Some(links) => links.borrow_mut().push(Rc::clone(&link)),
            None => drop(link.connect().await?),
        }
        Ok(link)
    }
}

fn wanted<T: SignalValue>(address: &str, usage: Usage) -> Wanted {
    let choices = match T::KIND {
        Kind::Text => T::usual_metadata().choices,
        Kind::Bool | Kind::Int | Kind::Float | Kind::Floats => Vec::new(),
    };
    Wanted { address: address.to_owned(), kind: T::KIND, usage, choices, characters: 0 }
}

impl Batch {
    /// Signals that were asked for.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Connects every signal at the same time; why some could not be, in the order in which they
    /// were asked for.
    pub async fn connect(&self) -> Vec<SignalError> {
        let links = self.0.borrow().clone();
        let connected = join_all(links.iter().map(|link| link.connect())).await;
        connected.into_iter().filter_map(Result::err).collect()
    }

    /// What is behind those that are written or must have room, without their values.
    pub async fn demanding(&self) -> Vec<(Wanted, Result<Found, SignalError>)> {
        let links = self.0.borrow().clone();
        let links = links.iter().filter(|link| link.wanted.demands());
        let found = links.map(|link| async move {
            let found = link.metadata().await.map(|metadata| Found { metadata, value: None });
            (link.wanted.clone(), found)
        });
        join_all(found).await
    }

    /// Connects every signal at the same time, and asks what is behind it.
    pub async fn survey(&self) -> Vec<(Wanted, Result<Found, SignalError>)> {
        let links = self.0.borrow().clone();
        let found = join_all(links.iter().map(|link| link.find())).await;
        links.iter().map(|link| link.wanted.clone()).zip(found).collect()
    }
}

impl Link {
    pub(super) fn address(&self) -> &str {
        &self.wanted.address
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.reach.clock
    }

    pub(super) const fn deadline(&self) -> Duration {
        self.reach.deadline
    }

    async fn connect(&self) -> Result<Rc<dyn Channel>, SignalError> {
        if let Some(channel) = self.channel.get() {
            return Ok(Rc::clone(channel));
        }
        let Reach { provider, clock, connect_within, .. } = &self.reach;
        let mut connecting = provider.connect(self.address(), self.wanted.kind);
        let connected = clock.timeout(*connect_within, &mut connecting).await;
        let channel = connected.unwrap_or_else(|_| {
            // An unreachable device and a missing signal look the same from here.
            let signal = self.address().to_owned();
            let absence = Box::new(provider.absence(&signal));
            Err(SignalError::Disconnected { signal, absence })
        })?;
        Ok(Rc::clone(self.channel.get_or_init(|| channel)))
    }

    async fn find(&self) -> Result<Found, SignalError> {
        self.connect().await?;
        let metadata = self.metadata().await?;
        let is_read = self.wanted.usage.reads() && metadata.access.read;
        let value = if is_read { Some(self.get().await?.value) } else { None };
        Ok(Found { metadata, value })
    }

    pub(super) async fn within<T>(
        &self,
        after: Duration,
        future: impl Future<Output = Result<T, SignalError>>,
    ) -> Result<T, SignalError> {
        let finished = self.clock().timeout(after, future).await;
        finished.unwrap_or_else(|_| {
            Err(SignalError::Timeout { signal: self.address().to_owned(), after })
        })
    }

    pub(super) async fn get(&self) -> Result<Reading<Value>, SignalError> {
        let channel = self.connect().await?;
        self.within(self.deadline(), channel.get()).await
    }

    pub(super) async fn metadata(&self) -> Result<Metadata, SignalError> {
        let channel = self.connect().await?;
        self.within(self.deadline(), channel.metadata()).await
    }

    pub(super) async fn put(
        &self,
        value: Value,
        settle: Settle,
        within: Duration,
    ) -> Result<(), SignalError> {
        let channel = self.connect().await?;
        self.within(within, channel.put(value, settle)).await
    }

    /// Nothing but a loss comes from a signal that has not been connected.
    pub(super) fn observe(&self, backlog: Backlog) -> Monitor {
        match self.channel.get() {
            Some(channel) => channel.observe(backlog),
            None => super::monitor(self.address(), backlog).1,
        }
    }
}
