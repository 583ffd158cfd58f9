//! [`Notifier`]: tells the service manager how the process is.
use bluefly_actors::{clock::Clock, watch};
use bluefly_protocol::run::RunProgress;
use sd_notify::NotifyState;
use std::{env, time::Duration};

/// What the process is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Starting,
    Serving,
    Stopping,
}

/// Speaks to systemd on the thread of the actors: if that hangs, systemd hears nothing any more, and
/// ends the process. Silent if it was not systemd that started us.
pub(super) struct Notifier {
    clock: Clock,
    /// Time between two signs of life; none if nobody listens.
    beat: Option<Duration>,
}

/// Time between two signs of life, if systemd asks for none.
const BEAT: Duration = Duration::from_secs(5);
/// What every sign of life asks for while the process starts or stops: four beats.
const EXTENSION: Duration = Duration::from_secs(20);

impl Notifier {
    pub(super) fn new(clock: Clock) -> Self {
        let is_heard = env::var_os("NOTIFY_SOCKET").is_some();
        // Two of three may be late.
        let asked = sd_notify::watchdog_enabled().map_or(BEAT, |limit| (limit / 3).min(BEAT));
        Self { clock, beat: is_heard.then_some(asked) }
    }

    /// Says that the process is ready, or is about to end.
    pub(super) fn enter(&self, stage: Stage, status: &str) {
        let status = NotifyState::Status(status);
        match stage {
            Stage::Starting => self.tell(&[status]),
            Stage::Serving => self.tell(&[NotifyState::Ready, status]),
            Stage::Stopping => self.tell(&[NotifyState::Stopping, status]),
        }
    }

    /// Does `work`, and gives signs of life all the while.
    pub(super) async fn during<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        tokio::select! { biased;
            done = work => done,
            () = self.beat(stage) => unreachable!("it never ends"),
        }
    }

    async fn beat(&self, stage: Stage) {
        let Some(beat) = self.beat else { return std::future::pending().await };
        loop {
            match stage {
                Stage::Starting | Stage::Stopping => {
                    let extension = NotifyState::ExtendTimeoutUsec(EXTENSION.as_micros() as u32);
                    self.tell(&[NotifyState::Watchdog, extension]);
                }
                Stage::Serving => self.tell(&[NotifyState::Watchdog]),
            }
            self.clock.sleep(beat).await;
        }
    }

    /// Tells each phase of the run that `progress` comes to, for ever.
    pub(super) async fn follow(&self, mut progress: watch::Receiver<RunProgress>) {
        let mut told = String::new();
        loop {
            let status = line(&progress.borrow_and_update());
            if status != told {
                self.tell(&[NotifyState::Status(&status)]);
                told = status;
            }
            if self.beat.is_none() || progress.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if self.beat.is_some()
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::warn!(%error, "the service manager was not told");
        }
    }
}

/// Where the run stands, without what changes all the time.
fn line(progress: &RunProgress) -> String {
    let RunProgress { phase, run, frames_total, .. } = progress;
    match run {
        Some(run) => format!("{phase}: run {run}, {frames_total} frames"),
        None => phase.to_string(),
    }
}
