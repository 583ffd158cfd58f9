//! [`SoftRecord`]: a record that has nothing behind it.
use bluefly_actors::signal::{
    Alarm, Backlog, Channel, Feed, Kind, LocalFuture, Metadata, Monitor, NativeType, Reading,
    Settle, SignalError, Value, monitor,
};
use std::cell::RefCell;

/// A value that says what it was made with, and that nobody can write: what a real record has beside
/// the signals that are simulated.
pub struct SoftRecord {
    value: Value,
    metadata: Metadata,
    /// They are told one value and then nothing: without its feed a monitor is one of a lost signal.
    feeds: RefCell<Vec<Feed>>,
}

impl SoftRecord {
    pub fn new(value: Value, metadata: Metadata) -> Self {
        Self { value, metadata: metadata.read_only(), feeds: RefCell::default() }
    }

    /// A string of up to 39 characters.
    pub fn text(text: String) -> Self {
        Self::new(Value::Text(text), Metadata::scalar(NativeType::String))
    }

    pub fn integer(value: i64, native: NativeType) -> Self {
        Self::new(Value::Int(value), Metadata::scalar(native))
    }

    /// A number that looks like the values of another record.
    pub fn number(value: f64, like: Metadata) -> Self {
        let value = if value.is_nan() { 0.0 } else { value };
        let native = NativeType::Double;
        let plain = Metadata { native, max_count: 1, choices: Vec::new(), ..like };
        Self::new(Value::Float(value), plain)
    }

    pub(super) fn kind(&self) -> Kind {
        self.value.kind()
    }

    pub(super) fn describe(&self) -> Metadata {
        self.metadata.clone()
    }

    fn reading(&self) -> Reading<Value> {
        Reading { value: self.value.clone(), timestamp_s: 0.0, alarm: Alarm::default() }
    }
}

impl Channel for SoftRecord {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let reading = self.reading();
        Box::pin(async move { Ok(reading) })
    }

    fn put(&self, _value: Value, _settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        let signal = String::from("a record without hardware");
        Box::pin(async move { Err(SignalError::NoAccess { signal, operation: "written" }) })
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let (feed, monitor) = monitor("a record without hardware", backlog);
        feed.push(Ok(self.reading()));
        let mut feeds = self.feeds.borrow_mut();
        feeds.retain(Feed::is_observed);
        feeds.push(feed);
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        let metadata = self.metadata.clone();
        Box::pin(async move { Ok(metadata) })
    }
}
