//! [`Connection`]: one connection to a control port, and who waits for which reply.
use super::{Limits, Loss, MAX_UNDER_WAY, Watch, dial::Wire, outgoing::Outgoing};
use crate::clock::{Clock, Instant};
use bluefly_protocol::panda::control::{Command, Reply, ReplyDecoder};
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt as _,
    sync::{mpsc, oneshot},
};

/// A command that is to be sent, and who waits for its reply.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) command: Command,
    pub(super) within: Duration,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Reply, Broken>>,
}

/// There is no reply, and there will be none.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) was_sent: bool,
    pub(super) loss: Loss,
}

/// **Invariant:** whatever ends it, also that it is dropped, all who wait are told.
pub(super) struct Connection {
    asks: mpsc::Receiver<Ask>,
    /// Sent or about to be, in order. A deadline is never before that of an earlier one, as its
    /// reply cannot be.
    under_way: VecDeque<UnderWay>,
    outgoing: Outgoing,
    replies: ReplyDecoder,
    /// When the last reply came, or it began.
    heard: Instant,
    clock: Clock,
    watch: Option<Watch>,
    ended: Arc<OnceLock<Loss>>,
}

#[derive(Debug)]
struct UnderWay {
    /// Where in the bytes that are sent it begins.
    at: u64,
    within: Duration,
    deadline: Instant,
    /// `None` for a question that is asked to hear something.
    reply: Option<oneshot::Sender<Result<Reply, Broken>>>,
}

/// What is to be done next.
enum Turn {
    Received(usize),
    Sent,
    Asked(Ask),
    /// Nobody can ask any more.
    Left,
    /// A reply is due that has not come, or nothing was heard for a while.
    Due,
}

const RECEIVE_BYTES: usize = 16 << 10;

impl Connection {
    pub(super) fn new(
        asks: mpsc::Receiver<Ask>,
        limits: Limits,
        clock: Clock,
        ended: Arc<OnceLock<Loss>>,
    ) -> Self {
        Self {
            asks,
            under_way: VecDeque::new(),
            outgoing: Outgoing::default(),
            replies: ReplyDecoder::new(),
            heard: clock.now(),
            clock,
            watch: limits.watch,
            ended,
        }
    }

    /// Sends what is asked and hands out replies until the connection ends, and tells why.
    pub(super) async fn run(mut self, wire: impl Wire) -> Loss {
        let loss = self.converse(wire).await;
        self.end(&loss);
        loss
    }

    async fn converse(&mut self, wire: impl Wire) -> Loss {
        let (mut input, mut output) = tokio::io::split(wire);
        let mut received = vec![0; RECEIVE_BYTES];
        let mut may_be_asked = true;
        loop {
            if !may_be_asked && self.under_way.is_empty() {
                return Loss::GivenUp;
            }
            let has_room = self.under_way.len() < MAX_UNDER_WAY && self.outgoing.has_room();
            let (due, clock) = (self.due(), self.clock.clone());
            let turn = tokio::select! { biased;
                read = input.read(&mut received) => read.map(Turn::Received),
                sent = self.outgoing.send(&mut output), if !self.outgoing.is_empty() => {
                    sent.map(|()| Turn::Sent)
                }
                ask = self.asks.recv(), if may_be_asked && has_room => {
                    Ok(ask.map_or(Turn::Left, Turn::Asked))
                }
                () = until(&clock, due) => Ok(Turn::Due),
            };
            let done = match turn {
                Err(error) => Err(error.into()),
                Ok(Turn::Received(0)) => Err(Loss::Closed),
                Ok(Turn::Received(length)) => self.receive(&received[..length]),
                Ok(Turn::Sent) => Ok(()),
                Ok(Turn::Asked(ask)) => {
                    self.take(ask);
                    Ok(())
                }
                Ok(Turn::Left) => {
                    may_be_asked = false;
                    Ok(())
                }
                Ok(Turn::Due) => self.fall_due(),
            };
            if let Err(loss) = done {
                return loss;
            }
        }
    }

    /// When the first reply is due, or something is to be asked to hear anything at all.
    fn due(&self) -> Option<Instant> {
        match self.under_way.front() {
            Some(first) => Some(first.deadline),
            None => self.watch.map(|watch| self.heard + watch.after),
        }
    }

    fn fall_due(&mut self) -> Result<(), Loss> {
        if let Some(first) = self.under_way.front() {
            return Err(Loss::Silent { within: first.within });
        }
        if let Some(watch) = self.watch {
            let deadline = self.clock.now() + watch.within;
            let question = Command::query("*IDN").expect("a name without operators");
            self.push(&question, watch.within, deadline, None);
        }
        Ok(())
    }

    fn take(&mut self, ask: Ask) {
        let Ask { command, within, deadline, reply } = ask;
        self.push(&command, within, deadline, Some(reply));
    }

    fn push(
        &mut self,
        command: &Command,
        within: Duration,
        deadline: Instant,
        reply: Option<oneshot::Sender<Result<Reply, Broken>>>,
    ) {
        let at = self.outgoing.push(command.as_bytes());
        let next = UnderWay { at, within, deadline, reply };
        let next = match self.under_way.back() {
            Some(last) if last.deadline > deadline => {
                UnderWay { within: last.within, deadline: last.deadline, ..next }
            }
            Some(_) | None => next,
        };
        self.under_way.push_back(next);
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Loss> {
        self.replies.feed(bytes);
        while let Some(reply) = self.replies.next_reply()? {
            // What was not sent yet cannot be answered.
            let answered = |first: &UnderWay| self.outgoing.has_sent(first.at);
            if !self.under_way.front().is_some_and(answered) {
                return Err(Loss::Unasked);
            }
            self.heard = self.clock.now();
            let first = self.under_way.pop_front().and_then(|first| first.reply);
            if let Some(first) = first
                && first.send(Ok(reply)).is_err()
            {
                tracing::debug!("a reply came for somebody who had stopped waiting");
            }
        }
        if self.under_way.is_empty() && self.replies.is_within() {
            return Err(Loss::Unasked);
        }
        Ok(())
    }

    /// Tells all who wait; the first cause is the one that counts.
    fn end(&mut self, loss: &Loss) {
        let loss = self.ended.get_or_init(|| loss.clone()).clone();
        self.asks.close();
        let tell = |reply: oneshot::Sender<_>, was_sent| {
            if reply.send(Err(Broken { was_sent, loss: loss.clone() })).is_err() {
                tracing::debug!(%loss, "a command was lost for which nobody waits any more");
            }
        };
        for UnderWay { at, reply, .. } in self.under_way.drain(..) {
            if let Some(reply) = reply {
                tell(reply, self.outgoing.has_sent(at));
            }
        }
        while let Ok(ask) = self.asks.try_recv() {
            tell(ask.reply, false);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end(&Loss::GivenUp);
    }
}

async fn until(clock: &Clock, due: Option<Instant>) {
    match due {
        Some(due) => clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
}
