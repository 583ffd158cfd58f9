//! [`Monitor`]: what an observer has not taken yet, within a bound.
use super::{Reading, SignalError, Value};
use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    rc::{Rc, Weak},
    task::{Poll, Waker},
};

/// What becomes of readings that come faster than they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// Only the latest is kept. A loss of the link is never skipped.
    Latest,
    /// Up to this many are kept (at least one); beyond it the oldest are dropped and the observer
    /// is told by [`SignalError::Overrun`].
    Queue(usize),
}

type Item = Result<Reading<Value>, SignalError>;

#[derive(Debug)]
struct State {
    signal: Rc<str>,
    backlog: Backlog,
    items: VecDeque<Item>,
    lost: u64,
    waker: Option<Waker>,
}

/// The provider's side: where it puts what happens.
#[derive(Clone, Debug)]
pub struct Feed(Weak<RefCell<State>>);

/// The observer's side.
#[derive(Debug)]
pub struct Monitor(Rc<RefCell<State>>);

/// A feed and its monitor, for the signal with this address.
pub fn monitor(signal: &str, backlog: Backlog) -> (Feed, Monitor) {
    let state =
        State { signal: signal.into(), backlog, items: VecDeque::new(), lost: 0, waker: None };
    let state = Rc::new(RefCell::new(state));
    (Feed(Rc::downgrade(&state)), Monitor(state))
}

impl State {
    fn push(&mut self, item: Item) {
        match self.backlog {
            Backlog::Latest => {
                let replaces = |last: &Item| item.is_err() || last.is_ok();
                while self.items.back().is_some_and(replaces) {
                    self.items.pop_back();
                }
            }
            Backlog::Queue(bound) => {
                while self.items.len() >= bound.max(1) {
                    self.items.pop_front();
                    self.lost += 1;
                }
            }
        }
        self.items.push_back(item);
    }
}

impl Feed {
    /// Tells a reading or the loss of the link; false once nobody observes any more.
    pub fn push(&self, item: Result<Reading<Value>, SignalError>) -> bool {
        let Some(state) = self.0.upgrade() else { return false };
        let mut state = state.borrow_mut();
        state.push(item);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        true
    }

    /// Tells that so many readings were lost before they could be pushed.
    pub fn lose(&self, count: u64) {
        let Some(state) = self.0.upgrade() else { return };
        let mut state = state.borrow_mut();
        state.lost += count;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Whether anybody still observes.
    pub fn is_observed(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Monitor {
    /// Resolves with the next reading, or with the loss of the link, after which it goes on.
    ///
    /// Cancel safe. Fails with [`SignalError::Disconnected`] again and again once the provider is
    /// gone.
    pub async fn next(&mut self) -> Result<Reading<Value>, SignalError> {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if state.lost > 0 {
                let lost = std::mem::take(&mut state.lost);
                let signal = state.signal.to_string();
                return Poll::Ready(Err(SignalError::Overrun { signal, lost }));
            }
            if let Some(item) = state.items.pop_front() {
                return Poll::Ready(item);
            }
            if Rc::weak_count(&self.0) == 0 {
                return Poll::Ready(Err(SignalError::disconnected(&*state.signal)));
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // The last feed to go leaves the monitor without a source: let it notice.
        if let Some(state) = self.0.upgrade()
            && Rc::weak_count(&state) == 1
            && let Some(waker) = state.borrow_mut().waker.take()
        {
            waker.wake();
        }
    }
}
