//! [`State`]: what is known of PVs, of who observes them, and of what they were asked.
use super::{
    convert::{self, Plan},
    watch::Watch,
};
use crate::{
    backend::channel_access::{
        ChannelAccessConfig, ChannelId, Command, Native, RequestId, Sample, Status, SubscriptionId,
        Task,
    },
    clock::Instant,
    signal::{Absence, Backlog, Feed, Kind, Metadata, SignalError},
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    mem,
    rc::Rc,
    sync::Arc,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// How a request ended.
pub(super) type Outcome<T> = Result<T, Status>;

/// Who waits for the end of a request.
#[derive(Debug)]
pub(super) enum Waiter {
    Get(oneshot::Sender<Outcome<Sample>>),
    /// A plain put has what the server said against it, which comes before its end.
    Put {
        reply: oneshot::Sender<Outcome<()>>,
        is_plain: bool,
        refusal: Option<Status>,
    },
    /// Whose end is waited for by others only: its caller was told that it is lost.
    Abandoned,
    /// The watchdog.
    Watchdog,
}

#[derive(Debug)]
pub(super) struct Request {
    pub waiter: Waiter,
    /// Its place among those that may be under way, and that of a put-callback among those of its PV.
    pub _permits: Vec<OwnedSemaphorePermit>,
}

/// How a PV can be reached.
#[derive(Debug)]
pub(super) enum Link {
    Down,
    /// It is connected, but has not said yet what must be known before it is used.
    Undescribed(Rc<Metadata>),
    Up(Rc<Metadata>),
    /// It is connected, but its server does not answer.
    Silent(Rc<Metadata>),
}

#[derive(Debug)]
pub(super) struct Pv {
    pub link: Link,
    pub server: Option<Rc<str>>,
    /// What it was last, for those who want to observe it while it is down.
    pub last: Option<Rc<Metadata>>,
    /// As what it was asked to say what it is, as it then does after each reconnection.
    pub described_as: Option<Native>,
    /// Whether it has said all of it since it was connected.
    pub is_described: bool,
    /// Since when it is searched for.
    pub wanted: Instant,
    /// Why it was lost last.
    pub absence: Option<Absence>,
    /// Why it will not connect.
    pub failed: Option<Status>,
    /// Who waits for it to be connected, or to say what it is.
    pub waiting: Vec<oneshot::Sender<()>>,
    pub subscriptions: BTreeSet<SubscriptionId>,
    /// Puts-callback have their turn: a server that is still at one takes nothing more from its circuit.
    pub turn: Arc<Semaphore>,
    /// Tells those who wait for their turn that the link is lost.
    pub lost: Rc<Notify>,
}

/// Somebody who observes.
#[derive(Debug)]
pub(super) struct Observed {
    pub channel: ChannelId,
    pub address: Rc<str>,
    pub kind: Kind,
    pub backlog: Backlog,
    pub feed: Feed,
    pub plan: Option<Plan>,
    /// What came while the PV had not said what it is.
    pub held: Vec<(Outcome<Sample>, u32)>,
    pub heard: Option<Instant>,
}

/// A command that the thread that sends has not got behind it, and since when it was seen there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub task: Task,
    pub since: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Server {
    pub channels: BTreeSet<ChannelId>,
    pub watch: Watch,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub pvs: BTreeMap<ChannelId, Pv>,
    pub subscriptions: BTreeMap<SubscriptionId, Observed>,
    pub requests: BTreeMap<RequestId, Request>,
    pub servers: BTreeMap<Rc<str>, Server>,
    /// The servers of PVs that are being let go of: they may hold that up.
    pub leaving: BTreeMap<ChannelId, Rc<str>>,
    /// What leaves with the next flush.
    pub commands: Vec<Command>,
    /// What the thread that sends was at when somebody last looked.
    pub held: Option<Held>,
    pub next_patrol: Option<Instant>,
    /// Servers may have spoken while we did not run.
    pub no_silence_before: Option<Instant>,
    last_channel: u32,
    last_subscription: u64,
    last_request: u32,
}

impl Pv {
    pub(super) fn new(wanted: Instant) -> Self {
        Self {
            wanted,
            absence: None,
            link: Link::Down,
            server: None,
            last: None,
            described_as: None,
            is_described: false,
            failed: None,
            waiting: Vec::new(),
            subscriptions: BTreeSet::new(),
            turn: Arc::new(Semaphore::new(1)),
            lost: Rc::default(),
        }
    }
}

/// The channel of a request is part of its number, so that all of one channel are neighbours.
const CHANNEL_SHIFT: u32 = 32;

impl State {
    pub(super) fn new_channel(&mut self) -> ChannelId {
        self.last_channel += 1;
        ChannelId(self.last_channel.into())
    }

    /// Notes a request, and gives it a number.
    pub(super) fn request(
        &mut self,
        channel: ChannelId,
        waiter: Waiter,
        permits: Vec<OwnedSemaphorePermit>,
    ) -> RequestId {
        loop {
            self.last_request = self.last_request.wrapping_add(1);
            let id = RequestId((channel.0 << CHANNEL_SHIFT) | u64::from(self.last_request));
            // A long put may be under way since the numbers began anew.
            if let Entry::Vacant(vacant) = self.requests.entry(id) {
                vacant.insert(Request { waiter, _permits: permits });
                return id;
            }
        }
    }

    /// Subscribes for an observer, or tells him why not.
    pub(super) fn subscribe(&mut self, observed: Observed) {
        let Some(pv) = self.pvs.get_mut(&observed.channel) else { return };
        self.last_subscription += 1;
        let subscription = SubscriptionId(self.last_subscription);
        pv.subscriptions.insert(subscription);
        if let Some(Plan { native, shape }) = observed.plan {
            let (channel, bound) = (observed.channel, bound(observed.backlog));
            self.commands.push(Command::Subscribe { channel, subscription, native, shape, bound });
        }
        self.subscriptions.insert(subscription, observed);
    }

    pub(super) fn unsubscribe(&mut self, subscription: SubscriptionId) -> Option<Observed> {
        let observed = self.subscriptions.remove(&subscription)?;
        if let Some(pv) = self.pvs.get_mut(&observed.channel) {
            pv.subscriptions.remove(&subscription);
        }
        if observed.plan.is_some() {
            let channel = observed.channel;
            self.commands.push(Command::Unsubscribe { channel, subscription });
        }
        Some(observed)
    }

    /// Lets go of a PV that nobody has any more, with those who observed it.
    pub(super) fn clear(&mut self, channel: ChannelId) {
        let Some(pv) = self.pvs.get(&channel) else { return };
        let (server, subscriptions) = (pv.server.clone(), pv.subscriptions.clone());
        for subscription in subscriptions {
            self.unsubscribe(subscription);
        }
        self.leaving.extend(server.map(|server| (channel, server)));
        self.leave_server(channel);
        self.fail_requests(channel);
        self.pvs.remove(&channel);
        self.commands.push(Command::Clear { channel });
    }

    /// Lets go of those whose observers are gone, and of what nobody waits for.
    pub(super) fn sweep(&mut self) {
        self.requests.retain(|_, request| match &request.waiter {
            Waiter::Get(reply) => !reply.is_closed(),
            // A put goes on, and its refusal is told by its channel alone.
            Waiter::Put { .. } | Waiter::Abandoned | Waiter::Watchdog => true,
        });
        let gone = self.subscriptions.iter().filter(|(_, observed)| !observed.feed.is_observed());
        for subscription in gone.map(|(subscription, _)| *subscription).collect::<Vec<_>>() {
            self.unsubscribe(subscription);
        }
    }

    pub(super) fn channel_of(request: RequestId) -> ChannelId {
        ChannelId(request.0 >> CHANNEL_SHIFT)
    }

    /// All requests of a channel that are under way, oldest first.
    pub(super) fn requests_of(
        &self,
        channel: ChannelId,
    ) -> impl Iterator<Item = (RequestId, &Request)> {
        let first = RequestId(channel.0 << CHANNEL_SHIFT);
        let last = RequestId(first.0 | u64::from(u32::MAX));
        self.requests.range(first..=last).map(|(id, request)| (*id, request))
    }

    /// Ends the requests of a channel, but for the question of the watchdog.
    pub(super) fn fail_requests(&mut self, channel: ChannelId) {
        let all = self.requests_of(channel).filter(|(_, request)| !request.waiter.is_watchdog());
        for id in all.map(|(id, _)| id).collect::<Vec<_>>() {
            match self.requests.remove(&id).map(|request| request.waiter) {
                Some(Waiter::Get(reply)) => tell(reply, Err(Status::DISCONNECTED)),
                Some(Waiter::Put { reply, .. }) => tell(reply, Err(Status::DISCONNECTED)),
                Some(Waiter::Abandoned | Waiter::Watchdog) | None => {}
            }
        }
    }

    /// Tells that the requests of a channel are lost. Its server may still be at a put-callback, which
    /// therefore ends with its event or its link.
    pub(super) fn abandon_requests(&mut self, channel: ChannelId) {
        let puts = self.requests_of(channel).filter(|(_, request)| {
            matches!(request.waiter, Waiter::Put { is_plain: false, .. } | Waiter::Abandoned)
        });
        let puts: Vec<_> = puts.map(|(id, _)| id).collect();
        let kept: Vec<_> =
            puts.into_iter().filter_map(|id| self.requests.remove_entry(&id)).collect();
        self.fail_requests(channel);
        for (id, mut request) in kept {
            if let Waiter::Put { reply, .. } = mem::replace(&mut request.waiter, Waiter::Abandoned)
            {
                tell(reply, Err(Status::DISCONNECTED));
            }
            self.requests.insert(id, request);
        }
    }

    /// The channel is none of its server any more, which forgets what it was asked by it.
    pub(super) fn leave_server(&mut self, channel: ChannelId) {
        let Some(name) = self.pvs.get_mut(&channel).and_then(|pv| pv.server.take()) else { return };
        let questions =
            self.requests_of(channel).filter(|(_, request)| request.waiter.is_watchdog());
        let questions: Vec<_> = questions.map(|(id, _)| id).collect();
        let Some(server) = self.servers.get_mut(&name) else { return };
        for question in questions {
            self.requests.remove(&question);
            server.watch.forgotten();
        }
        server.channels.remove(&channel);
        if server.channels.is_empty() {
            self.servers.remove(&name);
        }
    }
}

impl Pv {
    /// Why it cannot be reached.
    pub(super) fn absence(&self, now: Instant) -> Absence {
        match (&self.link, &self.server) {
            (Link::Undescribed(_), Some(server)) => Absence::Unready { server: server.to_string() },
            // Its requests tell the loss before its link does.
            (Link::Up(_), Some(server)) => Absence::Closed { server: server.to_string() },
            _ => self.absence.clone().unwrap_or_else(|| Absence::NeverFound {
                searched_for: now.saturating_since(self.wanted),
                searched_at: ChannelAccessConfig::searched(),
            }),
        }
    }

    /// Bytes of its value, if that is an array.
    pub(super) fn array_bytes(&self) -> usize {
        match &self.link {
            Link::Undescribed(metadata) | Link::Up(metadata) | Link::Silent(metadata)
                if metadata.max_count > 1 =>
            {
                metadata.max_count.saturating_mul(convert::native(metadata.native).bytes())
            }
            Link::Undescribed(_) | Link::Up(_) | Link::Silent(_) | Link::Down => 0,
        }
    }

    /// Whether somebody waits for the turn of his put-callback.
    pub(super) fn is_queued(&self) -> bool {
        // Those who wait have it too.
        Rc::strong_count(&self.lost) > 1
    }
}

impl Waiter {
    /// Whether its caller still waits.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Self::Get(reply) => !reply.is_closed(),
            Self::Put { reply, .. } => !reply.is_closed(),
            Self::Abandoned | Self::Watchdog => false,
        }
    }

    pub(super) const fn is_watchdog(&self) -> bool {
        matches!(self, Self::Watchdog)
    }
}

impl Observed {
    /// The loss of the link.
    pub(super) fn tell_loss(&mut self, absence: Absence) {
        self.held.clear();
        let signal = self.address.to_string();
        self.feed.push(Err(SignalError::Disconnected { signal, absence: Box::new(absence) }));
    }
}

/// Samples that may wait for an observer.
pub(super) const fn bound(backlog: Backlog) -> usize {
    match backlog {
        Backlog::Latest => 1,
        Backlog::Queue(bound) => bound,
    }
}

/// Nobody may be waiting any more.
pub(super) fn tell<T>(reply: oneshot::Sender<T>, outcome: T) {
    drop(reply.send(outcome));
}
