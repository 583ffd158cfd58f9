//! Devices: what they are, and what one is asked by hand.
use super::{
    CliError, Remote,
    arguments::{DeviceArguments, DevicesArguments, SetArguments},
    refused, render,
    step::waited,
};
use crate::client::Call;
use bluefly_protocol::{
    api::{Device, DeviceReport, Wait},
    run::StepState,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Devices {
    devices: Vec<Device>,
}

pub(super) async fn devices(remote: &Remote, arguments: &DevicesArguments) -> Result<(), CliError> {
    if let Some(name) = &arguments.name {
        return remote.print(Call::get(format!("devices/{name}")), render::device).await;
    }
    let render = |list: &Devices| render::devices(&list.devices);
    remote.print(Call::get("devices"), render).await
}

pub(super) async fn set(remote: &Remote, arguments: &SetArguments) -> Result<(), CliError> {
    if !arguments.value.is_finite() {
        return Err(CliError::usage("VALUE", format!("{} is no position", arguments.value)));
    }
    let path = format!("devices/{}/set", arguments.name);
    let awaited = format!("the move to {}", arguments.value);
    ask(remote, Act { path, body: json!({"value": arguments.value}), awaited }, arguments.wait.wait)
        .await
}

pub(super) async fn halt(remote: &Remote, arguments: &DeviceArguments) -> Result<(), CliError> {
    let path = format!("devices/{}/stop", arguments.name);
    let awaited = "the stop".to_owned();
    ask(remote, Act { path, body: json!({}), awaited }, arguments.wait.wait).await
}

pub(super) async fn trigger(remote: &Remote, arguments: &DeviceArguments) -> Result<(), CliError> {
    let path = format!("devices/{}/trigger", arguments.name);
    let awaited = "the frame".to_owned();
    ask(remote, Act { path, body: json!({}), awaited }, arguments.wait.wait).await
}

/// What a device is asked to do.
struct Act {
    path: String,
    body: Value,
    /// What is waited for, in words.
    awaited: String,
}

/// Asks a device, prints what it did, and fails if it did not within `wait_s`.
async fn ask(remote: &Remote, act: Act, wait_s: f64) -> Result<(), CliError> {
    let (wait, Act { path, body, awaited }) = (waited(wait_s)?, act);
    if wait > Wait::MAX {
        let reason =
            format!("{} s is too long: at most {}", wait.as_secs_f64(), Wait::MAX.as_secs());
        return Err(CliError::usage("--wait", reason));
    }
    let answer = remote.ask(Call::post(path, body).waiting(wait)).await?;
    remote.show(&answer, render::report)?;
    let report: DeviceReport = remote.parse(&answer)?;
    let name = report.device.to_string();
    match report.state {
        StepState::Done => Ok(()),
        StepState::Aborted => Err(CliError::aborted(name, "aborted")),
        StepState::Failed => Err(match report.error {
            Some(error) => refused(error),
            None => CliError::failed(name, "failed, and the server does not say why"),
        }),
        StepState::Running | StepState::Pausing | StepState::Paused if wait.is_zero() => Ok(()),
        StepState::Running | StepState::Pausing | StepState::Paused => {
            let reason = format!("waited {} s for {awaited}: it goes on", wait.as_secs_f64());
            Err(CliError::failed(name, reason))
        }
    }
}
