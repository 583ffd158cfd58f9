//! [`AnySignal`]: a signal whose type is the one of the record behind it.
use super::{
    Backlog, Connector, Kind, Metadata, Monitor, NativeType, Reading, Settle, SignalError, Usage,
    Value, Wanted, link::Link,
};
use std::rc::Rc;

/// A signal of the type that its record has.
pub struct AnySignal {
    link: Rc<Link>,
    kind: Kind,
    metadata: Metadata,
}

impl Connector {
    /// Connects to the signal at `address`, whatever it holds.
    pub async fn any(&self, address: &str, usage: Usage) -> Result<AnySignal, SignalError> {
        let kind = self.kind_of(address, usage).await?;
        let link = self.link(wanted(address, kind, usage)).await?;
        let metadata = link.metadata().await?;
        Ok(AnySignal { link, kind, metadata })
    }

    async fn kind_of(&self, address: &str, usage: Usage) -> Result<Kind, SignalError> {
        // Every record but one of text can be taken for an array.
        let probe = self.probe(wanted(address, Kind::Floats, usage));
        match probe.metadata().await {
            Ok(metadata) => Ok(kind(&metadata)),
            Err(SignalError::WrongRecord { .. }) => Ok(Kind::Text),
            Err(SignalError::WrongType { found, .. }) => Ok(found.kind()),
            Err(error) => Err(error),
        }
    }
}

fn wanted(address: &str, kind: Kind, usage: Usage) -> Wanted {
    Wanted { address: address.to_owned(), kind, usage, choices: Vec::new(), characters: 0 }
}

/// An enum is told by its words.
const fn kind(metadata: &Metadata) -> Kind {
    match (metadata.native, metadata.max_count) {
        (NativeType::Short | NativeType::Long | NativeType::Char, 0 | 1) => Kind::Int,
        (NativeType::Float | NativeType::Double, 0 | 1) => Kind::Float,
        (NativeType::String | NativeType::Char, _) | (NativeType::Enum, 0 | 1) => Kind::Text,
        (
            NativeType::Short
            | NativeType::Long
            | NativeType::Enum
            | NativeType::Float
            | NativeType::Double,
            _,
        ) => Kind::Floats,
    }
}

impl AnySignal {
    pub fn address(&self) -> &str {
        self.link.address()
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What its record said of itself when it was connected.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The value now, with its time and alarm.
    pub async fn read(&self) -> Result<Reading<Value>, SignalError> {
        self.link.get().await
    }

    /// Resolves once everything that `value` sets off is complete, within the usual deadline. Fails
    /// without a put if it is of another kind.
    pub async fn put(&self, value: Value) -> Result<(), SignalError> {
        if value.kind() != self.kind {
            let signal = self.address().to_owned();
            return Err(SignalError::WrongType { signal, expected: self.kind, found: value });
        }
        self.link.put(value, Settle::Completed, self.link.deadline()).await
    }

    /// The present value and every change from now on.
    pub fn observe(&self, backlog: Backlog) -> Monitor {
        self.link.observe(backlog)
    }
}
