//! A value that many may watch. It is told as [`tokio::sync::watch`] tells it, but who waits is
//! woken in the order in which it began to wait: tokio draws that order from a generator that is
//! seeded by the system, and one seed would have many traces.
use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// All senders are gone: the value will not change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody is left to change the value")]
pub struct Closed;

#[derive(Debug)]
struct Slot<T> {
    value: T,
    version: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Shared<T> {
    slot: RwLock<Slot<T>>,
    changed: Notify,
    num_senders: AtomicUsize,
}

impl<T> Shared<T> {
    /// No value is left half changed by a panic that matters: whoever panicked is restarted.
    fn read(&self) -> RwLockReadGuard<'_, Slot<T>> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slot<T>> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value at this moment. It cannot change while this lives: do not keep it.
pub struct Ref<'a, T>(RwLockReadGuard<'a, Slot<T>>);

impl<T> Deref for Ref<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

/// Changes the value. Cheap to clone.
#[derive(Debug)]
pub struct Sender<T>(Arc<Shared<T>>);

/// Sees the value, and when it changes. Cheap to clone; a clone has seen what this one has.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

impl<T> Sender<T> {
    pub fn new(value: T) -> Self {
        let slot = RwLock::new(Slot { value, version: 0, is_closed: false });
        let num_senders = AtomicUsize::new(1);
        Self(Arc::new(Shared { slot, changed: Notify::new(), num_senders }))
    }

    /// A receiver that has seen the present value.
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.read().version;
        Receiver { shared: Arc::clone(&self.0), seen }
    }

    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.0.read())
    }

    /// Changes the value in place; those who wait are told if `modify` says so.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut slot = self.0.write();
        let is_modified = modify(&mut slot.value);
        slot.version += u64::from(is_modified);
        drop(slot);
        if is_modified {
            self.0.changed.notify_waiters();
        }
        is_modified
    }

    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Sets the value and returns the one before.
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|now| std::mem::swap(now, &mut value));
        value
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.num_senders.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.num_senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.write().is_closed = true;
            self.0.changed.notify_waiters();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Receiver<T> {
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.read())
    }

    /// The value with the number of its version, which rises with every change.
    pub fn borrow_with_version(&self) -> (u64, T)
    where
        T: Clone,
    {
        let slot = self.shared.read();
        (slot.version, slot.value.clone())
    }

    /// The value, which counts as seen from here on.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let slot = self.shared.read();
        self.seen = slot.version;
        Ref(slot)
    }

    /// Whether there is a value that was not seen; fails once all senders are gone.
    pub fn has_changed(&self) -> Result<bool, Closed> {
        let slot = self.shared.read();
        if slot.is_closed { Err(Closed) } else { Ok(slot.version != self.seen) }
    }

    /// Resolves once there is a value that was not seen, which counts as seen then. Fails if there
    /// is none and all senders are gone. Nothing is missed if it is dropped before it resolves.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        loop {
            // Made first: from here on no change goes by unnoticed.
            let notified = self.shared.changed.notified();
            let (version, is_closed) = {
                let slot = self.shared.read();
                (slot.version, slot.is_closed)
            };
            if version != self.seen {
                self.seen = version;
                return Ok(());
            }
            if is_closed {
                return Err(Closed);
            }
            notified.await;
        }
    }

    /// Resolves with the first value, the present one included, that `is_right`; it counts as seen.
    /// Fails if all senders are gone and the last value is not right.
    pub async fn wait_for(
        &mut self,
        mut is_right: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, Closed> {
        loop {
            let notified = self.shared.changed.notified();
            let is_closed = {
                let slot = self.shared.read();
                self.seen = slot.version;
                if is_right(&slot.value) {
                    return Ok(Ref(slot));
                }
                slot.is_closed
            };
            if is_closed {
                return Err(Closed);
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, future::join_all};
    use std::cell::RefCell;

    /// The order in which `waiters` tasks that wait for one value are woken.
    fn order(waiters: usize) -> Vec<usize> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let (sender, woken) = (Sender::new(0), std::rc::Rc::new(RefCell::new(Vec::new())));
            let tasks = (0..waiters).map(|waiter| {
                let (mut receiver, woken) = (sender.subscribe(), std::rc::Rc::clone(&woken));
                tokio::task::spawn_local(async move {
                    receiver.changed().await.unwrap();
                    woken.borrow_mut().push(waiter);
                })
            });
            let tasks: Vec<_> = tasks.collect();
            tokio::task::yield_now().await;
            sender.send_replace(1);
            join_all(tasks).await;
            woken.take()
        })
    }

    #[test]
    fn who_waits_first_is_woken_first() {
        assert_eq!(order(50), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_change_is_seen_once_and_never_missed() {
        let sender = Sender::new(1);
        let mut receiver = sender.subscribe();
        assert_eq!(receiver.has_changed(), Ok(false));
        assert_eq!(receiver.changed().now_or_never(), None);
        assert_eq!(sender.send_replace(2), 1);
        assert_eq!(receiver.has_changed(), Ok(true));
        assert_eq!(receiver.changed().now_or_never(), Some(Ok(())));
        assert_eq!(receiver.changed().now_or_never(), None);
        assert!(!sender.send_if_modified(|_| false));
        assert_eq!(receiver.changed().now_or_never(), None);
        assert_eq!(*receiver.borrow_and_update(), 2);
    }

    #[test]
    fn the_last_value_outlives_its_senders() {
        let sender = Sender::new(1);
        let (mut receiver, other) = (sender.subscribe(), sender.clone());
        drop(sender);
        assert_eq!(receiver.has_changed(), Ok(false));
        other.send_replace(2);
        drop(other);
        assert_eq!(receiver.has_changed(), Err(Closed));
        assert_eq!(receiver.changed().now_or_never(), Some(Ok(())));
        assert_eq!(receiver.changed().now_or_never(), Some(Err(Closed)));
        assert_eq!(
            receiver.wait_for(|value| *value == 2).now_or_never().unwrap().as_deref(),
            Ok(&2)
        );
        assert!(receiver.wait_for(|value| *value == 3).now_or_never().unwrap().is_err());
    }
}
