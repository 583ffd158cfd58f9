//! [`Address`]: where a device's signals live.
use std::{fmt, str::FromStr};

/// What carries the signals of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// The simulated beamline within the process.
    Sim,
    /// EPICS Channel Access.
    Ca,
    /// EPICS pvAccess.
    Pva,
    /// The TCP server of a PandA.
    Panda,
    /// The process itself: signals without hardware.
    Soft,
}

impl Scheme {
    const ALL: [Self; 5] = [Self::Sim, Self::Ca, Self::Pva, Self::Panda, Self::Soft];

    /// The scheme as written before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Ca => "ca",
            Self::Pva => "pva",
            Self::Panda => "panda",
            Self::Soft => "soft",
        }
    }
}

/// Where a device's signals live: `sim://x`, `ca://BL01-MO-X:`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub scheme: Scheme,
    /// What follows `://`; its meaning is the provider's business. Never empty.
    pub path: String,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address: expected SCHEME://PATH, such as \"sim://x\", with sim, ca, pva, panda or soft"
)]
pub struct AddressError(pub String);

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        let (scheme, path) = text.split_once("://").ok_or_else(error)?;
        let known = Scheme::ALL.into_iter().find(|known| known.as_str() == scheme);
        let scheme = known.ok_or_else(error)?;
        if path.is_empty() || path.contains(char::is_whitespace) {
            return Err(error());
        }
        Ok(Self { scheme, path: path.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.path)
    }
}
