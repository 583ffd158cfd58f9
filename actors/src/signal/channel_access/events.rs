//! What becomes of the [`State`] when something happens.
use super::{
    convert,
    state::{Link, Observed, Outcome, Pv, Server, State, Waiter, bound, tell},
    watch::Verdict,
};
use crate::{
    backend::channel_access::{
        ChannelId, Command, Event, Properties, RequestId, Rights, Sample, Shape, Status,
        SubscriptionId, WatchdogConfig,
    },
    clock::Instant,
    signal::{Backlog, Metadata, NativeType, SignalError},
};
use std::{collections::BTreeMap, mem, rc::Rc};
use tokio::sync::oneshot;

impl State {
    pub(super) fn happen(&mut self, event: Event, now: Instant) {
        match event {
            Event::Up { channel, native, max_count, rights, server } => {
                let metadata = Rc::new(convert::undescribed(native, max_count, rights));
                self.up(channel, metadata, &server, now);
            }
            Event::Down { channel } => self.down(channel),
            Event::Failed { channel, status } => self.failed(channel, status),
            Event::Rights { channel, rights } => self.rights(channel, rights),
            Event::Properties { channel, properties } => self.described(channel, properties),
            Event::Sample { subscription, sample, replaced } => {
                self.sample(subscription, (sample, replaced), now);
            }
            Event::Got { request, sample } => self.got(request, sample, now),
            Event::Put { request, outcome } => self.put(request, outcome),
            Event::PutRefused { channel, status } => self.refused(channel, status),
            Event::Exception { status, text } => {
                tracing::warn!(%status, text, "exception of Channel Access");
            }
        }
    }

    fn up(&mut self, channel: ChannelId, metadata: Rc<Metadata>, server: &str, now: Instant) {
        let name = self.server_named(server);
        let Some(pv) = self.pvs.get_mut(&channel) else { return };
        pv.server = Some(Rc::clone(&name));
        pv.failed = None;
        // A string says no more of itself, and what may not be read says nothing.
        pv.is_described = metadata.native == NativeType::String || !metadata.access.read;
        // How an enum is used depends on its choices. Of others, who wants to know more will ask.
        let is_asked = metadata.native == NativeType::Enum || pv.described_as.is_some();
        let is_usable = pv.is_described || !is_asked;
        pv.link = Link::Undescribed(metadata);
        if is_usable {
            self.usable(channel);
        } else {
            self.describe(channel);
        }
        self.servers.entry(Rc::clone(&name)).or_default().channels.insert(channel);
        // It has answered a search.
        if self.servers.get(&name).is_some_and(|server| server.watch.is_silent()) {
            self.revive(&name, now);
        }
    }

    /// Asks a PV what it is, unless it has said so or was asked: then it says so when it is connected.
    pub(super) fn describe(&mut self, channel: ChannelId) {
        let Some(pv) = self.pvs.get_mut(&channel).filter(|pv| !pv.is_described) else { return };
        let (Link::Undescribed(metadata) | Link::Up(metadata) | Link::Silent(metadata)) = &pv.link
        else {
            return;
        };
        let native = convert::native(metadata.native);
        if pv.described_as.replace(native) != Some(native) {
            self.commands.push(Command::Describe { channel, native });
        }
    }

    /// The name of a server, shared by its PVs.
    fn server_named(&self, name: &str) -> Rc<str> {
        self.servers.get_key_value(name).map_or_else(|| Rc::from(name), |(name, _)| Rc::clone(name))
    }

    fn failed(&mut self, channel: ChannelId, status: Status) {
        let Some(pv) = self.pvs.get_mut(&channel) else { return };
        pv.failed = Some(status);
        tell_all(&mut pv.waiting);
    }

    fn down(&mut self, channel: ChannelId) {
        self.leave_server(channel);
        self.fail_requests(channel);
        let Some(pv) = self.pvs.get_mut(&channel) else { return };
        tell_all(&mut pv.waiting);
        match mem::replace(&mut pv.link, Link::Down) {
            Link::Up(_) | Link::Undescribed(_) => self.tell_loss(channel),
            // They know.
            Link::Silent(_) | Link::Down => {}
        }
    }

    fn tell_loss(&mut self, channel: ChannelId) {
        let Some(pv) = self.pvs.get(&channel) else { return };
        pv.lost.notify_waiters();
        for subscription in &pv.subscriptions {
            if let Some(observed) = self.subscriptions.get_mut(subscription) {
                observed.tell_loss();
            }
        }
    }

    fn rights(&mut self, channel: ChannelId, rights: Rights) {
        let Some(pv) = self.pvs.get_mut(&channel) else { return };
        let (Link::Undescribed(metadata) | Link::Up(metadata) | Link::Silent(metadata)) =
            &mut pv.link
        else {
            return;
        };
        let access = convert::access(rights);
        if metadata.access == access {
            return;
        }
        let could_read = mem::replace(&mut Rc::make_mut(metadata).access, access).read;
        if !could_read && rights.read {
            pv.is_described = metadata.native == NativeType::String;
            // What it would not say then, it is asked anew.
            let was_asked = pv.described_as.take().is_some();
            if was_asked || metadata.native == NativeType::Enum {
                self.describe(channel);
            }
            self.resubscribe(channel);
        }
    }

    /// The PV has said what it is, or that it says nothing.
    fn described(&mut self, channel: ChannelId, properties: Option<Box<Properties>>) {
        let Some(pv) = self.pvs.get_mut(&channel) else { return };
        let (Link::Undescribed(metadata) | Link::Up(metadata) | Link::Silent(metadata)) =
            &mut pv.link
        else {
            return;
        };
        if let Some(properties) = properties {
            convert::describe(Rc::make_mut(metadata), *properties);
        }
        pv.is_described = true;
        self.usable(channel);
    }

    /// All is known of a PV that its use needs.
    fn usable(&mut self, channel: ChannelId) {
        let Some(pv) = self.pvs.get_mut(&channel) else { return };
        let (Link::Undescribed(metadata) | Link::Up(metadata) | Link::Silent(metadata)) = &pv.link
        else {
            return;
        };
        let metadata = Rc::clone(metadata);
        pv.last = Some(Rc::clone(&metadata));
        if !matches!(pv.link, Link::Silent(_)) {
            pv.link = Link::Up(Rc::clone(&metadata));
            tell_all(&mut pv.waiting);
        }
        for subscription in pv.subscriptions.clone() {
            let Some(observed) = self.subscriptions.get_mut(&subscription) else { continue };
            let plan = convert::plan(&observed.address, observed.kind, &metadata);
            if observed.plan == plan.as_ref().ok().copied() {
                let held = mem::take(&mut observed.held);
                for sample in held {
                    deliver(observed, sample);
                }
            } else {
                self.observe_anew(subscription, &metadata);
            }
        }
    }

    /// Observers of a PV get its present value.
    fn resubscribe(&mut self, channel: ChannelId) {
        let Some(pv) = self.pvs.get(&channel) else { return };
        let Some(metadata) = pv.last.clone() else { return };
        for subscription in pv.subscriptions.clone() {
            self.observe_anew(subscription, &metadata);
        }
    }

    fn observe_anew(&mut self, subscription: SubscriptionId, metadata: &Metadata) {
        let Some(mut observed) = self.unsubscribe(subscription) else { return };
        observed.held.clear();
        match convert::plan(&observed.address, observed.kind, metadata) {
            Ok(plan) => observed.plan = Some(plan),
            Err(error) => {
                observed.plan = None;
                observed.feed.push(Err(error));
            }
        }
        self.subscribe(observed);
    }

    fn sample(
        &mut self,
        subscription: SubscriptionId,
        sample: (Outcome<Sample>, u32),
        now: Instant,
    ) {
        let Some(observed) = self.subscriptions.get_mut(&subscription) else { return };
        observed.heard = Some(now);
        match self.pvs.get(&observed.channel).map(|pv| &pv.link) {
            Some(Link::Up(_)) => deliver(observed, sample),
            Some(Link::Undescribed(_)) => {
                if observed.held.len() == bound(observed.backlog).max(1) {
                    drop(observed.held.remove(0));
                }
                observed.held.push(sample);
            }
            // It is from before the silence; the present value comes after it.
            Some(Link::Silent(_) | Link::Down) | None => {}
        }
        if !observed.feed.is_observed() {
            self.unsubscribe(subscription);
        }
    }

    fn got(&mut self, id: RequestId, sample: Outcome<Sample>, now: Instant) {
        match self.requests.remove(&id).map(|request| request.waiter) {
            Some(Waiter::Get(reply)) => tell(reply, sample),
            Some(Waiter::Watchdog) => {
                let server = self.pvs.get(&Self::channel_of(id)).and_then(|pv| pv.server.clone());
                let Some(name) = server else { return };
                let Some(server) = self.servers.get_mut(&name) else { return };
                match sample {
                    Err(_) => server.watch.forgotten(),
                    Ok(_) if server.watch.answered(now) => self.revive(&name, now),
                    Ok(_) => {}
                }
            }
            Some(Waiter::Put { .. } | Waiter::Abandoned) | None => {}
        }
    }

    fn put(&mut self, id: RequestId, outcome: Outcome<()>) {
        if let Some(Waiter::Put { reply, refusal, .. }) =
            self.requests.remove(&id).map(|request| request.waiter)
        {
            tell(reply, refusal.map_or(outcome, Err));
        }
    }

    /// The server did not take the oldest plain put that has not ended.
    fn refused(&mut self, channel: ChannelId, status: Status) {
        let mut requests = self.requests_of(channel);
        let oldest = requests.find(|(_, request)| {
            matches!(request.waiter, Waiter::Put { is_plain: true, refusal: None, .. })
        });
        let Some((oldest, _)) = oldest else { return };
        drop(requests);
        if let Some(Waiter::Put { refusal, .. }) =
            self.requests.get_mut(&oldest).map(|request| &mut request.waiter)
        {
            *refusal = Some(status);
        }
    }

    /// Looks after the servers that are observed or owe an answer; tells when to do so again.
    pub(super) fn patrol(&mut self, now: Instant, config: WatchdogConfig) -> Option<Instant> {
        self.sweep();
        let mut next = None;
        for (name, heard) in self.watched() {
            let Some(server) = self.servers.get_mut(&name) else { continue };
            let again = match server.watch.judge(now, heard, config) {
                Verdict::Wait(until) => until,
                Verdict::Ask => {
                    self.ask(&name);
                    now + config.period.min(config.patience)
                }
                Verdict::Silence => {
                    tracing::warn!(server = &*name, "does not answer: it counts as disconnected");
                    self.silence(&name);
                    now + config.period
                }
            };
            next = Some(next.map_or(again, |next: Instant| next.min(again)));
        }
        next
    }

    /// The servers to look after, and when their observers last heard of them.
    fn watched(&self) -> BTreeMap<Rc<str>, Option<Instant>> {
        let server = |channel: ChannelId| self.pvs.get(&channel)?.server.clone();
        let is_queued = |channel| self.pvs.get(&channel).is_some_and(Pv::is_queued);
        let mut watched: BTreeMap<Rc<str>, Option<Instant>> = BTreeMap::new();
        for observed in self.subscriptions.values() {
            if let Some(server) = server(observed.channel) {
                let heard = watched.entry(server).or_default();
                *heard = (*heard).max(observed.heard);
            }
        }
        for (id, request) in &self.requests {
            let channel = Self::channel_of(*id);
            if (request.waiter.is_awaited() || is_queued(channel))
                && let Some(server) = server(channel)
            {
                watched.entry(server).or_default();
            }
        }
        let silent = self.servers.iter().filter(|(_, server)| server.watch.is_silent());
        for (name, _) in silent {
            watched.entry(Rc::clone(name)).or_default();
        }
        watched
    }

    /// Asks a server for any value.
    fn ask(&mut self, name: &Rc<str>) {
        let channels = self.servers.get(name).map(|server| &server.channels);
        let readable = channels.into_iter().flatten().find_map(|channel| {
            let (Link::Undescribed(metadata) | Link::Up(metadata) | Link::Silent(metadata)) =
                &self.pvs.get(channel)?.link
            else {
                return None;
            };
            metadata.access.read.then(|| (*channel, convert::native(metadata.native)))
        });
        let Some((channel, native)) = readable else {
            // Nobody here can tell a silence, so that none is found.
            self.servers.entry(Rc::clone(name)).and_modify(|server| server.watch.forgotten());
            return;
        };
        let request = self.request(channel, Waiter::Watchdog, Vec::new());
        self.commands.push(Command::Get { channel, request, native, shape: Shape::One });
    }

    fn silence(&mut self, name: &Rc<str>) {
        let Some(server) = self.servers.get(name) else { return };
        for channel in server.channels.clone() {
            let Some(pv) = self.pvs.get_mut(&channel) else { continue };
            if let Link::Up(metadata) | Link::Undescribed(metadata) =
                mem::replace(&mut pv.link, Link::Down)
            {
                pv.link = Link::Silent(metadata);
            }
            tell_all(&mut pv.waiting);
            self.abandon_requests(channel);
            self.tell_loss(channel);
        }
    }

    /// The server answers again: all is as it was, and observers get the present value.
    fn revive(&mut self, name: &Rc<str>, now: Instant) {
        let Some(Server { channels, watch }) = self.servers.get_mut(name) else { return };
        tracing::warn!(server = &**name, "answers again");
        watch.answered(now);
        for channel in channels.clone() {
            let Some(pv) = self.pvs.get_mut(&channel) else { continue };
            if let Link::Silent(metadata) = &pv.link {
                pv.link = Link::Up(metadata.clone());
                tell_all(&mut pv.waiting);
                self.resubscribe(channel);
            }
        }
    }
}

fn tell_all(waiting: &mut Vec<oneshot::Sender<()>>) {
    for waiting in mem::take(waiting) {
        tell(waiting, ());
    }
}

fn deliver(observed: &Observed, (sample, replaced): (Outcome<Sample>, u32)) {
    if replaced > 0 && matches!(observed.backlog, Backlog::Queue(_)) {
        observed.feed.lose(replaced.into());
    }
    let signal = &observed.address;
    observed.feed.push(match sample {
        Ok(sample) => convert::reading(signal, observed.kind, sample),
        Err(status) if status.is_denial() => {
            Err(SignalError::NoAccess { signal: signal.to_string(), operation: "read" })
        }
        Err(status) => {
            if !status.is_loss() {
                tracing::warn!(%signal, %status, "cannot be observed");
            }
            Err(SignalError::Disconnected { signal: signal.to_string() })
        }
    });
}

#[cfg(test)]
mod tests;
