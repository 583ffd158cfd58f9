//! [`Stopping`]: triggers come to rest before the motion does, so that a pause ends on a trigger.
use super::{
    absent::Patience,
    beamline::Beamline,
    flight::{Cut, Flight},
    watch::Watch,
};
use crate::{
    clock::{Clock, Instant},
    device::triggers::FramesTriggered,
    status::Intent,
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::{StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use std::{rc::Rc, time::Duration};

/// How long the motion may go on to a pause while triggers are stopped.
const TRIGGERS_FIRST: Duration = Duration::from_millis(500);

/// Sources of triggers on their way to rest.
///
/// A source tells once that frames are not what they were taken for: whoever gives this up for
/// something more urgent hears the rest of it later, and drops none.
pub(super) struct Stopping {
    until: Instant,
    sources: FuturesUnordered<LocalBoxFuture<'static, Result<Option<u64>, Fault>>>,
    /// As many frames of the scan were triggered to their end, as far as those tell that are at rest.
    triggered: Option<u64>,
}

/// What comes of it.
pub(super) enum Stopped {
    /// No trigger leaves any more.
    AtRest,
    /// The motion does not wait for it any longer.
    Late,
    /// One source is not at rest, or does not vouch for what it triggered.
    Failed(Fault),
}

impl Stopping {
    fn begin(beamline: &Rc<Beamline>) -> Self {
        let source = |name: &Name| {
            let (beamline, name) = (Rc::clone(beamline), name.clone());
            let stop: LocalBoxFuture<'static, _> = Box::pin(async move {
                beamline.trigger_safe(&name, Patience::from(Duration::ZERO)).await?;
                beamline.triggers(&name)?.ask("count its triggers", FramesTriggered).await
            });
            stop
        };
        let until = beamline.clock.now() + TRIGGERS_FIRST;
        let sources = beamline.triggers.keys().map(source).collect();
        Self { until, sources, triggered: None }
    }

    /// Resolves with the first source that fails, or when all are at rest or take too long. May be
    /// dropped and asked anew.
    async fn next(&mut self, clock: &Clock) -> Stopped {
        loop {
            let stopped = tokio::select! { biased;
                stopped = self.sources.next() => stopped,
                () = clock.sleep_until(self.until) => return Stopped::Late,
            };
            match stopped {
                None => return Stopped::AtRest,
                Some(Ok(frames)) => {
                    self.triggered = self.triggered.into_iter().chain(frames).min();
                }
                Some(Err(fault)) => return Stopped::Failed(fault),
            }
        }
    }

    /// What went wrong with those that were not heard of yet, once they are at rest or cannot be.
    pub(super) async fn finish(self) -> Vec<Fault> {
        self.sources.filter_map(|stopped| std::future::ready(stopped.err())).collect().await
    }
}

/// Resolves as [`Stopping::next`] does; never if nothing is stopped.
pub(super) async fn stopped(stopping: &mut Option<Stopping>, clock: &Clock) -> Stopped {
    match stopping {
        Some(stopping) => stopping.next(clock).await,
        None => std::future::pending().await,
    }
}

impl Flight {
    /// Lets no more triggers leave while the motion goes on: each frame that was triggered to its end was
    /// taken at speed, also beyond the last point that the motion tells of.
    pub(super) fn stop_triggers(&mut self) {
        self.stopping = Some(Stopping::begin(&self.beamline));
    }

    /// How the flight ends, once its triggers were stopped.
    pub(super) fn cut(&mut self, stopped: Stopped, watch: &Watch) -> Cut {
        let triggered = self.stopping.as_ref().and_then(|stopping| stopping.triggered);
        match stopped {
            Stopped::AtRest => {
                if let Some(frames) = triggered
                    && watch.is_moving()
                {
                    self.tally.trigger(frames);
                }
            }
            Stopped::Late => tracing::debug!("triggers end with the motion"),
            Stopped::Failed(fault) => {
                self.doubt(&fault);
                if fault.class != FaultClass::Disconnected {
                    return Cut::Fault(fault);
                }
                tracing::debug!(%fault, "triggers end with the motion");
            }
        }
        match triggered.and_then(|frames| self.lost_of(watch, frames)) {
            Some(fault) => Cut::Fault(fault),
            None => Cut::Told(Intent::Pause),
        }
    }

    /// What a detector has told that has lost one of the first `triggered` frames.
    fn lost_of(&self, watch: &Watch, triggered: u64) -> Option<Fault> {
        let mut faults = watch.faults(&self.beamline);
        faults.find(|fault| self.tally.on_disk_of(&fault.device) < triggered)
    }
}
