//! [`Clients`]: notices the runs that clients fly step by step.
use super::{ending, register::Register};
use crate::{clock::Clock, watch};
use bluefly_protocol::{
    api::{Run, RunSource, RunState},
    run::{RunPhase, RunProgress},
};

/// Watches whatever the coordinator flies.
pub(super) struct Clients {
    pub(super) register: Register,
    pub(super) progress: watch::Receiver<RunProgress>,
    pub(super) clock: Clock,
}

impl Clients {
    /// Notes runs of clients, and tells listeners when they begin and end, for ever.
    pub(super) async fn watch(mut self) {
        loop {
            let flown = flown(&self.progress.borrow_and_update());
            let known = self.register.client().map(|run| run.uid);
            if flown != known {
                if let Some(uid) = known {
                    self.ended(uid).await;
                }
                // A run of the queue is in the book before it has documents.
                let begun = flown.filter(|uid| self.register.book().get(uid).is_none());
                let run = begun.map(|uid| running(uid, self.clock.unix_s(self.clock.now())));
                self.register.set_client(run.clone());
                if let Some(run) = run {
                    self.register.announce(run);
                }
            }
            if self.progress.changed().await.is_err() {
                return;
            }
        }
    }

    async fn ended(&self, uid: String) {
        let archive = self.register.archive().clone();
        let past = self.clock.foreign(move || archive.run(&uid)).await;
        match past {
            Ok(Some(past)) => self.register.announce(ending::run(past)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the documents of a run cannot be read"),
        }
    }
}

/// The run that is in the air.
fn flown(progress: &RunProgress) -> Option<String> {
    let run = progress.run.clone().filter(|_| progress.phase != RunPhase::Idle)?;
    let has_ended = progress.ended.as_ref().is_some_and(|ended| ended.run == run);
    (!has_ended).then_some(run)
}

fn running(uid: String, now_s: f64) -> Run {
    Run {
        uid,
        state: RunState::Running,
        place: None,
        submitted_s: now_s,
        started_s: Some(now_s),
        ended_s: None,
        num_frames: None,
        reason: String::new(),
        spec: None,
        metadata: std::collections::BTreeMap::new(),
        source: RunSource::Client,
    }
}
