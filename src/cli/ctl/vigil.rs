//! [`Vigil`]: when what is watched has ended, and how.
use bluefly_protocol::{
    api::{Run, RunState, Status},
    document::ExitStatus,
    run::{RunPhase, StepReport, StepState},
};

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The end of a run.
    Run(String),
    /// The end of what is under way, which has no name yet: a client takes it step by step.
    Steps,
    /// Nothing: runs are watched for ever.
    Forever,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) uid: String,
    /// One of those that are the end of a run.
    pub(super) state: RunState,
    pub(super) num_frames: Option<u64>,
    pub(super) reason: String,
}

/// Sees every status and every change of a run, and tells when the goal is reached.
#[derive(Clone, Debug)]
pub(super) struct Vigil {
    goal: Goal,
}

impl Vigil {
    pub(super) const fn new(goal: Goal) -> Self {
        Self { goal }
    }

    pub(super) const fn goal(&self) -> &Goal {
        &self.goal
    }

    /// The status has changed.
    pub(super) fn status(&mut self, status: &Status) -> Option<Ending> {
        let progress = &status.progress;
        if let (Goal::Steps, Some(uid)) = (&self.goal, open_run(status)) {
            self.goal = Goal::Run(uid.to_owned());
        }
        match &self.goal {
            Goal::Run(uid) => {
                let end = progress.ended.as_ref().filter(|end| end.run == *uid)?;
                let state = match end.exit_status {
                    ExitStatus::Success => RunState::Done,
                    ExitStatus::Abort => RunState::Aborted,
                    ExitStatus::Fail => RunState::Failed,
                };
                let num_frames = Some(end.num_frames);
                Some(Ending { uid: uid.clone(), state, num_frames, reason: end.reason.clone() })
            }
            Goal::Steps if progress.phase == RunPhase::Idle => {
                Some(undone(progress.operation.as_ref()))
            }
            Goal::Steps | Goal::Forever => None,
        }
    }

    /// A run has changed.
    pub(super) fn run(&mut self, run: &Run) -> Option<Ending> {
        let is_ours = matches!(&self.goal, Goal::Run(uid) if *uid == run.uid);
        (is_ours && has_ended(run.state)).then(|| Ending {
            uid: run.uid.clone(),
            state: run.state,
            num_frames: run.num_frames,
            reason: run.reason.clone(),
        })
    }
}

/// The run that is open: one that has ended is told of until another begins.
pub(super) fn open_run(status: &Status) -> Option<&str> {
    let progress = &status.progress;
    let run = progress.run.as_deref()?;
    let has_ended = progress.ended.as_ref().is_some_and(|end| end.run == run);
    (!has_ended).then_some(run)
}

/// The end of steps that never became a run.
fn undone(operation: Option<&StepReport>) -> Ending {
    let error = operation.and_then(|operation| operation.error.as_ref());
    let state = match operation.map(|operation| operation.state) {
        Some(StepState::Failed) => RunState::Failed,
        Some(StepState::Aborted) => RunState::Aborted,
        Some(StepState::Running | StepState::Pausing | StepState::Paused | StepState::Done)
        | None => RunState::Done,
    };
    let reason = error.map(ToString::to_string).unwrap_or_default();
    Ending { uid: "without a name".to_owned(), state, num_frames: None, reason }
}

pub(super) const fn has_ended(state: RunState) -> bool {
    match state {
        RunState::Done | RunState::Aborted | RunState::Failed | RunState::Cancelled => true,
        RunState::Queued | RunState::Running => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_protocol::run::{RunEnd, RunProgress};
    use serde_json::json;

    /// A status of `phase`, in which run `run` is open and run `ended` has ended.
    fn status(phase: RunPhase, run: Option<&str>, ended: Option<(&str, ExitStatus)>) -> Status {
        let ended = ended.map(|(run, exit_status)| RunEnd {
            run: run.to_owned(),
            exit_status,
            reason: "why".to_owned(),
            num_frames: 7,
        });
        let run = run.map(str::to_owned);
        let progress = RunProgress { phase, run, ended, ..RunProgress::default() };
        let beamline = "sim".parse().expect("a name");
        Status { instance: "i".to_owned(), beamline, revision: 1, progress }
    }

    fn run(uid: &str, state: &str) -> Run {
        let value = json!({
            "uid": uid, "state": state, "place": null, "submitted_s": 0.0, "started_s": null,
            "ended_s": null, "num_frames": 7, "reason": "why", "spec": null, "source": "queue",
        });
        serde_json::from_value(value).expect("a run")
    }

    #[test]
    fn a_run_ends_once_and_only_itself() {
        use RunPhase::{Idle, Running, Staged, Staging};
        let check = |goal: Goal, statuses: &[Status], expected: Option<RunState>| {
            let mut vigil = Vigil::new(goal);
            let (last, before) = statuses.split_last().expect("one at least");
            for status in before {
                assert_eq!(vigil.status(status), None, "{status:?}");
            }
            assert_eq!(vigil.status(last).map(|ending| ending.state), expected);
        };
        let ours = || Goal::Run("r2".to_owned());
        let before = Some(("r1", ExitStatus::Fail));
        let after = |how| Some(("r2", how));
        check(ours(), &[status(Running, Some("r1"), None), status(Idle, None, before)], None);
        check(
            ours(),
            &[status(Idle, None, before), status(Idle, None, after(ExitStatus::Success))],
            Some(RunState::Done),
        );
        check(ours(), &[status(Idle, None, after(ExitStatus::Abort))], Some(RunState::Aborted));
        check(ours(), &[status(Idle, None, after(ExitStatus::Fail))], Some(RunState::Failed));
        check(Goal::Forever, &[status(Idle, None, after(ExitStatus::Fail))], None);
        check(
            Goal::Steps,
            &[
                status(Staging, Some("r1"), before),
                status(Running, Some("r2"), None),
                status(Idle, None, after(ExitStatus::Abort)),
            ],
            Some(RunState::Aborted),
        );
        check(
            Goal::Steps,
            &[status(Staged, None, before), status(Idle, None, before)],
            Some(RunState::Done),
        );
    }

    #[test]
    fn a_run_that_never_began_ends_too() {
        let check = |goal: Goal, state: &str, expected: Option<RunState>| {
            let ending = Vigil::new(goal).run(&run("r2", state));
            assert_eq!(ending.map(|ending| ending.state), expected, "{state}");
        };
        let ours = || Goal::Run("r2".to_owned());
        check(ours(), "queued", None);
        check(ours(), "running", None);
        check(ours(), "cancelled", Some(RunState::Cancelled));
        check(ours(), "failed", Some(RunState::Failed));
        check(Goal::Run("r1".to_owned()), "failed", None);
        check(Goal::Forever, "failed", None);
    }

    #[test]
    fn steps_that_failed_before_a_run_began_are_a_failure() {
        let mut failed = status(RunPhase::Idle, None, None);
        let operation = json!({
            "number": 1, "request": "stage", "state": "failed",
            "error": {"code": "failed", "where": "camera", "message": "gone"},
        });
        failed.progress.operation = serde_json::from_value(operation).expect("a report");
        let ending = Vigil::new(Goal::Steps).status(&failed).expect("it has ended");
        assert_eq!((ending.state, ending.reason.as_str()), (RunState::Failed, "camera: gone"));
    }
}
