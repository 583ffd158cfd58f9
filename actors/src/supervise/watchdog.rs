//! [`Watchdog`]: names the actor that blocks its thread.
use super::{
    control::{Poll, real_ns},
    tree::Tree,
};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::{fmt, io, sync::Arc, thread::JoinHandle, time::Duration};

/// An actor has been inside one poll for too long. Told once for each such poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub id: Arc<str>,
    /// Real time since the poll began.
    pub since: Duration,
}

/// An OS thread that watches the polls of a tree in real time. Dropped, it stops and is joined.
pub struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Looks per limit: a blocked actor is named within a quarter of the limit after it.
const LOOKS: u32 = 4;

impl Watchdog {
    /// Watches the actors of `tree`; warns of each poll that takes longer than `limit` of real time
    /// and calls `on_blocked`, on the watchdog's own thread. Fails if no thread can be started.
    pub fn start(
        tree: Tree,
        limit: Duration,
        mut on_blocked: impl FnMut(Blocked) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = bounded::<()>(0);
        let pause = (limit / LOOKS).max(Duration::from_millis(1));
        let watch = move || {
            let mut told = vec![];
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let polls = long_polls(&tree, limit);
                for (id, poll, since) in &polls {
                    if !told.contains(&(Arc::clone(id), *poll)) {
                        let ms = since.as_millis() as u64;
                        tracing::warn!(id = &**id, ms, "an actor blocks its thread");
                        on_blocked(Blocked { id: Arc::clone(id), since: *since });
                    }
                }
                told = polls.into_iter().map(|(id, poll, _)| (id, poll)).collect();
            }
        };
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(watch)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// Every poll that has taken longer than `limit`.
fn long_polls(tree: &Tree, limit: Duration) -> Vec<(Arc<str>, Poll, Duration)> {
    let under_way = tree.vitals().into_iter().filter_map(|(id, vitals)| {
        let poll = vitals.poll_under_way()?;
        let since = Duration::from_nanos(real_ns().saturating_sub(poll.started_ns));
        Some((id, poll, since))
    });
    under_way.filter(|(.., since)| *since > limit).collect()
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").finish_non_exhaustive()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // The thread wakes as the sender goes.
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the watchdog panicked");
        }
    }
}
