//! [`Hold`]: work that stands still for as long as somebody wants it to.
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    task::{Poll, Waker},
};

/// Stops all work that is under it, and lets it go on.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    is_on: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Hold {
    pub(crate) fn begin(&self) {
        self.is_on.set(true);
    }

    pub(crate) fn end(&self) {
        self.is_on.set(false);
        for waiting in self.waiting.take() {
            waiting.wake();
        }
    }

    /// The work, of which nothing is done during a hold.
    pub(crate) async fn unless_on<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            if self.is_on.get() {
                let mut waiting = self.waiting.borrow_mut();
                if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    waiting.push(context.waker().clone());
                }
                return Poll::Pending;
            }
            work.as_mut().poll(context)
        })
        .await
    }
}
