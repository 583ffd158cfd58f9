//! Which servers are asked whether they live, and what becomes of those that do not answer.
use super::{
    convert,
    events::tell_all,
    state::{Held, Link, Server, State, Waiter},
    watch::{Evidence, Verdict},
};
use crate::{
    backend::channel_access::{Command, RequestId, Task, WatchdogConfig},
    clock::Instant,
    signal::Absence,
};
use std::{collections::BTreeMap, mem, rc::Rc, time::Duration};

/// As slowly may arrays come and go: a slow network, and a server which is at nothing else.
const BYTES_A_SECOND: f64 = 4e6;
/// However large they are: by then libca asks by itself.
const MOST_EXTRA: Duration = Duration::from_secs(3);

impl State {
    /// What the thread that sends is at; the same again means that a server holds it up.
    pub(super) fn sender_is_at(&mut self, task: Option<Task>, now: Instant) {
        self.held = task.map(|task| match self.held {
            Some(held) if held.task == task => held,
            _ => Held { task, since: now },
        });
    }

    /// A question of the watchdog has left.
    pub(super) fn asked(&mut self, request: RequestId, now: Instant) {
        if !self.requests.get(&request).is_some_and(|request| request.waiter.is_watchdog()) {
            return;
        }
        let pv = self.pvs.get(&Self::channel_of(request));
        if let Some(name) = pv.and_then(|pv| pv.server.as_ref())
            && let Some(server) = self.servers.get_mut(name)
        {
            server.watch.sent(now);
        }
    }

    /// Looks after the servers that are observed or owe an answer; tells when to do so again.
    pub(super) fn patrol(&mut self, now: Instant, config: WatchdogConfig) -> Option<Instant> {
        self.sweep();
        if self.next_patrol.is_some_and(|due| now > due + config.period) {
            // We did not run: nor may the threads have that hear the servers.
            self.no_silence_before = Some(now + config.period);
        }
        let mut next = None;
        for (name, evidence) in self.watched() {
            let Some(server) = self.servers.get_mut(&name) else { continue };
            let again = match server.watch.judge(now, &evidence, config) {
                Verdict::Wait(until) => until,
                Verdict::Ask => {
                    self.ask(&name);
                    now + config.patience
                }
                Verdict::Silence(after) => {
                    let ms = after.as_millis();
                    tracing::warn!(
                        server = &*name,
                        ms,
                        "does not answer: it counts as disconnected"
                    );
                    self.silence(&name, after, now);
                    now + config.period
                }
            };
            // What holds up a question shows once a period.
            let again = again.min(now + config.period);
            next = Some(next.map_or(again, |next: Instant| next.min(again)));
        }
        self.next_patrol = next;
        next
    }

    /// The servers to look after, and what they are judged by.
    fn watched(&self) -> BTreeMap<Rc<str>, Evidence> {
        let mut watched: BTreeMap<Rc<str>, (Evidence, usize)> = BTreeMap::new();
        for observed in self.subscriptions.values() {
            if let Some(pv) = self.pvs.get(&observed.channel)
                && let Some(server) = &pv.server
            {
                let (evidence, bytes) = watched.entry(Rc::clone(server)).or_default();
                evidence.heard = evidence.heard.max(observed.heard);
                if observed.heard.is_none() {
                    *bytes += pv.array_bytes();
                }
            }
        }
        for (id, request) in &self.requests {
            if let Some(pv) = self.pvs.get(&Self::channel_of(*id))
                && let Some(server) = &pv.server
                && (request.waiter.is_awaited() || pv.is_queued())
            {
                watched.entry(Rc::clone(server)).or_default().1 += pv.array_bytes();
            }
        }
        for (name, _) in self.servers.iter().filter(|(_, server)| server.watch.is_silent()) {
            watched.entry(Rc::clone(name)).or_default();
        }
        let holder = self.held.and_then(|held| {
            let channel = held.task.channel;
            let server = self.pvs.get(&channel).and_then(|pv| pv.server.as_ref());
            let server = server.or_else(|| self.leaving.get(&channel))?;
            Some((Rc::clone(server), held.since))
        });
        let judged = watched.into_iter().map(|(name, (mut evidence, bytes))| {
            evidence.holds_up =
                holder.iter().find(|(server, _)| *server == name).map(|(_, at)| *at);
            evidence.extra = Duration::from_secs_f64(bytes as f64 / BYTES_A_SECOND).min(MOST_EXTRA);
            evidence.not_before = self.no_silence_before;
            (name, evidence)
        });
        judged.collect()
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
        self.commands.push(Command::Ask { channel, request, native });
    }

    pub(super) fn silence(&mut self, name: &Rc<str>, after: Duration, now: Instant) {
        let Some(server) = self.servers.get(name) else { return };
        for channel in server.channels.clone() {
            let Some(pv) = self.pvs.get_mut(&channel) else { continue };
            if let Link::Up(metadata) | Link::Undescribed(metadata) =
                mem::replace(&mut pv.link, Link::Down)
            {
                pv.link = Link::Silent(metadata);
                pv.absence = Some(Absence::Silent { server: name.to_string(), after });
            }
            tell_all(&mut pv.waiting);
            self.abandon_requests(channel);
            self.tell_loss(channel, now);
        }
    }

    /// The server answers again: all is as it was, and observers get the present value.
    pub(super) fn revive(&mut self, name: &Rc<str>, now: Instant) {
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
