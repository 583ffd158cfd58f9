//! What happens, over a WebSocket.
use super::{
    counters::Seat,
    frames::{Frame, write},
    front::Shared,
    query::{EventsQuery, Query},
    reply::{Answer, Failure},
};
use crate::{clock::Instant, feed::Listener};
use actix_web::{
    HttpRequest,
    body::{BodyStream, BoxBody, MessageBody as _},
    web::{Bytes, BytesMut, Payload},
};
use actix_ws::{Message, MessageStream};
use bluefly_protocol::api::{ErrorBody, ErrorCode, Event, EventKind, EventKinds};
use futures_util::{Stream, stream};
use std::{convert::Infallible, net::IpAddr, time::Duration};

/// What happens from now on, a text frame of JSON for each event.
#[utoipa::path(get, path = "/api/v1/events", tag = "status", params(EventsQuery),
    responses((status = 101, description = "A WebSocket; each text is an event", body = Event),
        (status = "default", body = ErrorBody)))]
pub(super) async fn events(
    front: Shared,
    request: HttpRequest,
    query: Query<EventsQuery>,
    payload: Payload,
) -> Answer {
    let opened = actix_ws::handle(&request, payload);
    let (response, _, incoming) = opened.map_err(|error| {
        Failure::new(ErrorCode::BadRequest, "upgrade", format!("is no WebSocket: {error}"))
    })?;
    let EventsQuery { kinds, since } = query.0;
    let kinds = kinds.unwrap_or(EventKinds::ALL);
    // Who wants nothing of the feed is never behind.
    let heard = if wants_feed(kinds) { front.desk.feed().latest() } else { u64::MAX };
    let now = front.clock.now();
    let silence = front.config.limits.idle_timeout / 2;
    Ok(response.map_body(|_, opening| {
        let channel = Channel {
            seat: front.tally.sit_down(heard),
            listener: front.desk.feed().listen(since),
            kinds,
            incoming: incoming.max_frame_size(MAX_INCOMING),
            peer: request.peer_addr().map(|peer| peer.ip()),
            _opening: opening,
            revision: None,
            silence,
            written: now,
            told: now,
            ping_at: now + silence,
            state: State::Begun,
            front,
        };
        BodyStream::new(frames(channel)).boxed()
    }))
}

/// Between two writes: what happens meanwhile is written together.
const PERIOD: Duration = Duration::from_millis(20);
/// Between two reports of progress.
const PROGRESS_PERIOD: Duration = Duration::from_millis(50);
/// Text that is written together, but for the last event of it.
const BATCH: usize = 256 << 10;
/// Events that are taken in one go.
const TAKEN: usize = 32;
/// Bytes of a message from a client, which nobody reads.
const MAX_INCOMING: usize = 4 << 10;

/// One client. It is asked for more only when what it gave last is on its way: a client that does
/// not read costs one batch and its place in the feed.
struct Channel {
    front: Shared,
    listener: Listener,
    /// Where it is counted.
    seat: Seat,
    kinds: EventKinds,
    incoming: MessageStream,
    peer: Option<IpAddr>,
    /// What the library would have sent; while it is there, it takes the connection for open.
    _opening: BoxBody,
    /// Of the status that was told last.
    revision: Option<u64>,
    /// How long a client may be silent before it is pinged, and then until it is given up.
    silence: Duration,
    written: Instant,
    told: Instant,
    ping_at: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been sent.
    Begun,
    Open,
    /// Pinged, and not heard of since.
    Pinged,
    /// The last frame is out.
    Closed,
}

/// Why something is to be sent.
enum Wake {
    News,
    Silence,
    Pinged(Bytes),
    Heard,
    /// With what is said to the client, if it can be.
    End(Option<(u16, &'static str)>),
}

const GOING_AWAY: (u16, &str) = (1001, "the server is being stopped");
const NORMAL: (u16, &str) = (1000, "");
const TOO_MANY: (u16, &str) = (1008, "too many messages");

/// What is sent to the client, a batch at a time.
fn frames(channel: Channel) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(channel, async |mut channel| {
        let batch = channel.next().await?;
        Some((Ok(batch.freeze()), channel))
    })
}

impl Channel {
    /// The next batch; none once the channel is closed.
    async fn next(&mut self) -> Option<BytesMut> {
        let mut out = BytesMut::new();
        match self.state {
            State::Closed => return None,
            State::Begun => {
                self.state = State::Open;
                self.progress(&mut out);
            }
            State::Open | State::Pinged => {}
        }
        while out.is_empty() {
            match self.wake().await {
                Wake::News => self.news(&mut out).await,
                Wake::Heard => {}
                Wake::Pinged(payload) => write(&mut out, Frame::Pong(&payload)),
                Wake::Silence if self.state == State::Pinged => {
                    self.state = State::Closed;
                    return None;
                }
                Wake::Silence => {
                    self.state = State::Pinged;
                    self.ping_at = self.front.clock.now() + self.silence;
                    write(&mut out, Frame::Ping);
                }
                Wake::End(said) => {
                    self.state = State::Closed;
                    let (code, reason) = said?;
                    if code == GOING_AWAY.0 {
                        // The end of a run that was aborted for it, among others.
                        self.collect(&mut out);
                    }
                    write(&mut out, Frame::Close(code, reason));
                }
            }
        }
        self.written = self.front.clock.now();
        Some(out)
    }

    /// Resolves when there is something to do.
    async fn wake(&mut self) -> Wake {
        let wants_feed = wants_feed(self.kinds);
        let (clock, desk) = (&self.front.clock, &self.front.desk);
        tokio::select! { biased;
            () = self.front.stop.cancelled() => return Wake::End(Some(GOING_AWAY)),
            message = self.incoming.recv() => {
                self.state = State::Open;
                self.ping_at = clock.now() + self.silence;
                return match message {
                    Some(Ok(message)) => self.heard(message),
                    Some(Err(_)) | None => Wake::End(None),
                };
            }
            () = clock.sleep_until(self.ping_at) => return Wake::Silence,
            () = self.listener.ready(), if wants_feed => {}
            () = async {
                clock.sleep_until(self.told + PROGRESS_PERIOD).await;
                desk.changed(self.revision.unwrap_or(0)).await;
            }, if self.kinds.has(EventKind::Progress) => {}
        }
        Wake::News
    }

    fn heard(&self, message: Message) -> Wake {
        let now = self.front.clock.now();
        if self.peer.is_some_and(|peer| self.front.buckets.take(peer, now).is_err()) {
            return Wake::End(Some(TOO_MANY));
        }
        match message {
            Message::Ping(payload) => Wake::Pinged(payload),
            Message::Close(_) => Wake::End(Some(NORMAL)),
            Message::Text(_)
            | Message::Binary(_)
            | Message::Continuation(_)
            | Message::Pong(_)
            | Message::Nop => Wake::Heard,
        }
    }

    /// Writes what has happened, once enough time has passed for it to be worth a write.
    async fn news(&mut self, out: &mut BytesMut) {
        self.front.clock.sleep_until(self.written + PERIOD).await;
        self.collect(out);
    }

    /// Writes what has happened, up to a batch.
    fn collect(&mut self, out: &mut BytesMut) {
        if wants_feed(self.kinds) {
            self.hear(out);
        }
        let now = self.front.clock.now();
        if self.kinds.has(EventKind::Progress) && now.saturating_since(self.told) >= PROGRESS_PERIOD
        {
            self.progress(out);
        }
    }

    /// Writes what is new in the feed, up to a batch.
    fn hear(&mut self, out: &mut BytesMut) {
        while out.len() < BATCH {
            let taken = self.listener.take(self.kinds, TAKEN);
            if taken.missed > 0 {
                event(out, &Event::Missed { count: taken.missed });
            }
            taken.texts.iter().for_each(|text| write(out, Frame::Text(text.as_bytes())));
            if self.listener.lag() == 0 {
                break;
            }
        }
        self.seat.heard(self.front.desk.feed().latest().saturating_sub(self.listener.lag()));
    }

    /// Writes the status, if it is another than the last.
    fn progress(&mut self, out: &mut BytesMut) {
        let status = self.front.desk.status();
        if self.revision != Some(status.revision) {
            self.revision = Some(status.revision);
            self.told = self.front.clock.now();
            event(out, &Event::Progress { status });
        }
    }
}

/// Whether any of the kinds is in the feed: progress is looked at instead.
fn wants_feed(kinds: EventKinds) -> bool {
    let fed = [EventKind::Document, EventKind::Tree, EventKind::Queue];
    fed.into_iter().any(|kind| kinds.has(kind))
}

fn event(out: &mut BytesMut, event: &Event) {
    match serde_json::to_vec(event) {
        Ok(text) => write(out, Frame::Text(&text)),
        Err(error) => tracing::error!(%error, "an event has no JSON"),
    }
}
