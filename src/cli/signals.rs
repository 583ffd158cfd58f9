//! [`Signals`]: Ctrl-C, SIGTERM and SIGHUP, counted.
use super::fly::Pace;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Interrupt, terminate, and hang-up unless it is ignored.
struct Streams {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

/// SIGXFSZ, which has no name in tokio: the same number on every Linux but MIPS.
const FILE_SIZE: SignalKind = SignalKind::from_raw(25);

/// From now on a write beyond the largest file that is allowed fails like one to a full disk, and the
/// process goes on.
pub(super) fn outlive_large_files() {
    let listen = || -> io::Result<()> {
        // It is listened to in the process from then on, whichever runtimes come and go.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let _entered = runtime.enter();
        signal(FILE_SIZE).map(drop)
    };
    if let Err(error) = listen() {
        tracing::warn!(%error, "a file that grows too large will end the process at once");
    }
}

/// The signals that ask the process to end, from the moment this was made. There are none on the
/// simulated clock, which hears of nothing outside: there they end the process as they always do.
pub(crate) struct Signals {
    streams: Option<Streams>,
    count: u32,
}

impl Signals {
    /// Those of a process that lives in real time.
    pub(crate) fn of_process() -> Self {
        Self::new(Pace::Real)
    }

    pub(super) fn new(pace: Pace) -> Self {
        let streams = match pace {
            Pace::Fast => None,
            Pace::Real => streams(),
        };
        Self { streams, count: 0 }
    }

    /// What `work` comes to; `None` as soon as a second signal has come.
    pub(crate) async fn patiently<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! { biased;
            done = work => Some(done),
            () = self.reach(2) => None,
        }
    }

    /// Resolves once `count` of them have come since this was made.
    pub(crate) async fn reach(&mut self, count: u32) {
        while self.count < count {
            let Some(streams) = &mut self.streams else {
                return std::future::pending().await;
            };
            let hung_up = async {
                match &mut streams.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! { biased;
                Some(()) = streams.interrupt.recv() => {}
                Some(()) = streams.terminate.recv() => {}
                Some(()) = hung_up => {}
                else => return std::future::pending().await,
            }
            self.count += 1;
        }
    }
}

fn streams() -> Option<Streams> {
    let listen = || -> io::Result<Streams> {
        let hangup = (!is_hangup_ignored()).then(|| signal(SignalKind::hangup())).transpose()?;
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Streams { interrupt, terminate, hangup })
    };
    match listen() {
        Ok(streams) => Some(streams),
        Err(error) => {
            tracing::warn!(%error, "Ctrl-C will end the process at once");
            None
        }
    }
}

/// Whether the process was started to outlive its terminal (`nohup`): to listen would undo that.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_actors::system::real_system;
    use std::process::{Command, id};

    fn send(signal: &str) {
        let sent = Command::new("kill").args([signal, &id().to_string()]).status();
        assert!(sent.expect("there is a kill").success());
    }

    #[test]
    fn a_second_signal_was_ignored() {
        real_system().block_on(async {
            let mut signals = Signals::new(Pace::Real);
            send("-TERM");
            signals.reach(1).await;
            signals.reach(1).await;
            send("-INT");
            signals.reach(2).await;
            assert_eq!(signals.patiently(async { 1 }).await, Some(1));
            assert_eq!(signals.patiently(std::future::pending::<()>()).await, None);
        });
    }
}
