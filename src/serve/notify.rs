//! [`Notifier`]: tells the service manager how the process is.
use bluefly_actors::{clock::Clock, watch};
use bluefly_protocol::run::RunProgress;
use sd_notify::NotifyState;
use std::{
    cell::RefCell,
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

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
    /// Time between two signs of life.
    beat: Duration,
    /// Where systemd listens; none if nobody does.
    listener: Option<Listener>,
}

/// Time between two signs of life, if systemd asks for none.
const BEAT: Duration = Duration::from_secs(5);
/// What every sign of life asks for while the process starts or stops: four beats.
const EXTENSION: Duration = Duration::from_secs(20);

impl Notifier {
    pub(super) fn new(clock: Clock) -> Self {
        // Two of three may be late.
        let beat = sd_notify::watchdog_enabled().map_or(BEAT, |limit| (limit / 3).min(BEAT));
        let listener = env::var_os("NOTIFY_SOCKET").and_then(|path| Listener::new(&path));
        Self { clock, beat, listener }
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
        if self.listener.is_none() {
            return std::future::pending().await;
        }
        loop {
            match stage {
                Stage::Starting | Stage::Stopping => {
                    let extension = NotifyState::ExtendTimeoutUsec(EXTENSION.as_micros() as u32);
                    self.tell(&[NotifyState::Watchdog, extension]);
                }
                Stage::Serving => self.tell(&[NotifyState::Watchdog]),
            }
            self.clock.sleep(self.beat).await;
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
            if self.listener.is_none() || progress.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if let Some(listener) = &self.listener
            && let Err(error) = listener.tell(states)
        {
            tracing::warn!(%error, "the service manager was not told");
        }
    }
}

/// The socket of systemd. It takes a few messages only while nobody reads them: what it does not
/// take is told with what comes next, for the actors must not wait.
struct Listener {
    socket: UnixDatagram,
    address: SocketAddr,
    /// Not told yet; the last of each kind.
    lines: RefCell<Vec<String>>,
}

impl Listener {
    fn new(path: &OsStr) -> Option<Self> {
        let listener = || -> io::Result<Self> {
            let address = match path.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
                _ => SocketAddr::from_pathname(path)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok(Self { socket, address, lines: RefCell::default() })
        };
        match listener() {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::warn!(?path, %error, "NOTIFY_SOCKET cannot be used");
                None
            }
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) -> io::Result<()> {
        let mut lines = self.lines.borrow_mut();
        for line in states.iter().map(ToString::to_string) {
            let kind = |line: &str| line.split('=').next().map(str::to_owned);
            lines.retain(|older| kind(older) != kind(&line));
            lines.push(line);
        }
        let message = lines.join("\n");
        match self.socket.send_to_addr(message.as_bytes(), &self.address) {
            Ok(_) => lines.clear(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tracing::debug!("the service manager is busy");
            }
            Err(error) => return Err(error),
        }
        Ok(())
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
