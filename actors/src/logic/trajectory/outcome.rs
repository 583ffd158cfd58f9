//! What came of building, appending and executing, which is told a little after the state says Done.
use super::{super::Task, ExecuteState, HALT_WITHIN, ProfileStatus, Step, TrajectoryLogic};
use crate::signal::{SignalError, SignalR, SignalValue};
use bluefly_protocol::fault::Fault;
use std::time::Duration;

/// How long after one thing a controller may tell another that is true at the same time: a third of a
/// millisecond was recorded.
const TOLD_WITHIN: Duration = Duration::from_millis(500);
/// What it says for as long as it is at something.
const UNDER_WAY: [&str; 4] = [
    "Building profile",
    "Appending points to trajectory",
    "Starting trajectory execution",
    "Executing trajectory scan",
];
/// Of an execution without a build.
const NOT_BUILT: &str = "Trajectory profile was not built successfully";

/// The first value that is news, or the last one if none is within the time.
pub(super) async fn told<T: SignalValue>(
    signal: &SignalR<T>,
    is_news: impl Fn(&T) -> bool,
) -> Result<T, SignalError> {
    match signal.wait_for(TOLD_WITHIN, is_news).await {
        Err(SignalError::NotReached { .. }) => signal.get().await,
        told => told,
    }
}

/// Status and message of something that is Done, of which there was another message `before`.
pub(super) async fn outcome<S>(
    task: Task<'_>,
    step: &Step<S>,
    before: &str,
) -> Result<(ProfileStatus, String), Fault> {
    let is_news = |message: &String| !UNDER_WAY.contains(&message.as_str());
    // The message is the last to come.
    let message = task.done(told(&step.message, is_news).await)?;
    let status = task.done(told(&step.status, |s| *s != ProfileStatus::Undefined).await)?;
    if status == ProfileStatus::Success || message != before {
        return Ok((status, message));
    }
    // What is refused at once says nothing of being under way.
    let message = task.done(told(&step.message, |message| message != before).await)?;
    Ok((status, message))
}

impl TrajectoryLogic {
    /// An execution that did not begin stays busy. To the driver its release is another execution, so
    /// it is released only once nothing is built that could be executed.
    pub(super) async fn release(&self, task: Task<'_>, message: &str) -> Result<(), Fault> {
        let step = &self.record.execute;
        // One that began is released by itself, a little before or after its end.
        let is_busy = match message {
            NOT_BUILT => step.go.get().await,
            _ => told(step.go.r(), |is_busy| !is_busy).await,
        };
        if !task.done(is_busy)? {
            return Ok(());
        }
        if message != NOT_BUILT {
            task.done(self.record.abort.put(true).await)?;
        }
        task.done(step.go.send(false).await)?;
        task.done(step.go.r().wait_for(HALT_WITHIN, |is_busy| !is_busy).await)?;
        let is_done = |state: &ExecuteState| *state == ExecuteState::Done;
        task.done(step.state.wait_for(HALT_WITHIN, is_done).await.map(drop))
    }
}
