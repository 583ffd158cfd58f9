//! What becomes of the [`State`] when something happens.
use super::{
    convert,
    state::{Link, Observed, Outcome, State, Waiter, bound, tell},
};
use crate::{
    backend::channel_access::{
        ChannelId, Command, Event, Properties, RequestId, Rights, Sample, Status, SubscriptionId,
    },
    clock::Instant,
    signal::{Absence, Backlog, Metadata, NativeType, SignalError},
};
use std::{mem, rc::Rc};
use tokio::sync::oneshot;

impl State {
    pub(super) fn happen(&mut self, event: Event, now: Instant) {
        match event {
            Event::Up { channel, native, max_count, rights, server } => {
                let metadata = Rc::new(convert::undescribed(native, max_count, rights));
                self.up(channel, metadata, &server, now);
            }
            Event::Down { channel } => self.down(channel, now),
            Event::Failed { channel, status } => self.failed(channel, status),
            Event::Rights { channel, rights } => self.rights(channel, rights),
            Event::Properties { channel, properties } => self.described(channel, properties),
            Event::Sample { subscription, sample, replaced } => {
                self.sample(subscription, (sample, replaced), now);
            }
            Event::Cleared { channel } => drop(self.leaving.remove(&channel)),
            Event::Asked { request } => self.asked(request, now),
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

    fn down(&mut self, channel: ChannelId, now: Instant) {
        let server = self.pvs.get(&channel).and_then(|pv| pv.server.clone());
        self.leave_server(channel);
        self.fail_requests(channel);
        let Some(pv) = self.pvs.get_mut(&channel) else { return };
        tell_all(&mut pv.waiting);
        match mem::replace(&mut pv.link, Link::Down) {
            Link::Up(_) | Link::Undescribed(_) => {
                pv.absence = server.map(|name| Absence::Closed { server: name.to_string() });
                self.tell_loss(channel, now);
            }
            // They know.
            Link::Silent(_) | Link::Down => {}
        }
    }

    pub(super) fn tell_loss(&mut self, channel: ChannelId, now: Instant) {
        let Some(pv) = self.pvs.get(&channel) else { return };
        pv.lost.notify_waiters();
        let absence = pv.absence(now);
        for subscription in &pv.subscriptions {
            if let Some(observed) = self.subscriptions.get_mut(subscription) {
                observed.tell_loss(absence.clone());
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
        let server = pv.server.clone();
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
                    deliver(observed, sample, server.as_ref());
                }
            } else {
                self.observe_anew(subscription, &metadata);
            }
        }
    }

    /// Observers of a PV get its present value.
    pub(super) fn resubscribe(&mut self, channel: ChannelId) {
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
        match self.pvs.get(&observed.channel).map(|pv| (&pv.link, &pv.server)) {
            Some((Link::Up(_), server)) => deliver(observed, sample, server.as_ref()),
            Some((Link::Undescribed(_), _)) => {
                if observed.held.len() == bound(observed.backlog).max(1) {
                    drop(observed.held.remove(0));
                }
                observed.held.push(sample);
            }
            // It is from before the silence; the present value comes after it.
            Some((Link::Silent(_) | Link::Down, _)) | None => {}
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
}

pub(super) fn tell_all(waiting: &mut Vec<oneshot::Sender<()>>) {
    for waiting in mem::take(waiting) {
        tell(waiting, ());
    }
}

fn deliver(
    observed: &Observed,
    (sample, replaced): (Outcome<Sample>, u32),
    server: Option<&Rc<str>>,
) {
    if replaced > 0 && matches!(observed.backlog, Backlog::Queue(_)) {
        observed.feed.lose(replaced.into());
    }
    let signal = &observed.address;
    observed.feed.push(match sample {
        Ok(sample) => convert::reading(signal, observed.kind, sample),
        Err(status) if status.is_denial() => {
            Err(SignalError::NoAccess { signal: signal.to_string(), operation: "read" })
        }
        Err(status) if !status.is_loss() => {
            Err(SignalError::Unreadable { signal: signal.to_string(), reason: status.to_string() })
        }
        Err(_) => {
            let closed = |server: &Rc<str>| Absence::Closed { server: server.to_string() };
            let absence = server.map_or(Absence::Unknown, closed);
            let absence = Box::new(absence);
            Err(SignalError::Disconnected { signal: signal.to_string(), absence })
        }
    });
}

#[cfg(test)]
mod tests;
