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

/// Where a device's signals live: `sim://x`, `ca://BL01-MO-STAGE-01:X`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub scheme: Scheme,
    /// What follows `://`; its meaning is the provider's business. Never empty.
    pub path: String,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error(
        "{0:?} is no address: expected SCHEME://PATH, such as \"sim://x\", with sim, ca, pva, panda \
         or soft, and no blanks"
    )]
    Form(String),
    #[error("{0:?}: expected it without the last colon: the record adds it")]
    LastColon(String),
    #[error("{0:?}: expected it without the field {1:?}: the record adds its fields")]
    Field(String, String),
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError::Form(text.to_owned());
        let (scheme, path) = text.split_once("://").ok_or_else(error)?;
        let known = Scheme::ALL.into_iter().find(|known| known.as_str() == scheme);
        let scheme = known.ok_or_else(error)?;
        if path.is_empty() || path.contains(char::is_whitespace) {
            return Err(error());
        }
        if matches!(scheme, Scheme::Ca | Scheme::Pva) && path.ends_with(':') {
            return Err(AddressError::LastColon(text.to_owned()));
        }
        // What follows the first dot in the name of a PV is a field.
        if let (Scheme::Ca, Some((_, field))) = (scheme, path.split_once('.')) {
            return Err(AddressError::Field(text.to_owned(), format!(".{field}")));
        }
        Ok(Self { scheme, path: path.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(Scheme, &str), &str>) {
        let address = text.parse::<Address>();
        let found = address.map(|Address { scheme, path }| (scheme, path));
        let expected = expected.map(|(scheme, path)| (scheme, path.to_owned()));
        assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn an_address_is_a_scheme_and_a_path() {
        check("ca://BL01-MO-STAGE-01:X", Ok((Scheme::Ca, "BL01-MO-STAGE-01:X")));
        check("panda://127.0.0.1:8888", Ok((Scheme::Panda, "127.0.0.1:8888")));
        check("sim://x:", Ok((Scheme::Sim, "x:")));
        for text in ["", "x", "ca://", "tcp://x", "ca://X ", "ca:// X", "ca://X\t"] {
            let rule = "expected SCHEME://PATH, such as \"sim://x\", with sim, ca, pva, panda or \
                        soft, and no blanks";
            check(text, Err(&format!("{text:?} is no address: {rule}")));
        }
    }

    #[test]
    fn a_prefix_with_the_colon_that_records_add_found_no_pv() {
        for text in ["ca://PM:BRICK1:", "pva://PM:BRICK1:", "ca://PM::"] {
            let rule = "expected it without the last colon: the record adds it";
            check(text, Err(&format!("{text:?}: {rule}")));
        }
    }

    #[test]
    fn the_name_of_a_motor_with_its_field_found_no_pv() {
        let rule = "expected it without the field \".VAL\": the record adds its fields";
        check("ca://PM:M1.VAL", Err(&format!("\"ca://PM:M1.VAL\": {rule}")));
    }
}
