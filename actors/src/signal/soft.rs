//! [`SoftSignals`]: signals without hardware, in the process.
use super::{
    Alarm, Backlog, Channel, Feed, Kind, LocalFuture, Metadata, Monitor, Reading, Settle,
    SignalError, SignalProvider, Value, monitor,
};
use crate::clock::Clock;
use std::{cell::RefCell, collections::BTreeMap, future::ready, rc::Rc};

/// Makes each signal when it is first asked for: false, zero or empty, until something is put.
pub struct SoftSignals {
    clock: Clock,
    signals: RefCell<BTreeMap<String, Rc<Signal>>>,
}

struct Signal {
    address: String,
    clock: Clock,
    kind: Kind,
    reading: RefCell<Reading<Value>>,
    feeds: RefCell<Vec<Feed>>,
}

struct SoftChannel(Rc<Signal>);

impl SoftSignals {
    pub fn new(clock: Clock) -> Self {
        Self { clock, signals: RefCell::default() }
    }

    fn signal(&self, address: &str, kind: Kind) -> Rc<Signal> {
        let mut signals = self.signals.borrow_mut();
        let signal = signals.entry(address.to_owned()).or_insert_with(|| {
            let timestamp_s = self.clock.unix_s(self.clock.now());
            let reading = Reading { value: empty(kind), timestamp_s, alarm: Alarm::default() };
            Rc::new(Signal {
                address: address.to_owned(),
                clock: self.clock.clone(),
                kind,
                reading: RefCell::new(reading),
                feeds: RefCell::default(),
            })
        });
        Rc::clone(signal)
    }
}

fn empty(kind: Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Int => Value::Int(0),
        Kind::Float => Value::Float(0.0),
        Kind::Text => Value::Text(String::new()),
        Kind::Floats => Value::Floats([].into()),
    }
}

impl SignalProvider for SoftSignals {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let signal = self.signal(address, kind);
        let connected = if signal.kind == kind {
            Ok(Rc::new(SoftChannel(signal)) as Rc<dyn Channel>)
        } else {
            let found = signal.reading.borrow().value.clone();
            let signal = address.to_owned();
            Err(SignalError::WrongType { signal, expected: kind, found })
        };
        Box::pin(ready(connected))
    }
}

impl Signal {
    fn put(&self, value: Value) -> Result<(), SignalError> {
        if value.kind() != self.kind {
            let reason = format!("it holds a {}", self.kind);
            return Err(SignalError::Refused { signal: self.address.clone(), value, reason });
        }
        let timestamp_s = self.clock.unix_s(self.clock.now());
        let reading = Reading { value, timestamp_s, alarm: Alarm::default() };
        let is_new = self.reading.replace(reading.clone()).value != reading.value;
        if is_new {
            self.feeds.borrow_mut().retain(|feed| feed.push(Ok(reading.clone())));
        }
        Ok(())
    }
}

impl Channel for SoftChannel {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        Box::pin(ready(Ok(self.0.reading.borrow().clone())))
    }

    /// Resolves at once: nothing is set off.
    fn put(&self, value: Value, _settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        Box::pin(ready(self.0.put(value)))
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let (feed, monitor) = monitor(&self.0.address, backlog);
        feed.push(Ok(self.0.reading.borrow().clone()));
        self.0.feeds.borrow_mut().push(feed);
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        Box::pin(ready(Ok(self.0.kind.usual_metadata())))
    }
}
