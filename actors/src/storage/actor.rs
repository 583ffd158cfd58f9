//! The actor that owns the flush timer.
use super::{
    client::{StorageClient, StorageReport},
    disk::Result,
    error::StorageError,
};
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use std::pin::pin;

/// Owns the flush timer. The writer, its thread and the open files belong to the
/// [`StorageClient`]: they survive a crash of this actor, and its next incarnation goes on with
/// them.
pub struct Storage {
    client: StorageClient,
}

/// What is queued, open and on disk.
#[derive(Message)]
#[rtype(result = "StorageReport")]
pub struct GetReport;

impl Storage {
    /// An actor that flushes what `client` is given, every
    /// [`flush_period`](super::StorageConfig::flush_period).
    pub fn new(client: StorageClient) -> Self {
        Self { client }
    }
}

impl Actor for Storage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let flushes = flush_forever(self.client.clone());
        ctx.spawn(flushes.into_actor(self).map(|(), _, _| ()));
    }
}

impl Handler<GetReport> for Storage {
    type Result = actix::MessageResult<GetReport>;

    fn handle(&mut self, _: GetReport, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.client.report())
    }
}

/// Ends when the storage has been shut down.
async fn flush_forever(client: StorageClient) {
    let period = client.config().flush_period;
    loop {
        client.clock().sleep(period).await;
        match flush(&client).await {
            Ok(()) => {}
            Err(StorageError::Down) => return,
            Err(error) => tracing::error!(%error, "no flush"),
        }
    }
}

/// One flush, with a warning that names the call it hangs in.
async fn flush(client: &StorageClient) -> Result<()> {
    let mut flush = pin!(client.flush_if_dirty());
    let slow = client.config().slow_call;
    if let Ok(flushed) = client.clock().timeout(slow, flush.as_mut()).await {
        return flushed;
    }
    if let Some(call) = client.calls().now() {
        let for_s = (client.clock().now() - call.since).as_secs_f64();
        tracing::warn!(call = %call.call, path = %call.path.display(), for_s, "disk hangs");
    }
    flush.await
}
