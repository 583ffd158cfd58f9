//! [`Links`]: every signal of every device, connected at once; [`Unconnected`]: those that are not.
use bluefly_actors::signal::{Batch, Connector, SignalError};
use bluefly_protocol::name::Name;
use futures_util::future::join_all;
use std::fmt;

/// The signals of each device, in the order in which the devices asked for theirs.
pub(crate) struct Links<'a> {
    connector: &'a Connector,
    batches: Vec<(Name, Batch)>,
}

/// Devices with signals that could not be connected.
#[derive(Clone, Debug, PartialEq)]
pub struct Unconnected(pub Vec<Missing>);

/// Signals of one device that could not be connected.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    pub device: Name,
    /// Signals that it has.
    pub num_signals: usize,
    pub errors: Vec<SignalError>,
}

/// Of a device that does not answer at all, so many of its signals are named.
const FEW: usize = 3;

impl<'a> Links<'a> {
    pub(crate) const fn new(connector: &'a Connector) -> Self {
        Self { connector, batches: Vec::new() }
    }

    /// What notes the signals that `device` asks for.
    pub(crate) fn of(&mut self, device: &Name) -> Connector {
        let (connector, batch) = self.connector.batch();
        self.batches.push((device.clone(), batch));
        connector
    }

    /// Connects every signal of every device.
    pub(crate) async fn connect(self) -> Result<(), Unconnected> {
        let connected = join_all(self.batches.iter().map(|(_, batch)| batch.connect())).await;
        let missing = self.batches.iter().zip(connected).filter(|(_, errors)| !errors.is_empty());
        let missing: Vec<Missing> = missing
            .map(|((device, batch), errors)| Missing {
                device: device.clone(),
                num_signals: batch.len(),
                errors,
            })
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(Unconnected(missing)) }
    }
}

impl Unconnected {
    /// Whether a signal that does not answer has an address that begins so.
    pub(crate) fn is_beyond(&self, scheme: &str) -> bool {
        let mut errors = self.0.iter().flat_map(|missing| &missing.errors);
        errors.any(|error| {
            matches!(error, SignalError::Disconnected { signal } if signal.starts_with(scheme))
        })
    }
}

impl std::error::Error for Unconnected {}

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&missing.join("; "))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_silent = |error: &&SignalError| matches!(error, SignalError::Disconnected { .. });
        let (silent, others): (Vec<_>, Vec<_>) = self.errors.iter().partition(is_silent);
        let named = |signals: &[&SignalError]| {
            let list: Vec<&str> = signals.iter().map(|error| error.signal()).collect();
            list.join(", ")
        };
        let (num_silent, num_signals) = (silent.len(), self.num_signals);
        let silent = match num_silent {
            0 => None,
            _ if num_silent == num_signals => {
                let few = named(&silent[..num_silent.min(FEW)]);
                let more = num_silent.saturating_sub(FEW);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                Some(format!("none of its signals answers: {few}{more}"))
            }
            1 => {
                Some(format!("1 of its {num_signals} signals does not answer: {}", named(&silent)))
            }
            _ => {
                let all = named(&silent);
                Some(format!("{num_silent} of its {num_signals} signals do not answer: {all}"))
            }
        };
        let others = others.iter().map(ToString::to_string);
        let parts: Vec<String> = silent.into_iter().chain(others).collect();
        write!(f, "device.{}: {}", self.device, parts.join(", "))
    }
}
