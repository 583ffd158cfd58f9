//! [`Task`]: work on this thread that ends with its owner.
use tokio::task::JoinHandle;

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) const fn new(handle: JoinHandle<()>) -> Self {
        Self(handle)
    }

    pub(crate) fn spawn(work: impl Future<Output = ()> + 'static) -> Self {
        Self(tokio::task::spawn_local(work))
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Resolves once nothing of it is left.
    pub(crate) async fn end(mut self) {
        self.0.abort();
        if let Err(error) = (&mut self.0).await
            && error.is_panic()
        {
            tracing::error!(%error, "a task of the server crashed");
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
