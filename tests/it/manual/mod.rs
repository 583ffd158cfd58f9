//! Devices operated by hand: what is allowed when, what becomes of it, and that no scan is disturbed.
mod detector;
mod faults;
mod motor;
mod queue;
mod stop;
mod survey;

use crate::run::rig::{Rig, Setup, beamline, name};
use actix::{Context, Handler, Message, dev::ToEnvelope};
use bluefly::process::{Options, Process};
use bluefly_actors::{
    clock::Clock,
    coordinator::{
        ScanCoordinator,
        manual::{ManualError, ManualStatus, MoveMotor, StopDevice, TriggerDetector},
    },
    random::Seed,
    status::{Ended, Outcome},
    storage::MemoryDisk,
    supervise::Schedule,
    system::simulated_system,
};
use bluefly_protocol::api::ApiError;
use bluefly_sim::Latency;
use std::time::Duration;

/// Frames of the small grid.
const FRAMES: u64 = 40;

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

fn us(duration: u64) -> Duration {
    Duration::from_micros(duration)
}

/// Runs `test` on a rig whose devices take time to answer, and whose actors come in any order.
fn shuffled<T>(seed: u64, test: impl AsyncFnOnce(&Rig) -> T) -> T {
    eprintln!("seed {seed}");
    simulated_system().block_on(async move {
        let (memory, directory) = (MemoryDisk::new(), tempfile::tempdir().unwrap());
        let out = directory.path().to_owned();
        let mut options = Options::new(Clock::simulated(), Seed(seed), out);
        options.schedule = Schedule::Shuffled;
        options.latency = Latency { least: Duration::ZERO, most: us(500 * (seed % 5)) };
        options.disk = (Setup::default().disk)(&memory);
        let process = Process::start(&beamline(&[]), options).await.unwrap();
        let rig = Rig { process, memory, directory };
        let result = test(&rig).await;
        rig.process.shutdown().await;
        result
    })
}

async fn ask<M>(rig: &Rig, message: M) -> Result<ManualStatus, ManualError>
where
    ScanCoordinator: Handler<M>,
    M: Message<Result = Result<ManualStatus, ManualError>> + Send + 'static,
    Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
{
    rig.process.coordinator.ask(message, ms(1_000)).await.unwrap()
}

fn to(motor: &str, position: f64) -> MoveMotor {
    MoveMotor { name: name(motor), position }
}

fn stop(device: &str) -> StopDevice {
    StopDevice(name(device))
}

fn trigger(detector: &str) -> TriggerDetector {
    TriggerDetector(name(detector))
}

/// How a request by hand ends that is accepted.
async fn done<M>(rig: &Rig, message: M) -> Ended<Option<f64>>
where
    ScanCoordinator: Handler<M>,
    M: Message<Result = Result<ManualStatus, ManualError>> + Send + 'static,
    Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
{
    ask(rig, message).await.unwrap().finished().await
}

/// The error of a request by hand that is not accepted, as clients get it.
async fn refused<M>(rig: &Rig, message: M) -> String
where
    ScanCoordinator: Handler<M>,
    M: Message<Result = Result<ManualStatus, ManualError>> + Send + 'static,
    Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
{
    let error = ask(rig, message).await.map(drop).unwrap_err();
    serde_json::to_string(&ApiError::from(error)).unwrap()
}

fn at(rig: &Rig, motor: &str) -> f64 {
    rig.process.world.position(&name(motor)).unwrap()
}

/// A motor goes where it is told.
async fn goes(rig: &Rig, motor: &str, position: f64) {
    assert_eq!(done(rig, to(motor, position)).await, Ok(Outcome::Done(Some(position))));
    assert_eq!(at(rig, motor), position);
}

/// A whole run is flown, whatever was done before.
async fn flies(rig: &Rig) {
    assert_eq!(rig.run(crate::run::rig::GRID).await, Ok(FRAMES));
    rig.assert_complete(crate::run::rig::GRID, FRAMES);
    rig.assert_safe();
}
