//! [`Child`]: one child of a running supervisor.
use super::{
    control::Control,
    env::Env,
    events::Event,
    exit::{Exit, Kill},
    spec::{Answer, ChildSpec},
    start::{Birth, Running},
    tree::{Node, State},
};
use crate::clock::Instant;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// One child: its spec and what it is doing. Dropped while it runs, it is killed.
pub(super) struct Child {
    pub(super) spec: ChildSpec,
    pub(super) node: Arc<Node>,
    pub(super) running: Option<Running>,
    /// When to start it, if it is to be started.
    pub(super) start_at: Option<Instant>,
    probing: Probing,
    /// Deaths in a row, for the back-off.
    deaths: u32,
}

enum Probing {
    Off,
    At(Instant),
    Asked(Answer),
}

/// Something a supervisor learns by polling a child.
#[derive(Debug)]
pub(super) enum News {
    Ended(Exit),
    /// It answered its probe; the next one has its time.
    Answered,
    Unresponsive,
}

impl Child {
    /// A child that is to be started at `start_at`. `earlier` are nodes among which its own is if
    /// it was there before: its incarnations are counted on, even when a whole branch is planned
    /// anew, so that no two owners of a connection ever have the same number.
    pub(super) fn new(spec: ChildSpec, earlier: &[Arc<Node>], start_at: Instant) -> Self {
        let node = earlier.iter().find(|node| node.id == spec.id);
        let node = node.map_or_else(|| Node::new(&spec.id), Arc::clone);
        let start_at = Some(start_at);
        Self { spec, node, running: None, start_at, probing: Probing::Off, deaths: 0 }
    }

    /// Whether it neither runs nor is going to.
    pub(super) fn has_ended(&self) -> bool {
        self.running.is_none() && self.start_at.is_none()
    }

    /// When there is next something to do for it.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.probing {
            Probing::At(at) => Some(at),
            Probing::Off | Probing::Asked(_) => self.start_at,
        }
    }

    /// Makes the next incarnation, which is then starting.
    pub(super) fn begin(&mut self, env: &Env) -> &mut Running {
        self.start_at = None;
        let incarnation = self.node.update(|seen| {
            seen.state = State::Starting;
            seen.incarnation += 1;
            seen.incarnation
        });
        let (mailbox, readiness) = (self.spec.mailbox, self.spec.readiness);
        let birth = Birth { env, incarnation, mailbox, readiness, node: &self.node };
        let running = self.spec.start.start(&birth);
        let control: Arc<Control> = Arc::clone(&running.control);
        self.node.update(|seen| seen.control = Some(control));
        self.running.insert(running)
    }

    /// The incarnation that was begun is ready: lets messages through.
    pub(super) fn up(&mut self, env: &Env) {
        self.spec.start.publish();
        let incarnation = self.node.update(|seen| {
            seen.state = State::Up;
            seen.incarnation
        });
        self.probe_later(env);
        let id = Arc::clone(&self.spec.id);
        tracing::info!(id = &*id, incarnation, "up");
        env.announce(Event::Up { id, incarnation });
    }

    /// The incarnation is gone.
    pub(super) fn down(&mut self, env: &Env, exit: &Exit) {
        let incarnation = self.forget(exit);
        let id = Arc::clone(&self.spec.id);
        if exit.is_abnormal() {
            tracing::warn!(id = &*id, incarnation, %exit, "down");
        } else {
            tracing::info!(id = &*id, incarnation, %exit, "down");
        }
        env.announce(Event::Down { id, incarnation, exit: exit.clone() });
    }

    fn forget(&mut self, exit: &Exit) -> u64 {
        self.spec.start.unpublish();
        self.probing = Probing::Off;
        self.start_at = None;
        self.node.update(|seen| {
            seen.state = State::Down;
            seen.control = None;
            seen.commands = None;
            seen.last_exit = Some(exit.clone());
            seen.incarnation
        })
    }

    /// How long to wait before the restart after a death at `now`, by its back-off.
    pub(super) fn next_wait(&mut self, ran: std::time::Duration) -> std::time::Duration {
        if ran >= self.spec.backoff.reset_after {
            self.deaths = 0;
        }
        let wait = self.spec.backoff.wait(self.deaths);
        self.deaths = self.deaths.saturating_add(1);
        wait
    }

    /// It is to be restarted at `at`.
    pub(super) fn restart_at(&mut self, at: Instant) {
        self.start_at = Some(at);
        self.node.update(|seen| {
            seen.state = State::Backoff;
            seen.restarts += 1;
        });
    }

    /// Sends the probe if it is time for one.
    pub(super) fn probe_if_due(&mut self, now: Instant) {
        let Some(probe) = &self.spec.probe else { return };
        if let Probing::At(at) = self.probing
            && at <= now
        {
            self.probing = Probing::Asked((probe.ask)());
        }
    }

    fn probe_later(&mut self, env: &Env) {
        let every = self.spec.probe.as_ref().map(|probe| probe.every);
        self.probing = every.map_or(Probing::Off, |every| Probing::At(env.clock().now() + every));
    }

    /// Resolves when the supervisor has to do something about the child.
    pub(super) fn poll_news(&mut self, env: &Env, cx: &mut Context<'_>) -> Poll<News> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        if let Poll::Ready(exit) = Pin::new(&mut running.done).poll(cx) {
            return Poll::Ready(News::Ended(exit.unwrap_or(Exit::Killed(Kill::Lost))));
        }
        if let Probing::Asked(answer) = &mut self.probing
            && let Poll::Ready(answered) = answer.as_mut().poll(cx)
        {
            self.probe_later(env);
            return Poll::Ready(if answered { News::Answered } else { News::Unresponsive });
        }
        Poll::Pending
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.running.take().is_some() {
            self.forget(&Exit::Killed(Kill::Orphaned));
        }
    }
}
