//! Device actors: each checks the phase, starts the logic, records the outcome. None knows a PV
//! name, and no handler awaits hardware: a request is answered at once with a status or a refusal.
pub mod controller;
pub mod detector;
pub mod generator;
mod job;
pub mod motor;

use std::time::Duration;

/// How long a device that cannot be reached is left alone before it is tried again.
const RETRY: Duration = Duration::from_secs(1);
