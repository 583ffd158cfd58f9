//! [`Pending`]: the put-callback of a channel, of which there is one at a time.
use super::{
    circuit::{Circuit, CircuitChannel},
    directory::Served,
};
use crate::serving::Task;
use bluefly_actors::signal::{LocalFuture, Settle, SignalError, Value};
use bluefly_protocol::channel_access::{Access, Reply, status};
use futures_util::poll;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Poll,
};
use tokio::sync::Notify;

/// The put-callback that a channel waits for.
#[derive(Default)]
pub(super) struct Pending {
    put: Cell<Option<Access>>,
    task: RefCell<Option<Task>>,
    done: Notify,
}

impl Pending {
    /// Resolves once no put-callback is pending.
    async fn until_done(&self) {
        loop {
            let done = self.done.notified();
            if self.put.get().is_none() {
                return;
            }
            done.await;
        }
    }

    fn end(&self) {
        self.put.set(None);
        self.done.notify_waiters();
    }
}

impl Circuit {
    /// Begins a put-callback; resolves once it has begun, not when it is complete. One that is pending
    /// on the same channel is waited for, and with it the whole circuit.
    pub(super) async fn put_with_callback(
        self: &Rc<Self>,
        channel: &Rc<CircuitChannel>,
        access: Access,
        value: Value,
    ) {
        let pending = &channel.pending;
        if self.clock.timeout(self.settings.give_up_after, pending.until_done()).await.is_err() {
            // The task ends with the put that it waits for.
            pending.task.take();
            if let Some(given_up) = pending.put.take() {
                tracing::warn!(pv = channel.served.name, "put-callback given up");
                self.answer_put(given_up, status::PUT_IN_PROGRESS);
            }
        }
        pending.put.set(Some(access));
        let mut put = put_in_turn(channel.served.clone(), value);
        // It begins here: what the client sends next must find it begun.
        if let Poll::Ready(done) = poll!(&mut put) {
            self.finish_put(channel, access, done);
            return;
        }
        let (circuit, waiting) = (Rc::downgrade(self), Rc::downgrade(channel));
        let task = Task::spawn(async move {
            let done = put.await;
            if let (Some(circuit), Some(channel)) = (circuit.upgrade(), waiting.upgrade()) {
                circuit.finish_put(&channel, access, done);
            }
        });
        pending.task.replace(Some(task));
    }

    fn finish_put(&self, channel: &CircuitChannel, access: Access, done: Result<(), SignalError>) {
        let status = match done {
            Ok(()) => status::NORMAL,
            Err(error) => {
                tracing::info!(%error, "put-callback refused");
                put_status(&error)
            }
        };
        self.answer_put(access, status);
        channel.pending.end();
    }

    pub(super) fn answer_put(&self, access: Access, status: u32) {
        let Access { request, data_type, count, .. } = access;
        self.send(&Reply::Written { request, status, data_type, count });
    }
}

/// What a client is told of a put that failed.
pub(super) const fn put_status(error: &SignalError) -> u32 {
    match error {
        SignalError::NoAccess { .. } => status::NO_WRITE_ACCESS,
        SignalError::Disconnected { .. }
        | SignalError::Lost { .. }
        | SignalError::Timeout { .. }
        | SignalError::NotReached { .. }
        | SignalError::NoProvider { .. }
        | SignalError::Unknown { .. }
        | SignalError::WrongType { .. }
        | SignalError::WrongRecord { .. }
        | SignalError::NoChoice { .. }
        | SignalError::TooLong { .. }
        | SignalError::Refused { .. }
        | SignalError::Unreadable { .. }
        | SignalError::Overrun { .. } => status::PUT_FAILED,
    }
}

/// The put, once those before it on the same record are complete.
fn put_in_turn(served: Rc<Served>, value: Value) -> LocalFuture<Result<(), SignalError>> {
    Box::pin(async move {
        // It is closed by nobody; if it were, puts would follow each other in no order.
        let turn = served.record.acquire().await;
        let done = served.channel.put(value, Settle::Completed).await;
        drop(turn);
        done
    })
}
