//! [`Links`]: every signal of every device, connected at once; [`Unconnected`]: those that are not, and
//! those that could not be worked with.
use crate::survey::mismatch::{mismatch, remedy};
use bluefly_actors::signal::{Batch, Connector, SignalError};
use bluefly_protocol::name::Name;
use futures_util::future::join_all;
use std::fmt;

/// The signals of each device, in the order in which the devices asked for theirs.
pub(crate) struct Links<'a> {
    connector: &'a Connector,
    batches: Vec<Asked>,
}

/// The signals of one device.
struct Asked {
    device: Name,
    batch: Batch,
    /// Elements that a written array must have room for.
    num_segments: usize,
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
    /// Why it could not work with those that are there.
    pub mismatches: Vec<String>,
}

/// Of a device that does not answer at all, so many of its signals are named.
const FEW: usize = 3;

impl<'a> Links<'a> {
    pub(crate) const fn new(connector: &'a Connector) -> Self {
        Self { connector, batches: Vec::new() }
    }

    /// What notes the signals that `device` asks for, which writes arrays of `num_segments`.
    pub(crate) fn of(&mut self, device: &Name, num_segments: usize) -> Connector {
        let (connector, batch) = self.connector.batch();
        self.batches.push(Asked { device: device.clone(), batch, num_segments });
        connector
    }

    /// Connects every signal of every device, and finds out whether it may be written if it must be:
    /// better now than when something is to be stopped.
    pub(crate) async fn connect(self) -> Result<(), Unconnected> {
        let missing = join_all(self.batches.iter().map(Asked::connect)).await;
        let missing: Vec<Missing> = missing.into_iter().filter(Missing::is_any).collect();
        if missing.is_empty() { Ok(()) } else { Err(Unconnected(missing)) }
    }
}

impl Unconnected {
    /// Whether a signal that does not answer has an address that begins so.
    pub(crate) fn is_beyond(&self, scheme: &str) -> bool {
        let mut errors = self.0.iter().flat_map(|missing| &missing.errors);
        errors.any(|error| {
            matches!(error, SignalError::Disconnected { signal, .. } if signal.starts_with(scheme))
        })
    }
}

impl Asked {
    async fn connect(&self) -> Missing {
        let (mut errors, mut mismatches) = (self.batch.connect().await, Vec::new());
        if errors.is_empty() {
            for (wanted, found) in self.batch.demanding().await {
                match found {
                    Ok(found) => {
                        let reasons = mismatch(&wanted, &found, self.num_segments);
                        let named = |reason| format!("{} {reason}", wanted.address);
                        mismatches.extend(reasons.into_iter().map(named));
                    }
                    Err(error) => errors.push(error),
                }
            }
        }
        let (device, num_signals) = (self.device.clone(), self.batch.len());
        Missing { device, num_signals, errors, mismatches }
    }
}

impl Missing {
    fn is_any(&self) -> bool {
        !self.errors.is_empty() || !self.mismatches.is_empty()
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
        let parts: Vec<String> =
            silent.into_iter().chain(others).chain(self.mismatches.iter().cloned()).collect();
        write!(f, "device.{}: {}", self.device, parts.join(", "))?;
        let missing: Vec<&str> = self.errors.iter().map(SignalError::signal).collect();
        remedy(&missing, num_signals).map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}
