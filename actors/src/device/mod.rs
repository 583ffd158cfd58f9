//! Device actors: each checks the phase, starts the logic, records the outcome. None knows a PV
//! name, and no handler awaits hardware: a request is answered at once with a status or a refusal.
mod complaint;
pub mod controller;
pub mod detector;
mod duty;
pub mod generator;
mod job;
mod kind;
pub mod motor;
pub mod panda;
pub mod triggers;

pub use kind::{Device, Found, Halt, Kind};

use self::complaint::Complaints;
use crate::clock::Clock;
use bluefly_protocol::fault::Fault;
use std::time::Duration;

/// How long a device that could not be made safe is left alone before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Makes hardware safe that could not be made safe just now, however long that takes; resolves with
/// what was found then.
async fn until_safe<T, F>(clock: &Clock, complaints: &Complaints, make_safe: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, Fault>>,
{
    loop {
        clock.sleep(RETRY).await;
        match make_safe().await {
            Ok(found) => return found,
            Err(fault) => complaints.failed("make safe", &fault),
        }
    }
}
