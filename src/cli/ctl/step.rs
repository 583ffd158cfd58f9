//! The steps of a run, one by one.
use super::{
    CliError, Remote,
    arguments::{
        AbortArguments, KickoffArguments, PrepareArguments, ResumeArguments, StageArguments,
        WaitArguments,
    },
    refused, render, run,
};
use crate::{
    cli::{Format, text::visible},
    client::Call,
};
use bluefly_actors::clock::Instant;
use bluefly_protocol::{
    api::{Status, Wait},
    run::StepState,
};
use serde_json::{Value, json};
use std::time::Duration;

/// One step to take.
struct Step {
    name: &'static str,
    body: Value,
    /// How long to wait until it is done, seconds.
    wait: f64,
    /// Whether to end the run is what was asked: then a run that was aborted is no failure.
    ends: Ends,
    acts: Acts,
}

/// What a step acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acts {
    /// Where the server stands when it is asked: refused if another step is begun meanwhile.
    AsItStands,
    /// Whatever is under way: who ends it, or halts it, means what he finds.
    Whatever,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    OnPurpose,
    Otherwise,
}

pub(super) async fn stage(remote: &Remote, arguments: &StageArguments) -> Result<(), CliError> {
    let body = json!({"metadata": run::metadata(&arguments.metadata)?});
    let wait = arguments.wait.wait;
    take(remote, Step { name: "stage", body, wait, ends: Ends::Otherwise, acts: Acts::AsItStands })
        .await
}

pub(super) async fn prepare(remote: &Remote, arguments: &PrepareArguments) -> Result<(), CliError> {
    let body = json!({"spec": run::specification(&arguments.spec)?});
    let wait = arguments.wait.wait;
    let taken = take(
        remote,
        Step { name: "prepare", body, wait, ends: Ends::Otherwise, acts: Acts::AsItStands },
    )
    .await;
    taken.map_err(|error| run::within(&arguments.spec, error))
}

pub(super) async fn kickoff(remote: &Remote, arguments: &KickoffArguments) -> Result<(), CliError> {
    let wait = arguments.wait;
    take(
        remote,
        Step {
            name: "kickoff",
            body: json!({}),
            wait,
            ends: Ends::Otherwise,
            acts: Acts::AsItStands,
        },
    )
    .await
}

pub(super) async fn pause(remote: &Remote, arguments: &WaitArguments) -> Result<(), CliError> {
    let wait = arguments.wait;
    take(
        remote,
        Step { name: "pause", body: json!({}), wait, ends: Ends::Otherwise, acts: Acts::Whatever },
    )
    .await
}

pub(super) async fn resume(remote: &Remote, arguments: &ResumeArguments) -> Result<(), CliError> {
    let (body, wait) = (json!({"retake": arguments.retake}), arguments.wait);
    take(remote, Step { name: "resume", body, wait, ends: Ends::Otherwise, acts: Acts::AsItStands })
        .await
}

pub(super) async fn abort(remote: &Remote, arguments: &AbortArguments) -> Result<(), CliError> {
    let body = arguments.reason.as_ref().map_or_else(|| json!({}), |text| json!({"reason": text}));
    let wait = arguments.wait.wait;
    take(remote, Step { name: "abort", body, wait, ends: Ends::OnPurpose, acts: Acts::Whatever })
        .await
}

pub(super) async fn stop(remote: &Remote, arguments: &WaitArguments) -> Result<(), CliError> {
    let wait = arguments.wait;
    take(
        remote,
        Step { name: "stop", body: json!({}), wait, ends: Ends::OnPurpose, acts: Acts::Whatever },
    )
    .await
}

pub(super) async fn unstage(remote: &Remote, arguments: &WaitArguments) -> Result<(), CliError> {
    let wait = arguments.wait;
    take(
        remote,
        Step {
            name: "unstage",
            body: json!({}),
            wait,
            ends: Ends::Otherwise,
            acts: Acts::AsItStands,
        },
    )
    .await
}

/// A time to wait, as it was given.
pub(super) fn waited(seconds: f64) -> Result<Duration, CliError> {
    Duration::try_from_secs_f64(seconds).map_err(|error| {
        CliError::usage("--wait", format!("{seconds} s is no time to wait: {error}"))
    })
}

/// Takes a step, prints where that led, and fails if it led elsewhere than asked.
async fn take(remote: &Remote, step: Step) -> Result<(), CliError> {
    let wait = waited(step.wait)?;
    let end = remote.client.clock().now() + wait;
    let mut call = Call::post(step.name, step.body.clone()).waiting(wait.min(Wait::MAX));
    let before = match step.acts {
        Acts::AsItStands => {
            let status: Status = remote.parse(&remote.ask(Call::get("status")).await?)?;
            Some(number(&status))
        }
        Acts::Whatever => None,
    };
    if let Some(before) = before {
        call = call.after(before);
    }
    let mut answer = remote.ask(call).await?;
    let mut status: Status = remote.parse(&answer)?;
    let ours = before.map_or(number(&status), |before| number(&status).clamp(before, before + 1));
    while !wait.is_zero() && number(&status) == ours && is_under_way(&status, step.name) {
        let Some(left) = time_left(remote, end) else { break };
        let (instance, revision) = (status.instance, status.revision);
        let asked = remote.client.ask_again(|| Call::status_after(revision, left.min(Wait::MAX)));
        answer = asked.await.map_err(|error| remote.unanswered(error))?;
        status = remote.parse(&answer)?;
        if status.instance != instance {
            let reason = "the server was restarted meanwhile: see bluefly ctl status";
            return Err(CliError::failed(step.name, reason));
        }
    }
    match remote.format {
        Format::Json => super::say(&format!("{}\n", answer.text()))?,
        Format::Text => super::say(&visible(&render::brief(&status)))?,
    }
    if number(&status) == ours {
        judge(remote, &step, &status)
    } else {
        Err(overtaken(&step, &status))
    }
}

/// Of the step that was begun last.
fn number(status: &Status) -> u64 {
    status.progress.operation.as_ref().map_or(0, |operation| operation.number)
}

/// What became of our step was not seen.
fn overtaken(step: &Step, status: &Status) -> CliError {
    let what = status.progress.operation.as_ref().map_or_else(String::new, |operation| {
        format!(": {}, number {}", operation.request, operation.number)
    });
    let reason = format!("another step was begun meanwhile{what}: see bluefly ctl runs");
    CliError::failed(step.name, reason)
}

fn time_left(remote: &Remote, end: Instant) -> Option<Duration> {
    let left = end.saturating_since(remote.client.clock().now());
    (!left.is_zero()).then_some(left)
}

/// Whether what was asked is still to come.
fn is_under_way(status: &Status, name: &str) -> bool {
    let state = status.progress.operation.as_ref().map(|operation| operation.state);
    match state {
        Some(StepState::Running | StepState::Pausing) => true,
        Some(StepState::Paused) => name != "pause",
        Some(StepState::Done | StepState::Aborted | StepState::Failed) | None => false,
    }
}

/// Whether the step led to where it should.
fn judge(remote: &Remote, step: &Step, status: &Status) -> Result<(), CliError> {
    let Some(operation) = &status.progress.operation else { return Ok(()) };
    let failed = |message: String| Err(CliError::failed(step.name, message));
    match operation.state {
        StepState::Done => Ok(()),
        StepState::Paused if step.name == "pause" => Ok(()),
        StepState::Aborted if step.ends == Ends::OnPurpose => Ok(()),
        StepState::Aborted => Err(CliError::aborted(step.name, "aborted")),
        StepState::Failed => match &operation.error {
            Some(error) => Err(refused(error.clone())),
            None => failed("failed, and the server does not say why".to_owned()),
        },
        StepState::Running | StepState::Pausing | StepState::Paused if step.wait == 0.0 => Ok(()),
        StepState::Running | StepState::Pausing | StepState::Paused => {
            let (phase, wait, url) = (status.progress.phase, step.wait, remote.client.url());
            failed(format!("{url} is still {phase} after {wait} s: it goes on"))
        }
    }
}
