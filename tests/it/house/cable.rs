//! [`Cable`]: what carries signals to a server that may be cut off while its hardware goes on.
use bluefly_actors::{
    signal::{
        Absence, Backlog, Channel, Feed, Kind, LocalFuture, Metadata, Monitor, Reading, Settle,
        SignalError, SignalProvider, Value, monitor,
    },
    watch,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};
use tokio::task::spawn_local;

/// What it carries may be lost on the way at any time.
#[derive(Clone)]
pub(super) struct Cable {
    inner: Rc<dyn SignalProvider>,
    is_up: Rc<watch::Sender<bool>>,
    /// What others say that a signal is.
    spoilt: Rc<RefCell<BTreeMap<String, Value>>>,
    /// Signals that may not be written.
    locked: Rc<RefCell<BTreeSet<String>>>,
}

/// Hands each address to the cable of its device.
pub(super) struct Cables(pub(super) Vec<(&'static str, Cable)>);

struct Wire {
    signal: String,
    cable: Cable,
    inner: Rc<dyn Channel>,
}

impl Cable {
    pub(super) fn new(inner: Rc<dyn SignalProvider>) -> Self {
        let (spoilt, locked) = Default::default();
        Self { inner, is_up: Rc::new(watch::Sender::new(true)), spoilt, locked }
    }

    pub(super) fn cut(&self) {
        self.is_up.send_replace(false);
    }

    pub(super) fn mend(&self) {
        self.is_up.send_replace(true);
    }

    /// From now on a signal is read as `value`, whatever it is.
    pub(super) fn spoil(&self, signal: &str, value: Value) {
        self.spoilt.borrow_mut().insert(signal.to_owned(), value);
    }

    /// From now on a signal may not be written.
    pub(super) fn lock(&self, signal: &str) {
        self.locked.borrow_mut().insert(signal.to_owned());
    }

    pub(super) fn unlock(&self, signal: &str) {
        self.locked.borrow_mut().remove(signal);
    }

    async fn reach(&self, is_up: bool) {
        self.is_up.subscribe().wait_for(|now| *now == is_up).await.unwrap();
    }

    /// The output of `future`, or the error that `lost` makes if the cable is cut first.
    async fn carry<T>(
        self,
        signal: String,
        future: LocalFuture<Result<T, SignalError>>,
        lost: impl FnOnce(String) -> SignalError,
    ) -> Result<T, SignalError> {
        if !*self.is_up.borrow() {
            return Err(SignalError::disconnected(signal));
        }
        tokio::select! { biased;
            () = self.reach(false) => Err(lost(signal)),
            output = future => output,
        }
    }
}

fn disconnected(signal: String) -> SignalError {
    SignalError::disconnected(signal)
}

impl SignalProvider for Cable {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let (cable, signal) = (self.clone(), address.to_owned());
        Box::pin(async move {
            cable.reach(true).await;
            let inner = cable.inner.connect(&signal, kind).await?;
            Ok(Rc::new(Wire { signal, cable, inner }) as Rc<dyn Channel>)
        })
    }
}

impl SignalProvider for Cables {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let found = self.0.iter().find(|(prefix, _)| address.starts_with(prefix));
        found.unwrap_or_else(|| panic!("{address} has no cable")).1.connect(address, kind)
    }
}

impl Channel for Wire {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let carried = self.cable.clone().carry(self.signal.clone(), self.inner.get(), disconnected);
        let spoilt = self.cable.spoilt.borrow().get(&self.signal).cloned();
        Box::pin(async move {
            let reading = carried.await?;
            Ok(Reading { value: spoilt.unwrap_or_else(|| reading.value.clone()), ..reading })
        })
    }

    fn put(&self, value: Value, settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        if self.cable.locked.borrow().contains(&self.signal) {
            let (signal, operation) = (self.signal.clone(), "written");
            return Box::pin(async move { Err(SignalError::NoAccess { signal, operation }) });
        }
        let put = self.inner.put(value.clone(), settle);
        let lost =
            move |signal| SignalError::Lost { signal, value, absence: Box::new(Absence::Unknown) };
        Box::pin(self.cable.clone().carry(self.signal.clone(), put, lost))
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let (feed, monitor) = monitor(&self.signal, backlog);
        if *self.cable.is_up.borrow() {
            let line = (self.signal.clone(), feed);
            spawn_local(forward(self.cable.clone(), self.inner.clone(), line));
        } else {
            feed.push(Err(disconnected(self.signal.clone())));
            let (cable, inner) = (self.cable.clone(), self.inner.clone());
            let line = (self.signal.clone(), feed);
            spawn_local(async move {
                cable.reach(true).await;
                forward(cable, inner, line).await;
            });
        }
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        let metadata = self.inner.metadata();
        let carried = self.cable.clone().carry(self.signal.clone(), metadata, disconnected);
        let is_locked = self.cable.locked.borrow().contains(&self.signal);
        Box::pin(async move {
            let metadata = carried.await?;
            Ok(if is_locked { metadata.read_only() } else { metadata })
        })
    }
}

/// Tells what happens behind the cable, a loss when it is cut, and the present value when it is back.
async fn forward(cable: Cable, inner: Rc<dyn Channel>, (signal, feed): (String, Feed)) {
    loop {
        let mut monitor = inner.observe(Backlog::Queue(1_000_000));
        let mut lost = None;
        while lost.is_none() {
            let item = tokio::select! { biased;
                () = cable.reach(false) => Err(disconnected(signal.clone())),
                item = monitor.next() => item,
            };
            lost = item.as_ref().err().cloned();
            if !feed.push(item) {
                return;
            }
        }
        cable.reach(true).await;
    }
}
