//! [`Circuit`]: one connection of a client, its channels, and what waits to be sent.
use super::{
    directory::{Directory, Served},
    put::Pending,
    server::{Figures, Settings},
    subscription::Subscription,
};
use bluefly_actors::clock::Clock;
use bluefly_protocol::channel_access::{DecodeError, Decoder, MINOR_VERSION, Reply, status};
use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};
use tokio::{net::TcpStream, sync::Notify};

/// Why a circuit ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the client closed it")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the client took nothing for {0:?}")]
    Stuck(Duration),
    #[error("request for channel {0}, which it never had")]
    NoChannel(u32),
    #[error("subscription {0} was cancelled, which it never had")]
    NoSubscription(u32),
    #[error("values of type {0}, which is none")]
    NoType(u16),
    #[error("command {0}, which is none")]
    NoCommand(u16),
}

/// A channel of a circuit.
pub(super) struct CircuitChannel {
    /// What the client calls it.
    pub id: u32,
    pub served: Rc<Served>,
    pub subscriptions: RefCell<Vec<Subscription>>,
    pub pending: Pending,
}

pub(super) struct Circuit {
    pub directory: Rc<Directory>,
    pub clock: Clock,
    pub figures: Rc<Figures>,
    pub settings: Settings,
    /// By what we call them; the place of a cleared one is used again.
    channels: RefCell<Vec<Option<Rc<CircuitChannel>>>>,
    free: RefCell<Vec<u32>>,
    outbox: RefCell<Vec<u8>>,
    /// Something waits to be sent.
    filled: Notify,
    /// Something was sent.
    sent: Notify,
    is_sending: Cell<bool>,
    has_events: Cell<bool>,
    switched_on: Notify,
}

/// Lets go of the channels of a circuit, whose tasks may hold the circuit.
struct Ending<'a>(&'a Circuit);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.channels.take();
    }
}

/// What may wait to be sent before more is made. A message is never cut.
const MAX_WAITING_BYTES: usize = 256 << 10;
const READ_BYTES: usize = 64 << 10;
/// Room of an outbox that has nothing to hold.
const IDLE_BYTES: usize = 1 << 20;
const MAX_CHANNELS: usize = 100_000;

impl Circuit {
    pub(super) fn new(
        directory: Rc<Directory>,
        clock: Clock,
        figures: Rc<Figures>,
        settings: Settings,
    ) -> Rc<Self> {
        Rc::new(Self {
            directory,
            clock,
            figures,
            settings,
            channels: RefCell::default(),
            free: RefCell::default(),
            outbox: RefCell::default(),
            filled: Notify::new(),
            sent: Notify::new(),
            is_sending: Cell::new(false),
            has_events: Cell::new(true),
            switched_on: Notify::new(),
        })
    }

    /// Serves the client until it goes or sends what is no request.
    pub(super) async fn serve(self: &Rc<Self>, stream: &TcpStream, max_payload: usize) -> End {
        let _ending = Ending(self);
        self.send(&Reply::Version { minor: MINOR_VERSION.into(), sequence: None });
        let ended = tokio::select! { biased;
            ended = self.read(stream, max_payload) => ended,
            ended = self.write(stream) => ended,
        };
        let Err(end) = ended;
        if let End::Decode(DecodeError::TooLarge { header, .. }) = &end {
            let (text, request) = (end.to_string(), *header);
            let status = status::TOO_LARGE;
            self.send(&Reply::Error { id: u32::MAX, status, request, text: &text });
        }
        self.say_last(stream);
        end
    }

    /// Tells the client why the circuit ends, if it still listens and is not in the middle of another
    /// message.
    fn say_last(&self, stream: &TcpStream) {
        let last = self.outbox.take();
        if !self.is_sending.get()
            && let Err(error) = stream.try_write(&last)
        {
            tracing::trace!(%error, "the client was not told why");
        }
    }

    async fn read(
        self: &Rc<Self>,
        stream: &TcpStream,
        max_payload: usize,
    ) -> Result<std::convert::Infallible, End> {
        let mut decoder = Decoder::new(max_payload);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            stream.readable().await?;
            let num_bytes = match stream.try_read(&mut buffer) {
                Ok(0) => return Err(End::Closed),
                Ok(num_bytes) => num_bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            decoder.feed(&buffer[..num_bytes]);
            while let Some((header, payload)) = decoder.next_message()? {
                self.handle(&header, payload).await?;
                if self.is_full() {
                    self.until_room().await;
                }
            }
        }
    }

    async fn write(&self, stream: &TcpStream) -> Result<std::convert::Infallible, End> {
        let mut batch = Vec::new();
        loop {
            batch.clear();
            batch.shrink_to(IDLE_BYTES);
            std::mem::swap(&mut batch, &mut *self.outbox.borrow_mut());
            if batch.is_empty() {
                self.filled.notified().await;
                continue;
            }
            self.is_sending.set(true);
            let mut rest = &batch[..];
            while !rest.is_empty() {
                match stream.try_write(rest) {
                    Ok(num_bytes) => rest = &rest[num_bytes..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.until_taken(stream).await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            self.is_sending.set(false);
            self.sent.notify_waiters();
        }
    }

    /// Resolves once the client has made room.
    async fn until_taken(&self, stream: &TcpStream) -> Result<(), End> {
        let within = self.settings.drop_after;
        let ready = self.clock.timeout(within, stream.writable()).await;
        Ok(ready.map_err(|_| End::Stuck(within))??)
    }

    /// Puts a message into the queue; it is sent when the present work is done.
    pub(super) fn send(&self, reply: &Reply<'_>) {
        self.send_with(|out| reply.encode(out));
    }

    pub(super) fn send_with(&self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.outbox.borrow_mut());
        self.filled.notify_one();
    }

    fn is_full(&self) -> bool {
        self.outbox.borrow().len() >= MAX_WAITING_BYTES
    }

    /// Resolves once there is room for one more message.
    async fn until_room(&self) {
        loop {
            let sent = self.sent.notified();
            if !self.is_full() {
                return;
            }
            sent.await;
        }
    }

    /// Resolves once an event may be sent; true if the client did not want any meanwhile.
    pub(super) async fn until_wanted(&self) -> bool {
        let mut was_off = false;
        loop {
            let switched_on = self.switched_on.notified();
            if self.has_events.get() {
                if !self.is_full() {
                    return was_off;
                }
                self.until_room().await;
                continue;
            }
            was_off = true;
            switched_on.await;
        }
    }

    pub(super) fn switch_events(&self, on: bool) {
        self.has_events.set(on);
        if on {
            self.switched_on.notify_waiters();
        }
    }

    pub(super) fn channel(&self, id: u32) -> Result<Rc<CircuitChannel>, End> {
        let channels = self.channels.borrow();
        let channel = channels.get(id as usize).and_then(Option::as_ref);
        channel.cloned().ok_or(End::NoChannel(id))
    }

    /// What we call the new channel from now on; `None` if the client has too many.
    pub(super) fn open(&self, channel: CircuitChannel) -> Option<u32> {
        let mut channels = self.channels.borrow_mut();
        let id = match self.free.borrow_mut().pop() {
            Some(id) => id,
            None if channels.len() < MAX_CHANNELS => {
                channels.push(None);
                u32::try_from(channels.len() - 1).ok()?
            }
            None => return None,
        };
        channels[id as usize] = Some(Rc::new(channel));
        Some(id)
    }

    pub(super) fn close(&self, id: u32) -> Result<(), End> {
        let mut channels = self.channels.borrow_mut();
        let place = channels.get_mut(id as usize).filter(|place| place.is_some());
        *place.ok_or(End::NoChannel(id))? = None;
        self.free.borrow_mut().push(id);
        Ok(())
    }
}
