//! [`Feed`]: the events of a server, over a WebSocket that is opened again when it breaks.
use super::{Call, Client, ClientError, RETRY_AFTER, error::may_pass, parse};
use awc::{
    error::{WsClientError, WsProtocolError},
    ws::{Frame, Message},
};
use bluefly_actors::clock::Instant;
use bluefly_protocol::api::{Event, Status};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use std::pin::Pin;

/// Something to tell whoever watches.
#[derive(Debug)]
pub(crate) enum News {
    /// What happened, and the text of it as it came.
    Event(Box<Event>, String),
    /// The connection broke; it is being opened again.
    Lost(ClientError),
    /// It is open again. Another instance of the server knows nothing of the revisions and events of
    /// the one before.
    Back(Box<Status>, Served),
}

/// Who answered after a connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    Same,
    Restarted,
}

/// The events of one server from now on. Those of a connection that broke are asked for again.
pub(crate) struct Feed<'c> {
    client: &'c Client,
    kinds: &'static str,
    socket: Option<Pin<Box<dyn Socket>>>,
    instance: String,
    /// Number of the last event that had one.
    seq: Option<u64>,
    /// Set from the moment when a connection broke until an event is read again: one that is opened
    /// and closed at once is no better than none.
    give_up: Option<Instant>,
}

trait Socket:
    Stream<Item = Result<Frame, WsProtocolError>> + Sink<Message, Error = WsProtocolError>
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Frame, WsProtocolError>> + Sink<Message, Error = WsProtocolError>
{
}

const REQUEST: &str = "GET events";
/// The largest event, bytes.
const MAX_EVENT: usize = 64 << 20;

impl<'c> Feed<'c> {
    /// Begins to listen to events of `kinds`, a list with commas; and where the server stands.
    pub(crate) async fn open(
        client: &'c Client,
        kinds: &'static str,
    ) -> Result<(Self, Status), ClientError> {
        let mut feed =
            Self { client, kinds, socket: None, instance: String::new(), seq: None, give_up: None };
        let status = feed.connect().await?;
        Ok((feed, status))
    }

    /// The next thing to tell. An error is the end: the server is gone for longer than it takes to
    /// restart one, or says what cannot be understood.
    pub(crate) async fn next(&mut self) -> Result<News, ClientError> {
        let Some(socket) = &mut self.socket else {
            return self.reconnect().await;
        };
        match receive(self.client, socket).await {
            Ok(text) => {
                let event = parse(REQUEST, &text)?;
                self.give_up = None;
                self.seq = seq(&event).or(self.seq);
                Ok(News::Event(Box::new(event), text))
            }
            Err(error) if error.may_pass() => {
                self.socket = None;
                let now = self.client.clock.now();
                let give_up = *self.give_up.get_or_insert(now + self.client.patience());
                if now < give_up { Ok(News::Lost(error)) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    async fn reconnect(&mut self) -> Result<News, ClientError> {
        let before = self.instance.clone();
        loop {
            self.client.clock.sleep(RETRY_AFTER).await;
            match self.connect().await {
                Ok(status) if status.instance == before => {
                    return Ok(News::Back(Box::new(status), Served::Same));
                }
                Ok(status) => return Ok(News::Back(Box::new(status), Served::Restarted)),
                Err(error) => {
                    let late = self.give_up.is_none_or(|end| self.client.clock.now() >= end);
                    if late || !error.may_pass() {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<Status, ClientError> {
        let status: Status = self.client.ask(Call::get("status")).await?.parse()?;
        // The events of another instance are numbered anew.
        let since = self.seq.filter(|_| self.instance == status.instance);
        self.seq = since;
        self.instance.clone_from(&status.instance);
        let since = since.map_or_else(String::new, |seq| format!("&since={seq}"));
        let url = format!("{}/api/v1/events?kinds={}{since}", self.client.base, self.kinds);
        let mut request = self.client.http.ws(url).max_frame_size(MAX_EVENT);
        if let Some(token) = &self.client.server.token {
            request = request.bearer_auth(token);
        }
        let after = self.client.server.timeout;
        let connected = self.client.clock.timeout(after, request.connect()).await;
        let connected =
            connected.map_err(|_| ClientError::Timeout { request: REQUEST.to_owned(), after })?;
        let (_, socket) = connected.map_err(|error| self.not_open(error))?;
        self.socket = Some(Box::pin(socket));
        Ok(status)
    }

    fn not_open(&self, error: WsClientError) -> ClientError {
        let request = REQUEST.to_owned();
        match error {
            WsClientError::SendRequest(error) => self.client.not_sent(REQUEST, error),
            WsClientError::InvalidResponseStatus(status) if may_pass(status.as_u16()) => {
                ClientError::Busy { request, cause: status.to_string() }
            }
            WsClientError::InvalidResponseStatus(status) => {
                ClientError::Foreign { request, cause: format!("{status} instead of a WebSocket") }
            }
            error => ClientError::Foreign { request, cause: error.to_string() },
        }
    }
}

/// The text of the next event. A server that says nothing is asked for a sign of life.
async fn receive(
    client: &Client,
    socket: &mut Pin<Box<dyn Socket>>,
) -> Result<String, ClientError> {
    let cut = |cause: String| ClientError::Cut { request: REQUEST.to_owned(), cause };
    let after = client.server.timeout;
    let mut asked = false;
    loop {
        let frame = match client.clock.timeout(after, socket.next()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(cut(error.to_string())),
            Ok(None) => return Err(cut("the connection was closed".to_owned())),
            Err(_) if asked => {
                return Err(ClientError::Timeout { request: REQUEST.to_owned(), after });
            }
            Err(_) => {
                asked = true;
                say(client, socket, Message::Ping("".into())).await?;
                continue;
            }
        };
        asked = false;
        match frame {
            Frame::Text(text) => match String::from_utf8(text.to_vec()) {
                Ok(text) => return Ok(text),
                Err(error) => return Err(foreign(&error.to_string())),
            },
            Frame::Ping(data) => say(client, socket, Message::Pong(data)).await?,
            Frame::Pong(_) => {}
            Frame::Close(reason) => {
                let reason = reason.and_then(|reason| reason.description);
                return Err(cut(reason.unwrap_or_else(|| "the server closed it".to_owned())));
            }
            Frame::Binary(_) | Frame::Continuation(_) => {
                return Err(foreign("an event that is no text in one piece"));
            }
        }
    }
}

async fn say(
    client: &Client,
    socket: &mut Pin<Box<dyn Socket>>,
    message: Message,
) -> Result<(), ClientError> {
    let after = client.server.timeout;
    match client.clock.timeout(after, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            Err(ClientError::Cut { request: REQUEST.to_owned(), cause: error.to_string() })
        }
        Err(_) => Err(ClientError::Timeout { request: REQUEST.to_owned(), after }),
    }
}

fn foreign(cause: &str) -> ClientError {
    ClientError::Foreign { request: REQUEST.to_owned(), cause: cause.to_owned() }
}

const fn seq(event: &Event) -> Option<u64> {
    match event {
        Event::Document { seq, .. }
        | Event::Tree { seq, .. }
        | Event::Queue { seq, .. }
        | Event::Gate { seq, .. } => Some(*seq),
        Event::Progress { .. } | Event::Missed { .. } => None,
    }
}
