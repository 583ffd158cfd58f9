//! Flying one specification from beginning to end, on a beamline that is put up for it.
use super::{CliError, progress::Display, signals::Signals};
use crate::{
    assembly::capabilities,
    hardware::Wiring,
    logging::Logging,
    process::{DOCUMENTS, Options, Process},
};
use actix::{Context, Handler, Message, dev::ToEnvelope};
use bluefly_actors::{
    clock::Clock,
    coordinator::{Kickoff, Prepare, RunStatus, ScanCoordinator, Stage, Unstage},
    random::Seed,
    status::{OperationError, Outcome},
    supervise::Watchdog,
    system::{real_system, simulated_system},
};
use bluefly_protocol::{
    beamline::BeamlineSpec,
    fault::{FaultClass, Refused},
    plan::ScanPlan,
    scan::Spec,
};
use bluefly_sim::trace::TraceLayer;
use futures_util::join;
use std::{fs, path::PathBuf, pin::pin, time::Duration};

/// Whether time passes or jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Real,
    Fast,
}

/// One scan to fly.
pub(super) struct Job {
    pub(super) spec: Spec,
    /// What the specification is called in errors.
    pub(super) spec_name: String,
    pub(super) beamline: BeamlineSpec,
    pub(super) wiring: Wiring,
    pub(super) out: PathBuf,
    pub(super) pace: Pace,
    pub(super) seed: Option<u64>,
    /// Where the trace of a simulation is to go.
    pub(super) trace: Option<PathBuf>,
}

/// Where everything of a run that was flown is.
pub(super) struct Landed {
    pub(super) frames: u64,
    pub(super) documents: PathBuf,
    pub(super) master: PathBuf,
    pub(super) seed: u64,
}

/// How long the coordinator may take to answer a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A poll of an actor that takes longer is named in the log.
const BLOCKED: Duration = Duration::from_millis(50);

/// Flies `job`; the files are closed when it returns, whatever came of it.
pub(super) fn fly(job: Job, log: &Logging) -> Result<Landed, CliError> {
    let system = match job.pace {
        Pace::Real => real_system(),
        Pace::Fast => simulated_system(),
    };
    let landed = system.block_on(fly_here(job, log));
    // To drop it would wait for threads that a file system may hold for ever.
    std::mem::forget(system);
    landed
}

async fn fly_here(job: Job, log: &Logging) -> Result<Landed, CliError> {
    let seed = job.seed.unwrap_or_else(|| {
        let clock = Clock::real();
        clock.unix_s(clock.now()).to_bits()
    });
    let clock = match job.pace {
        Pace::Real => Clock::real(),
        Pace::Fast => Clock::simulated(),
    };
    let (layer, trace) = match &job.trace {
        Some(_) => Some(TraceLayer::new(clock.clone())).unzip(),
        None => (None, None),
    };
    log.start(layer)?;
    let out = std::path::absolute(&job.out)
        .map_err(|error| CliError::usage("--out", error.to_string()))?;
    if job.seed.is_some() && out.join(DOCUMENTS).exists() {
        let place = out.display();
        let reason = format!("{place} has runs already, and a seed gives the same names again");
        return Err(CliError::usage("--seed", format!("{reason}: choose another --out")));
    }
    can_be_flown(&job)?;
    if let Some(path) = &job.trace {
        let made = fs::File::create(path);
        made.map_err(|error| CliError::usage("--trace", format!("{}: {error}", path.display())))?;
    }
    let hardware = job.wiring.hardware(&job.beamline, &clock)?;
    let mut options = Options::new(clock, Seed(seed), out);
    options.hardware = hardware;
    let process = Process::start(&job.beamline, options)
        .await
        .map_err(|error| CliError::not_started(&error))?;
    let watchdog = match job.pace {
        Pace::Real => Watchdog::start(process.tree.clone(), BLOCKED, drop).map(Some),
        Pace::Fast => Ok(None),
    };
    let watchdog = watchdog.map_err(|error| CliError::failed("watchdog", error.to_string()))?;
    let mut signals = Signals::new(job.pace);
    let landed = run(&process, &job, (seed, &mut signals)).await;
    drop(watchdog);
    // Whoever asks twice waits for nothing that is away.
    let halted = process.halt_unless(signals.reach(2)).await;
    if let (Some(path), Some(trace)) = (&job.trace, trace) {
        fs::write(path, trace.text())
            .map_err(|error| CliError::failed(path.display().to_string(), error.to_string()))?;
    }
    CliError::unless_safe(landed, &halted)
}

/// Refuses what cannot be flown before anything is made.
fn can_be_flown(job: &Job) -> Result<(), CliError> {
    let planned = ScanPlan::new(job.spec.clone(), &capabilities(&job.beamline));
    planned.map(drop).map_err(|error| CliError::input(job.spec_name.clone(), error.to_string()))
}

/// Flies, and undoes what a run that failed or was interrupted has begun. That is worth waiting for,
/// also if the coordinator died of it: its next incarnation makes everything safe and ends the
/// documents.
async fn run(
    process: &Process,
    job: &Job,
    (seed, signals): (u64, &mut Signals),
) -> Result<Landed, CliError> {
    let mut display = Display::new();
    let frames = tokio::select! { biased;
        frames = flown(process, job, signals) => frames,
        () = display.follow(process.bulletin.progress()) => unreachable!("it never ends"),
    };
    display.show(&process.bulletin.progress().borrow());
    let frames = frames?;
    let progress = process.bulletin.progress().borrow().clone();
    let run = progress.run.unwrap_or_default();
    let directory = &process.beamline.settings.directory;
    let master = directory.join(format!("{run}.nxs"));
    Ok(Landed { frames, documents: process.documents.clone(), master, seed })
}

async fn flown(process: &Process, job: &Job, signals: &mut Signals) -> Result<u64, CliError> {
    let mut steps = pin!(steps(process, job));
    tokio::select! { biased;
        frames = &mut steps => match frames {
            Ok(frames) => Ok(frames),
            Err(error) => {
                let undone = signals.patiently(process.abort("the scan failed")).await;
                if let Some(Err(error)) = undone {
                    tracing::error!(%error, "not everything is undone");
                }
                Err(error)
            }
        },
        exit = process.tree.join() => {
            Err(CliError::failed("supervision", format!("every restart was used up: {exit}")))
        }
        () = signals.reach(1) => {
            let ended = signals.patiently(interrupted(process, steps)).await;
            ended.unwrap_or_else(|| {
                let message = "a second signal: the end of the run was not waited for";
                Err(CliError::failed("scan", message))
            })
        }
    }
}

/// Aborts the run, and tells what came of it: a run that had reached its end is whole.
async fn interrupted(
    process: &Process,
    steps: impl Future<Output = Result<u64, CliError>>,
) -> Result<u64, CliError> {
    const REASON: &str = "interrupted by a signal";
    match join!(steps, process.abort(REASON)) {
        (Ok(frames), _) => Ok(frames),
        (Err(_), Ok(())) => {
            let place = process.beamline.settings.directory.display();
            Err(CliError::aborted("scan", format!("{REASON}; what was taken is in {place}")))
        }
        (Err(_), Err(error)) => {
            Err(CliError::failed("scan", format!("{REASON}, and not ended in order: {error}")))
        }
    }
}

async fn steps(process: &Process, job: &Job) -> Result<u64, CliError> {
    step(process, job, Stage::default()).await?;
    step(process, job, Prepare(job.spec.clone())).await?;
    let frames = step(process, job, Kickoff).await?;
    step(process, job, Unstage).await?;
    Ok(frames)
}

/// Does one step of the run to its end.
async fn step<M>(process: &Process, job: &Job, message: M) -> Result<u64, CliError>
where
    ScanCoordinator: Handler<M>,
    M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
    Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
{
    match request(process, message).await?.finished().await {
        Ok(Outcome::Done(frames)) => Ok(frames),
        Ok(Outcome::Aborted) => Err(CliError::aborted("scan", "aborted")),
        Err(OperationError::Fault(fault)) if fault.class == FaultClass::Rejected => {
            let (beamline, device) = (&process.beamline, &fault.device);
            let wrong = |reason: String| CliError::input(job.spec_name.clone(), reason);
            Err(if *device == beamline.generator.0 {
                wrong(fault.reason)
            } else if beamline.triggers.contains_key(device) {
                // The plan could be flown, and not be triggered.
                wrong(fault.to_string())
            } else {
                CliError::failed("scan", fault.to_string())
            })
        }
        Err(error) => Err(CliError::failed("scan", error.to_string())),
    }
}

async fn request<M>(process: &Process, message: M) -> Result<RunStatus, CliError>
where
    ScanCoordinator: Handler<M>,
    M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
    Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
{
    let answer = process.coordinator.ask(message, ANSWER_WITHIN).await;
    let answer = answer.map_err(|error| CliError::failed("scan", error.to_string()))?;
    answer.map_err(|refused| CliError::failed("scan", refused.to_string()))
}
