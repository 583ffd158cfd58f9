//! The process of a beamline: the tree of actors with a door for clients, from the first log line to
//! the last document.
mod door;
mod notify;
mod secret;
#[cfg(feature = "tls")]
mod tls;

use crate::{
    cli::{CliError, Signals},
    hardware::Wiring,
    process::{AbortError, DOCUMENTS, Options, Process},
};
use bluefly_actors::{clock::Clock, random::Seed, supervise::Watchdog, system::real_system};
use bluefly_protocol::beamline::BeamlineSpec;
pub(crate) use door::Address;
use door::Door;
use notify::{Notifier, Stage};
use std::{path::PathBuf, time::Duration};

/// A beamline to serve.
pub(crate) struct Job {
    pub(crate) beamline: BeamlineSpec,
    pub(crate) wiring: Wiring,
    pub(crate) out: PathBuf,
    pub(crate) seed: Option<u64>,
}

/// A poll of an actor that takes longer is named in the log.
const BLOCKED: Duration = Duration::from_millis(50);
/// What a run that was under way is told to have ended for.
const REASON: &str = "the process was shut down";

/// Serves until a signal comes, or the tree of actors ends by itself. `ready` is called once, when
/// clients are answered. The files are closed when it returns, whatever came of it.
pub(crate) fn serve(job: &Job, ready: impl FnOnce(&Address)) -> Result<(), CliError> {
    let system = real_system();
    let ended = system.block_on(serve_here(job, ready));
    // To drop it would wait for threads that a file system may hold for ever.
    std::mem::forget(system);
    ended
}

async fn serve_here(job: &Job, ready: impl FnOnce(&Address)) -> Result<(), CliError> {
    let clock = Clock::real();
    let mut signals = Signals::of_process();
    let notifier = Notifier::new(clock.clone());
    notifier.enter(Stage::Starting, "starting");
    let door = Door::new(&job.beamline.api)?;
    let out = std::path::absolute(&job.out)
        .map_err(|error| CliError::usage("--out", error.to_string()))?;
    let seed = seed(job, &out, &clock)?;
    let address = door.address;
    let hardware = job.wiring.hardware(&job.beamline, &clock)?;
    let mut options = Options::new(clock, Seed(seed), out.clone());
    options.hardware = hardware;
    options.doors = Some(door.doors());
    let start = Process::start(&job.beamline, options);
    let start = notifier.during(Stage::Starting, signals.patiently(Box::pin(start))).await;
    let Some(started) = start else {
        return Err(CliError::failed("start", "a second signal: it was not waited for"));
    };
    let process = started.map_err(|error| CliError::not_started(&error))?;
    let watchdog = Watchdog::start(process.tree.clone(), BLOCKED, drop);
    if let Err(error) = &watchdog {
        tracing::error!(%error, "actors that block their thread are not found");
    }
    ready(&address);
    let beamline = &job.beamline.name;
    tracing::info!(%beamline, address = %address.socket, out = %out.display(), seed, "serving");
    notifier.enter(Stage::Serving, "idle");
    let end = until_asked(&process, &mut signals, &notifier).await;
    process.desk.begin_shutdown();
    notifier.enter(Stage::Stopping, "stopping");
    let ending = async {
        let ended = match end {
            End::Asked => close(&process, &mut signals).await,
            End::TreeEnded(error) => Some(Err(error)),
        };
        drop(watchdog);
        let halted = process.halt_unless(signals.reach(2)).await;
        let ended = ended.unwrap_or_else(|| {
            let message = "a second signal: the end of the run was not waited for";
            Err(CliError::failed("serve", message))
        });
        CliError::unless_safe(ended, &halted)
    };
    let ended = notifier.during(Stage::Stopping, ending).await;
    tracing::info!("stopped");
    ended
}

/// Without a seed, every process makes names of its own.
fn seed(job: &Job, out: &std::path::Path, clock: &Clock) -> Result<u64, CliError> {
    match job.seed {
        None => Ok(clock.unix_s(clock.now()).to_bits()),
        Some(_) if out.join(DOCUMENTS).exists() => {
            let place = out.display();
            let reason = format!("{place} has runs already, and a seed gives the same names again");
            Err(CliError::usage("--seed", format!("{reason}: choose another --out")))
        }
        Some(seed) => Ok(seed),
    }
}

/// Why the process ends.
enum End {
    Asked,
    TreeEnded(CliError),
}

async fn until_asked(process: &Process, signals: &mut Signals, notifier: &Notifier) -> End {
    let following = notifier.follow(process.bulletin.progress());
    tokio::select! { biased;
        () = signals.reach(1) => End::Asked,
        exit = process.tree.join() => {
            let message = format!("every restart was used up: {exit}");
            End::TreeEnded(CliError::failed("supervision", message))
        }
        () = notifier.during(Stage::Serving, following) => unreachable!("it never ends"),
    }
}

/// Begins no queued run any more, and ends the run that is under way in order; `None` as soon as a
/// second signal has come.
async fn close(process: &Process, signals: &mut Signals) -> Option<Result<(), CliError>> {
    tracing::info!("a signal: shutting down");
    let closed = signals.patiently(process.close(REASON)).await?;
    Some(closed.map_err(|error: AbortError| {
        CliError::failed("serve", format!("not ended in order: {error}"))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beamline_file;

    /// Crashes what nothing can do without, until the root gives up.
    #[test]
    fn a_tree_that_gave_up_left_the_process_waiting() {
        let text = include_str!("../../etc/sim.toml");
        let limits = "[supervision]\nmax_restarts = 0\nrestart_delay = \"1 ms\"\n";
        let text = format!("{text}\n{limits}");
        let beamline = beamline_file::read_text("sim.toml", &text).expect("it is right");
        let out = tempfile::tempdir().expect("there is room");
        let system = real_system();
        let end = system.block_on(async {
            let clock = Clock::real();
            let options = Options::new(clock.clone(), Seed(1), out.path().to_owned());
            let process = Process::start(&beamline, options).await.expect("it starts");
            let crashes = async {
                loop {
                    // It may be down at the moment.
                    if process.tree.crash("publisher", "a test").is_err() {
                        tracing::debug!("is down");
                    }
                    clock.sleep(Duration::from_millis(1)).await;
                }
            };
            let (mut signals, notifier) = (Signals::of_process(), Notifier::new(clock.clone()));
            let end = tokio::select! {
                end = until_asked(&process, &mut signals, &notifier) => end,
                () = crashes => unreachable!("it never ends"),
            };
            process.halt().await;
            end
        });
        let End::TreeEnded(error) = end else { panic!("nobody asked") };
        let error = error.to_string();
        let start = "supervision: every restart was used up: out of restarts: ";
        assert!(error.starts_with(start), "{error}");
    }
}
