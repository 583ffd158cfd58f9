//! [`DynamicRecord`]: a record whose signals are those that a PVI description lists, each of the type
//! that its PV has.
use crate::signal::{AnySignal, Connector, Kind, Reading, SignalError, Usage, Value};
use bluefly_protocol::pvi::{PviDevice, PviPvs, PviSignal};
use futures_util::future::{OptionFuture, join_all};
use std::{collections::BTreeMap, fmt};

/// Signals by name (`AcquireControl.AcquireTime`).
pub struct DynamicRecord {
    signals: BTreeMap<String, DynamicSignal>,
}

/// One signal, with a PV for each direction.
pub struct DynamicSignal {
    name: String,
    read: Option<AnySignal>,
    write: Option<AnySignal>,
    /// Of one that is set off: the value that does it.
    go: Option<Value>,
}

/// Signals of a description that could not be connected, each with its place in it.
#[derive(Clone, Debug, PartialEq)]
pub struct NotAsDescribed(pub Vec<(String, SignalError)>);

/// Something was asked of a signal that it does not do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DynamicError {
    #[error("there is no signal {0:?} in the description")]
    Unknown(String),
    #[error("{name} cannot be {operation}")]
    CannotBe { name: String, operation: &'static str },
    #[error(transparent)]
    Signal(#[from] SignalError),
}

impl std::error::Error for NotAsDescribed {}

impl fmt::Display for NotAsDescribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> =
            self.0.iter().map(|(place, error)| format!("{place}: {error}")).collect();
        f.write_str(&places.join("; "))
    }
}

impl DynamicRecord {
    /// Connects every signal of `device` at the same time; `scheme` (`ca://`) stands before its PVs.
    pub async fn connect(
        connector: &Connector,
        scheme: &str,
        device: &PviDevice,
    ) -> Result<Self, NotAsDescribed> {
        let connected = device.signals.iter().map(|signal| connect(connector, scheme, signal));
        let mut signals = BTreeMap::new();
        let mut wrong = Vec::new();
        for (described, connected) in device.signals.iter().zip(join_all(connected).await) {
            match connected {
                Ok(signal) => drop(signals.insert(described.name.clone(), signal)),
                Err(error) => wrong.push((described.place.clone(), error)),
            }
        }
        if wrong.is_empty() { Ok(Self { signals }) } else { Err(NotAsDescribed(wrong)) }
    }

    /// The signal of that name.
    pub fn signal(&self, name: &str) -> Result<&DynamicSignal, DynamicError> {
        self.signals.get(name).ok_or_else(|| DynamicError::Unknown(name.to_owned()))
    }

    /// Every signal, by name.
    pub fn signals(&self) -> impl Iterator<Item = &DynamicSignal> {
        self.signals.values()
    }
}

async fn connect(
    connector: &Connector,
    scheme: &str,
    signal: &PviSignal,
) -> Result<DynamicSignal, SignalError> {
    let (read, write, go) = match &signal.pvs {
        PviPvs::Read { pv } => (Some(pv), None, None),
        PviPvs::Write { pv } => (None, Some(pv), None),
        PviPvs::ReadWrite { read_pv, write_pv } => (Some(read_pv), Some(write_pv), None),
        PviPvs::Trigger { pv, value } => (None, Some(pv), Some(value)),
    };
    let any = |pv: &str, usage| {
        let address = format!("{scheme}{pv}");
        async move { connector.any(&address, usage).await }
    };
    let read: OptionFuture<_> = read.map(|pv| any(pv, Usage::Read)).into();
    let write: OptionFuture<_> = write.map(|pv| any(pv, Usage::Write)).into();
    let (read, write) = futures_util::join!(read, write);
    let (read, write) = (read.transpose()?, write.transpose()?);
    let go = match (go, &write) {
        (Some(text), Some(write)) => Some(value_of(text, write)?),
        _ => None,
    };
    Ok(DynamicSignal { name: signal.name.clone(), read, write, go })
}

/// The value that a description has as text, as the signal takes it.
fn value_of(text: &str, signal: &AnySignal) -> Result<Value, SignalError> {
    let choices = &signal.metadata().choices;
    let value = match signal.kind() {
        Kind::Bool => match text {
            "0" => Some(Value::Bool(false)),
            "1" => Some(Value::Bool(true)),
            _ => choices.iter().position(|word| word == text).map(|i| Value::Bool(i == 1)),
        },
        Kind::Int => text.parse().ok().map(Value::Int),
        Kind::Float => text.parse().ok().map(Value::Float),
        // An enum may be given by its index.
        Kind::Text => {
            let word = text.parse().ok().and_then(|i: usize| choices.get(i));
            Some(Value::Text(word.map_or(text, String::as_str).to_owned()))
        }
        Kind::Floats => text.parse().ok().map(|value: f64| Value::Floats([value].into())),
    };
    value.ok_or_else(|| SignalError::WrongType {
        signal: signal.address().to_owned(),
        expected: signal.kind(),
        found: Value::Text(text.to_owned()),
    })
}

impl DynamicSignal {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its values; None if it can only be set off.
    pub fn kind(&self) -> Option<Kind> {
        if self.go.is_some() {
            return None;
        }
        self.read.as_ref().or(self.write.as_ref()).map(AnySignal::kind)
    }

    /// The value now.
    pub async fn read(&self) -> Result<Reading<Value>, DynamicError> {
        let read = self.read.as_ref().ok_or_else(|| self.cannot_be("read"))?;
        Ok(read.read().await?)
    }

    /// Resolves once everything that `value` sets off is complete.
    pub async fn put(&self, value: Value) -> Result<(), DynamicError> {
        match (&self.write, &self.go) {
            (Some(write), None) => Ok(write.put(value).await?),
            _ => Err(self.cannot_be("put")),
        }
    }

    /// Resolves once what it does is done.
    pub async fn trigger(&self) -> Result<(), DynamicError> {
        match (&self.write, &self.go) {
            (Some(write), Some(value)) => Ok(write.put(value.clone()).await?),
            _ => Err(self.cannot_be("triggered")),
        }
    }

    fn cannot_be(&self, operation: &'static str) -> DynamicError {
        DynamicError::CannotBe { name: self.name.clone(), operation }
    }
}
