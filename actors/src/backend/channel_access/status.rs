//! [`Status`]: how an operation of Channel Access went wrong.
use super::raw;
use epics_ca_sys as sys;
use std::fmt;

/// A status of libca that is not its success.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub(super) i32);

impl Status {
    pub const DISCONNECTED: Self = Self(sys::ECA_DISCONN);

    /// Whether the link went down.
    pub const fn is_loss(self) -> bool {
        matches!(
            self.0,
            sys::ECA_DISCONN | sys::ECA_DISCONNCHID | sys::ECA_CHANDESTROY | sys::ECA_UNRESPTMO
        )
    }

    /// Whether we lack a right.
    pub const fn is_denial(self) -> bool {
        matches!(self.0, sys::ECA_NORDACCESS | sys::ECA_NOWTACCESS)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&raw::message(*self))
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({}: {self})", self.0)
    }
}
