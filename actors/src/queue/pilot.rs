//! [`Pilot`]: takes queued runs through their steps, one after the other.
//!
//! How far it has come is in the [`Register`] before each step is asked for, so that the pilot of the
//! next incarnation goes on from there. What the documents of a run say of its end stands, whatever
//! was heard of it on the way.
use super::{book::RunEnding, ending::told, register::Register};
use crate::{
    clock::Clock,
    coordinator::{Kickoff, Of, Prepare, RunStatus, ScanCoordinator, Stage, Unstage},
    status::{OperationError, Outcome},
    supervise::{AskError, Ref},
    watch,
};
use bluefly_protocol::{
    api::{ApiError, Run, RunState},
    beamline::{AfterFailure, QueueSpec},
    fault::Refused,
    run::{RunPhase, RunProgress, StepKind, StepState},
};
use std::{sync::Arc, time::Duration};

/// How long the coordinator may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// When to try again what could not be written to disk, or could not be delivered.
const TRY_AGAIN: Duration = Duration::from_secs(1);
const CRASHED: &str = "the scan coordinator crashed";
const ENDED: &str = "ended by request before it began";
const ABORTED: &str = "aborted by request";

/// Which step of a run was asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    Stage,
    Prepare,
    Kickoff,
    Unstage,
}

/// How far a run has come. Outlives the pilot.
#[derive(Clone, Debug)]
pub(super) struct Flying {
    pub(super) uid: String,
    pub(super) leg: Leg,
    /// The number of the step: as long as no other one was begun, the coordinator is ours.
    pub(super) number: u64,
    /// None as long as it has not answered.
    pub(super) step: Option<RunStatus>,
}

/// What came of a run, as far as its steps tell.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Ended(RunState, String),
    /// It never began: it is to be begun again.
    Returned,
}

/// What came of staging.
enum Staged {
    Ours,
    /// Not now.
    Refused,
    Ended(RunState, String),
}

/// What a pilot works with.
#[derive(Clone)]
pub(super) struct Pilot {
    pub(super) register: Register,
    pub(super) coordinator: Ref<ScanCoordinator>,
    pub(super) progress: watch::Receiver<RunProgress>,
    pub(super) clock: Clock,
    pub(super) spec: QueueSpec,
}

impl Pilot {
    /// Flies runs for ever.
    pub(super) async fn fly_all(mut self) {
        loop {
            let running = self.register.book().running().cloned();
            if let Some(run) = running {
                self.go_on(&run).await;
            } else if let Some(run) = self.turn().await {
                self.fly(&run).await;
            }
        }
    }

    /// Resolves with the next run once it can be begun, or with nothing once something that is held
    /// for a run whose turn it is not any more was let go.
    async fn turn(&mut self) -> Option<Arc<Run>> {
        let (mut changes, mut progress) = (self.register.changes(), self.progress.clone());
        loop {
            if self.coordinator.up().await.is_err() {
                std::future::pending::<()>().await;
            }
            let next = self.register.book().next().cloned();
            let next = next.filter(|_| !self.register.is_closed());
            let is_ours = self.is_ours();
            let flying = self.register.flying();
            let is_for_next = match (&next, &flying) {
                (Some(next), Some(flying)) => next.uid == flying.uid,
                _ => false,
            };
            if is_ours && !is_for_next {
                self.let_go().await;
                return None;
            }
            let is_free = is_ours || is_idle(&progress.borrow_and_update());
            if let Some(next) = next.filter(|_| is_free) {
                return Some(next);
            }
            tokio::select! { biased;
                _ = changes.changed() => {}
                _ = progress.changed() => {}
            }
        }
    }

    /// Whether the coordinator stands where our last step has brought it.
    fn is_ours(&self) -> bool {
        let flying = self.register.flying();
        let progress = self.progress.borrow();
        let number = progress.operation.as_ref().map(|step| step.number);
        let is_last = flying.is_some_and(|flying| Some(flying.number) == number);
        is_last && !is_idle(&progress)
    }

    async fn fly(&mut self, run: &Arc<Run>) {
        match self.stage(run).await {
            Staged::Ours => {}
            Staged::Refused => return,
            // It goes on with the next process.
            Staged::Ended(..) if self.register.is_closed() => return,
            Staged::Ended(state, reason) => {
                self.end(run, self.ending(state, reason)).await;
                return;
            }
        }
        let started = self.register.change(
            &self.clock,
            // Whoever ends the process waits for the turn of what was decided before that.
            |book| {
                let is_over = self.register.is_closed();
                Ok(if is_over { Vec::new() } else { book.start(&run.uid, self.now_s()) })
            },
            |book| book.running().is_some_and(|running| running.uid == run.uid),
        );
        match started.await {
            Ok(true) => {
                let verdict = self.steps(run, Leg::Prepare, None).await;
                self.settle(run, verdict).await;
            }
            Ok(false) => self.let_go().await,
            Err(error) => {
                tracing::warn!(uid = run.uid, %error, "the run is not begun");
                self.let_go().await;
                self.clock.sleep(TRY_AGAIN).await;
            }
        }
    }

    /// Goes on with a run that an earlier incarnation began.
    async fn go_on(&mut self, run: &Arc<Run>) {
        let flying = self.register.flying().filter(|flying| flying.uid == run.uid);
        let verdict = match flying {
            Some(Flying { leg: Leg::Stage, .. }) => self.steps(run, Leg::Prepare, None).await,
            Some(Flying { leg: Leg::Unstage, .. }) => Verdict::Ended(RunState::Done, String::new()),
            Some(Flying { leg, step: Some(step), .. }) => self.steps(run, leg, Some(step)).await,
            // If it began after all, its documents tell.
            Some(Flying { step: None, .. }) | None => Verdict::Returned,
        };
        self.settle(run, verdict).await;
    }

    async fn stage(&mut self, run: &Arc<Run>) -> Staged {
        let wanted = Stage { run: Some(run.uid.clone()), metadata: run.metadata.clone() };
        self.note(run, Leg::Stage);
        let status = match self.coordinator.ask(wanted, ANSWER_WITHIN).await {
            Ok(Ok(status)) => status,
            Ok(Err(refused)) => {
                tracing::debug!(uid = run.uid, %refused, "somebody else holds the coordinator");
                self.register.fly(None);
                return Staged::Refused;
            }
            Err(error) => {
                tracing::warn!(uid = run.uid, %error, "not staged");
                if let AskError::Down(_) | AskError::Overloaded(_) = error {
                    self.register.fly(None);
                }
                self.clock.sleep(TRY_AGAIN).await;
                return Staged::Refused;
            }
        };
        self.answered(&status);
        let is_staged = |pilot: &Self| pilot.progress.borrow().phase == RunPhase::Staged;
        match status.finished().await {
            Ok(Outcome::Done(_)) if is_staged(self) => Staged::Ours,
            Ok(Outcome::Done(_)) => match self.interfered().await {
                Verdict::Ended(how, reason) => Staged::Ended(how, reason),
                Verdict::Returned => Staged::Refused,
            },
            Ok(Outcome::Aborted) => Staged::Ended(RunState::Aborted, ABORTED.to_owned()),
            Err(OperationError::Lost { .. }) => Staged::Refused,
            Err(error) => Staged::Ended(RunState::Failed, error.to_string()),
        }
    }

    /// Takes a run that is staged from `leg` on to its last frame; `step` is under way already, if it
    /// is one.
    async fn steps(&mut self, run: &Arc<Run>, leg: Leg, step: Option<RunStatus>) -> Verdict {
        let (mut leg, mut step) = (leg, step);
        loop {
            let status = match step.take() {
                Some(status) => status,
                None => match self.begin(run, leg).await {
                    Ok(status) => status,
                    Err(verdict) => return verdict,
                },
            };
            match status.finished().await {
                Ok(Outcome::Done(_)) => {}
                Ok(Outcome::Aborted) => {
                    return Verdict::Ended(RunState::Aborted, ABORTED.to_owned());
                }
                Err(OperationError::Lost { .. }) => {
                    return Verdict::Ended(RunState::Failed, CRASHED.to_owned());
                }
                Err(error) => return Verdict::Ended(RunState::Failed, error.to_string()),
            }
            let phase = self.progress.borrow().phase;
            match (leg, phase) {
                (Leg::Stage, RunPhase::Staged) => leg = Leg::Prepare,
                (Leg::Prepare, RunPhase::Ready) => leg = Leg::Kickoff,
                (Leg::Kickoff | Leg::Unstage, _) => {
                    return Verdict::Ended(RunState::Done, String::new());
                }
                (Leg::Stage | Leg::Prepare, _) => return self.interfered().await,
            }
        }
    }

    /// Asks for a step, unless somebody else has asked for one since the last.
    async fn begin(&mut self, run: &Arc<Run>, leg: Leg) -> Result<RunStatus, Verdict> {
        if !self.is_ours() {
            return Err(self.interfered().await);
        }
        // Whoever ends the process may have come while nothing was under way that could be aborted.
        if leg != Leg::Unstage && self.register.is_closed() {
            return Err(Verdict::Returned);
        }
        let before = self.register.flying();
        loop {
            self.note(run, leg);
            let asked = match leg {
                Leg::Stage | Leg::Unstage => self.coordinator.ask(Unstage, ANSWER_WITHIN).await,
                Leg::Prepare => {
                    let Some(spec) = run.spec.clone() else { return Err(Verdict::Returned) };
                    let prepare = Of { run: run.uid.clone(), message: Prepare(spec) };
                    self.coordinator.ask(prepare, ANSWER_WITHIN).await
                }
                Leg::Kickoff => {
                    let kickoff = Of { run: run.uid.clone(), message: Kickoff };
                    self.coordinator.ask(kickoff, ANSWER_WITHIN).await
                }
            };
            match asked {
                Err(AskError::Overloaded(_)) => {
                    self.register.fly(before.clone());
                    self.clock.sleep(TRY_AGAIN).await;
                }
                // Something is operated by hand: the run waits until that is over.
                Ok(Err(refused)) if leg == Leg::Kickoff && self.is_ready(before.as_ref()) => {
                    tracing::debug!(uid = run.uid, %refused, "not kicked off yet");
                    self.clock.sleep(TRY_AGAIN).await;
                }
                asked => return self.heard(asked).await,
            }
        }
    }

    /// Whether the coordinator is ready for our kickoff, which was refused.
    fn is_ready(&self, before: Option<&Flying>) -> bool {
        let progress = self.progress.borrow();
        let number = progress.operation.as_ref().map(|step| step.number);
        if progress.phase != RunPhase::Ready || before.map(|flying| flying.number) != number {
            return false;
        }
        self.register.fly(before.cloned());
        true
    }

    async fn heard(
        &mut self,
        asked: Result<Result<RunStatus, Refused>, AskError>,
    ) -> Result<RunStatus, Verdict> {
        match asked {
            Ok(Ok(status)) => {
                self.answered(&status);
                Ok(status)
            }
            Ok(Err(_)) => Err(self.interfered().await),
            Err(AskError::Down(_) | AskError::Lost(_)) => {
                Err(Verdict::Ended(RunState::Failed, CRASHED.to_owned()))
            }
            Err(error) => Err(Verdict::Ended(RunState::Failed, error.to_string())),
        }
    }

    /// What it means that the coordinator is not where our last step brought it: somebody ended the
    /// run before it began.
    async fn interfered(&mut self) -> Verdict {
        let mut progress = self.progress.clone();
        let is_over = |progress: &RunProgress| !is_under_way(progress);
        if progress.wait_for(is_over).await.is_err() {
            return Verdict::Returned;
        }
        let operation = progress.borrow().operation.clone();
        let number = self.register.flying().map(|flying| flying.number);
        match operation {
            Some(step) if Some(step.number) == number && step.state == StepState::Done => {
                // Told to stop while it worked on our step.
                Verdict::Ended(RunState::Aborted, ENDED.to_owned())
            }
            Some(step) if step.request == StepKind::Recover => {
                Verdict::Ended(RunState::Failed, CRASHED.to_owned())
            }
            Some(step) if step.request == StepKind::Unstage && step.state == StepState::Aborted => {
                Verdict::Ended(RunState::Aborted, ABORTED.to_owned())
            }
            // What somebody ends does not begin again by itself.
            Some(step) if step.request == StepKind::Unstage => {
                Verdict::Ended(RunState::Aborted, ENDED.to_owned())
            }
            Some(_) | None => Verdict::Returned,
        }
    }

    /// Unstages what is ours, and does with the run what came of it once all is at rest.
    async fn settle(&mut self, run: &Arc<Run>, verdict: Verdict) {
        let mut verdict = verdict;
        let mut progress = self.progress.clone();
        loop {
            let is_over = {
                let progress = progress.borrow_and_update();
                if is_idle(&progress) {
                    break;
                }
                !is_under_way(&progress)
            };
            if is_over && self.is_ours() {
                if let (Err(reason), Verdict::Ended(RunState::Done, _)) =
                    (self.unstage(run).await, &verdict)
                {
                    verdict = Verdict::Ended(RunState::Failed, reason);
                }
            } else if progress.changed().await.is_err() {
                return;
            }
        }
        let documented = self.documented(run).await;
        let verdict = match verdict {
            // Told to stop before it began.
            Verdict::Ended(RunState::Done, _) if documented.is_none() => {
                Verdict::Ended(RunState::Aborted, ENDED.to_owned())
            }
            verdict => verdict,
        };
        let verdict = match verdict {
            // It goes on with the next process.
            Verdict::Ended(RunState::Aborted, _) if self.register.is_closed() => Verdict::Returned,
            verdict => verdict,
        };
        match (documented, verdict) {
            (Some(ending), _) => self.end(run, ending).await,
            (None, Verdict::Ended(state, reason)) => {
                self.end(run, self.ending(state, reason)).await;
            }
            (None, Verdict::Returned) => {
                let decide = || {
                    self.register.change(&self.clock, |book| Ok(book.give_back(&run.uid)), |_| ())
                };
                self.insist(run, decide).await;
            }
        }
    }

    /// How the documents say that a run ended, if it began.
    async fn documented(&self, run: &Run) -> Option<RunEnding> {
        let (archive, uid) = (self.register.archive().clone(), run.uid.clone());
        match self.clock.foreign(move || archive.run(&uid)).await {
            Ok(past) => past.as_ref().and_then(told),
            Err(error) => {
                tracing::warn!(uid = run.uid, %error, "its documents cannot be read");
                let ended = self.progress.borrow().ended.clone();
                let ended = ended.filter(|ended| ended.run == run.uid)?;
                Some(RunEnding {
                    at_s: self.now_s(),
                    state: RunEnding::state(ended.exit_status),
                    reason: ended.reason,
                    num_frames: Some(ended.num_frames),
                })
            }
        }
    }

    async fn unstage(&mut self, run: &Arc<Run>) -> Result<(), String> {
        let Ok(status) = self.begin(run, Leg::Unstage).await else { return Ok(()) };
        match status.finished().await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Unstages what was staged for a run that is not to be flown now.
    async fn let_go(&mut self) {
        if let Err(error) = self.try_to_let_go().await {
            tracing::warn!(error, "what was staged for a run is not unstaged");
        }
        self.register.fly(None);
    }

    async fn try_to_let_go(&mut self) -> Result<(), String> {
        if let Some(Flying { uid, step: None, .. }) = self.register.flying() {
            // It may be somebody else's: then this is refused.
            let wanted = Stage { run: Some(uid), ..Stage::default() };
            let asked = self.coordinator.ask(wanted, ANSWER_WITHIN).await;
            let Ok(status) = asked.map_err(|error| error.to_string())? else { return Ok(()) };
            status.finished().await.map_err(|error| error.to_string())?;
        }
        let asked = self.coordinator.ask(Unstage, ANSWER_WITHIN).await;
        let asked = asked.map_err(|error| error.to_string())?;
        let status = asked.map_err(|refused| refused.to_string())?;
        status.finished().await.map(|_| ()).map_err(|error| error.to_string())
    }

    async fn end(&self, run: &Run, ending: RunEnding) {
        tracing::info!(uid = run.uid, state = ?ending.state, reason = ending.reason, "run ended");
        // What becomes of the others when the process ends is decided by the next one.
        let is_closed = self.register.is_closed();
        let then = if is_closed { AfterFailure::GoOn } else { self.spec.after_failure };
        let decide = || {
            self.register.change(
                &self.clock,
                |book| Ok(book.end(&run.uid, ending.clone(), then)),
                |_| (),
            )
        };
        self.insist(run, decide).await;
    }

    /// Decides what has happened already: it is on disk sooner or later.
    async fn insist<F>(&self, run: &Run, decide: impl Fn() -> F)
    where
        F: Future<Output = Result<(), ApiError>>,
    {
        while let Err(error) = decide().await {
            tracing::warn!(uid = run.uid, %error, "what became of the run is not on disk");
            self.clock.sleep(TRY_AGAIN).await;
        }
        self.register.fly(None);
    }

    fn ending(&self, state: RunState, reason: String) -> RunEnding {
        RunEnding { at_s: self.now_s(), state, reason, num_frames: Some(0) }
    }

    /// Takes note of a step that is about to be asked for.
    fn note(&self, run: &Run, leg: Leg) {
        let operation = self.progress.borrow().operation.clone();
        let number = operation.map_or(0, |step| step.number) + 1;
        self.register.fly(Some(Flying { uid: run.uid.clone(), leg, number, step: None }));
    }

    /// Takes note of a step that was begun.
    fn answered(&self, status: &RunStatus) {
        if let Some(flying) = self.register.flying() {
            let operation = status.report().progress.operation;
            let number = operation.map_or(flying.number, |step| step.number);
            self.register.fly(Some(Flying { number, step: Some(status.clone()), ..flying }));
        }
    }

    fn now_s(&self) -> f64 {
        self.clock.unix_s(self.clock.now())
    }
}

/// Whether a step is being worked on.
fn is_under_way(progress: &RunProgress) -> bool {
    let state = progress.operation.as_ref().map(|step| step.state);
    matches!(state, Some(StepState::Running | StepState::Pausing | StepState::Paused))
}

/// Whether nobody holds the coordinator.
fn is_idle(progress: &RunProgress) -> bool {
    progress.phase == RunPhase::Idle && !is_under_way(progress)
}
