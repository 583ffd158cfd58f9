//! [`Fault`]: why a request is refused, in the words of the server of a PandA.
use std::borrow::Cow;

/// The text behind `ERR `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault(Cow<'static, str>);

impl Fault {
    pub(super) const NUMBER_MISSING: Self = Self::new("Number missing");
    pub(super) const OUT_OF_RANGE: Self = Self::new("Number out of range");
    pub(super) const UNEXPECTED_CHARACTER: Self = Self::new("Unexpected character after input");
    pub(super) const NO_NAME: Self = Self::new("No name found");
    pub(super) const NO_FIELD: Self = Self::new("No such field");
    pub(super) const NOT_READABLE: Self = Self::new("Field not readable");
    pub(super) const NOT_WRITEABLE: Self = Self::new("Field not writeable");

    pub(super) const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub(super) fn owned(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}
