//! [`ChildSpec`]: how a supervisor makes, watches, restarts and stops one child.
use super::{
    exit::Exit,
    life::Readiness,
    reference::{AskError, Ref},
    start::{Address, Branch, Local, Seat, Start, Threaded},
    supervisor::Supervisor,
};
use crate::supervise::lifeline::Lifeline;
use actix::{Actor, Context, Handler, Message, dev::ToEnvelope};
use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

/// Which exits a child is restarted after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// All of them.
    Permanent,
    /// Abnormal ones: a child that has finished its work stays down.
    Transient,
    /// None.
    Temporary,
}

/// How long to wait before a restart: `first`, then twice as long after each death, up to `max`;
/// from the beginning again after an incarnation that ran for `reset_after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub max: Duration,
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            max: Duration::from_secs(30),
            reset_after: Duration::from_mins(1),
        }
    }
}

impl Backoff {
    /// Restarts at once, always.
    pub const NONE: Self =
        Self { first: Duration::ZERO, max: Duration::ZERO, reset_after: Duration::ZERO };

    /// The wait after `deaths` deaths in a row before this one.
    pub fn wait(&self, deaths: u32) -> Duration {
        let factor = 2_u32.saturating_pow(deaths);
        self.first.saturating_mul(factor).min(self.max)
    }
}

/// Are you there? A supervised actor that is probed answers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping;

impl Message for Ping {
    type Result = ();
}

/// How one child is probed.
pub(super) struct Probe {
    pub(super) every: Duration,
    /// Resolves false if no answer came within the deadline.
    pub(super) ask: Box<dyn Fn() -> Answer>,
}

pub(super) type Answer = Pin<Box<dyn Future<Output = bool>>>;

/// How to make, watch, restart and stop one child. Permanent unless told otherwise.
pub struct ChildSpec {
    pub(super) id: Arc<str>,
    pub(super) restart: Restart,
    pub(super) shutdown: Duration,
    pub(super) readiness: Readiness,
    pub(super) start_within: Option<Duration>,
    pub(super) backoff: Backoff,
    pub(super) probe: Option<Probe>,
    pub(super) mailbox: usize,
    pub(super) start: Box<dyn Start>,
}

/// How long a child has to stop, unless its spec says otherwise.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// How many messages wait in a mailbox, unless the spec says otherwise.
const MAILBOX: usize = 16;

impl ChildSpec {
    /// A child that is an actor. `factory` makes a fresh one for every incarnation; messages that
    /// were queued for an earlier one are lost, and their senders are told.
    pub fn new<A, F>(id: &str, factory: F) -> (Self, Ref<A>)
    where
        A: Actor<Context = Context<A>>,
        F: FnMut(&mut Context<A>, Lifeline) -> A + 'static,
    {
        let (address, reference) = Address::new(id);
        (Self::with(id, Local::new(address, factory)), reference)
    }

    /// The same for a branch that may be planned anew: whoever has the reference of `seat` reaches
    /// the actor in every plan.
    pub fn seated<A, F>(seat: &Seat<A>, factory: F) -> Self
    where
        A: Actor<Context = Context<A>>,
        F: FnMut(&mut Context<A>, Lifeline) -> A + 'static,
    {
        Self::with(seat.id(), Local::new(seat.address(), factory))
    }

    /// A child that is an actor with an OS thread of its own for each incarnation, so that one
    /// which blocks can be given up and replaced.
    ///
    /// What a blocked incarnation still answers reaches nobody; what it still does to hardware must
    /// be refused by whoever owns the connection, by [`Lifeline::incarnation`]. In a simulation the
    /// actor runs on the common thread: other threads have their own time.
    pub fn threaded<A, F>(id: &str, factory: F) -> (Self, Ref<A>)
    where
        A: Actor<Context = Context<A>>,
        F: Fn(&mut Context<A>, Lifeline) -> A + Send + Sync + 'static,
    {
        let (address, reference) = Address::new(id);
        (Self::with(id, Threaded::new(address, factory)), reference)
    }

    /// A child that is a supervisor. `factory` plans its sub-tree anew for every incarnation. It
    /// has all the time it wants to stop.
    pub fn supervisor(id: &str, factory: impl FnMut() -> Supervisor + 'static) -> Self {
        Self::with(id, Branch::new(id, factory)).shutdown(Duration::MAX)
    }

    fn with(id: &str, start: impl Start + 'static) -> Self {
        Self {
            id: id.into(),
            restart: Restart::Permanent,
            shutdown: SHUTDOWN,
            readiness: Readiness::Started,
            start_within: None,
            backoff: Backoff::default(),
            probe: None,
            mailbox: MAILBOX,
            start: Box::new(start),
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sets which exits it is restarted after.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Sets how long it has to stop before it is killed.
    pub fn shutdown(mut self, within: Duration) -> Self {
        self.shutdown = within;
        self
    }

    /// The child says itself when it is ready ([`Lifeline::ready`]); one that does not within
    /// `limit` is killed. Until then nobody can reach it and later children are not started.
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.readiness = Readiness::Told;
        self.start_within = Some(limit);
        self
    }

    /// Sets how long to wait before a restart.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how many messages may wait before senders are refused.
    pub fn mailbox(mut self, messages: usize) -> Self {
        self.mailbox = messages;
        self
    }

    /// Has the child answer a [`Ping`] every so often; one that does not answer within `deadline` is
    /// killed. `reference` is the one that came with this spec.
    pub fn probe<A>(mut self, reference: &Ref<A>, every: Duration, deadline: Duration) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<Ping>,
        Context<A>: ToEnvelope<A, Ping>,
    {
        let reference = reference.clone();
        let ask = move || -> Answer {
            let reference = reference.clone();
            Box::pin(async move {
                match reference.probe(Ping, deadline).await {
                    Err(AskError::Timeout(_)) => false,
                    // A child that is down is seen by its exit.
                    Ok(())
                    | Err(AskError::Down(_) | AskError::Overloaded(_) | AskError::Lost(_)) => true,
                }
            })
        };
        self.probe = Some(Probe { every, ask: Box::new(ask) });
        self
    }

    /// Whether the child is restarted after `exit`.
    pub fn may_restart(&self, exit: &Exit) -> bool {
        match self.restart {
            Restart::Permanent => true,
            Restart::Transient => exit.is_abnormal(),
            Restart::Temporary => false,
        }
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildSpec({}, {:?})", self.id, self.restart)
    }
}
