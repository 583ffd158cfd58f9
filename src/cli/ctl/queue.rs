//! Runs, and the order of those that wait.
use super::{
    CliError, Remote,
    arguments::{HoldArguments, MoveArguments, RunStateArgument, RunsArguments, UidArguments},
    render,
};
use crate::client::Call;
use bluefly_protocol::api::{Queue, Run, RunList, RunState};
use serde_json::json;

impl Remote {
    /// Unix time.
    pub(super) fn now_s(&self) -> f64 {
        let clock = self.client.clock();
        clock.unix_s(clock.now())
    }
}

/// What has begun or waits, and nothing that has ended.
pub(super) async fn list(remote: &Remote) -> Result<(), CliError> {
    let render = |list: &RunList| {
        let mut list = list.clone();
        list.runs.retain(|run| matches!(run.state, RunState::Queued | RunState::Running));
        render::runs(&list, remote.now_s())
    };
    remote.print(Call::get("runs?limit=0"), render).await
}

pub(super) async fn runs(remote: &Remote, arguments: &RunsArguments) -> Result<(), CliError> {
    if let Some(uid) = &arguments.uid {
        let render = |run: &Run| render::run(run, remote.now_s());
        return remote.print(Call::get(format!("runs/{}", checked(uid)?)), render).await;
    }
    let state = arguments.state.map_or_else(String::new, |state| format!("&state={}", word(state)));
    let call = Call::get(format!("runs?limit={}{state}", arguments.limit));
    remote.print(call, |list: &RunList| render::runs(list, remote.now_s())).await
}

pub(super) async fn place(remote: &Remote, arguments: &MoveArguments) -> Result<(), CliError> {
    let path = format!("runs/{}/move", checked(&arguments.uid)?);
    remote.print(Call::post(path, json!({"place": arguments.place})), render::submitted).await
}

/// Fails if the run has ended already, as it can no longer be taken out.
pub(super) async fn cancel(remote: &Remote, arguments: &UidArguments) -> Result<(), CliError> {
    let answer = remote.ask(Call::delete(format!("runs/{}", checked(&arguments.uid)?))).await?;
    remote.show(&answer, render::submitted)?;
    let run: Run = remote.parse(&answer)?;
    match run.state {
        RunState::Cancelled => Ok(()),
        RunState::Queued
        | RunState::Running
        | RunState::Done
        | RunState::Aborted
        | RunState::Failed => {
            let how = render::ending(&run.uid, run.state, run.num_frames);
            Err(CliError::input(run.uid.clone(), format!("cannot be cancelled: {how}")))
        }
    }
}

pub(super) async fn hold(remote: &Remote, arguments: &HoldArguments) -> Result<(), CliError> {
    let body = arguments.reason.as_ref().map_or_else(|| json!({}), |text| json!({"reason": text}));
    remote.print(Call::post("queue/hold", body), |queue: &Queue| render::queue(queue)).await
}

pub(super) async fn release(remote: &Remote) -> Result<(), CliError> {
    remote.print(Call::post("queue/release", json!({})), |queue: &Queue| render::queue(queue)).await
}

/// A unique identifier that can stand in a path.
pub(super) fn checked(uid: &str) -> Result<&str, CliError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if uid.is_empty() || uid.len() > 60 || !uid.chars().all(is_allowed) {
        let rule = "letters, digits and dashes, at most 60";
        return Err(CliError::usage("UID", format!("{uid:?} is none of a run: {rule}")));
    }
    Ok(uid)
}

const fn word(state: RunStateArgument) -> &'static str {
    match state {
        RunStateArgument::Queued => "queued",
        RunStateArgument::Running => "running",
        RunStateArgument::Done => "done",
        RunStateArgument::Aborted => "aborted",
        RunStateArgument::Failed => "failed",
        RunStateArgument::Cancelled => "cancelled",
    }
}
