//! Device actors: each checks the phase, starts the logic, records the outcome. None knows a PV
//! name, and no handler awaits hardware: a request is answered at once with a status or a refusal.
pub mod controller;
pub mod detector;
pub mod generator;
mod job;
pub mod motor;

use crate::clock::Clock;
use bluefly_protocol::{fault::Fault, name::Name};
use std::time::Duration;

/// How long a device that cannot be reached is left alone before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Makes hardware safe, however long it cannot be reached; resolves with what was found then.
async fn until_safe<T, F>(clock: &Clock, device: &Name, make_safe: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, Fault>>,
{
    loop {
        match make_safe().await {
            Ok(found) => return found,
            Err(fault) => tracing::warn!(%device, %fault, "not safe yet"),
        }
        clock.sleep(RETRY).await;
    }
}
