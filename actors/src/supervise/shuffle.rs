//! [`shuffled`]: explores the orders in which tasks may run, from a seed.
use crate::random::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A task that lets others go first by the toss of a seeded coin; see [`shuffled`].
pub struct Shuffled<F> {
    task: Pin<Box<F>>,
    coin: Stream,
}

/// `task`, polled only when a coin from `coin` comes up heads; otherwise it goes to the back of the
/// queue of ready tasks.
///
/// A runtime runs tasks that are ready at the same moment in one fixed order. With every task
/// shuffled, each seed gives another order, and the same seed the same order again. Time does not
/// advance meanwhile, since the task stays ready.
pub fn shuffled<F: Future>(task: F, coin: Stream) -> Shuffled<F> {
    Shuffled { task: Box::pin(task), coin }
}

impl<F: Future> Future for Shuffled<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.coin.chance(0.5) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.task.as_mut().poll(cx)
    }
}

impl<F> fmt::Debug for Shuffled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shuffled").finish_non_exhaustive()
    }
}
