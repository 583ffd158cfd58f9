//! [`Attribute`]: what can be asked of a field beside its value.
use super::catalogue::{Form, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Info,
    Max,
    Raw,
    TimeUnits,
    RawTime,
    Units,
    Scaled,
    Offset,
    Scale,
    Capture,
    CaptureWord,
    BitOffset,
    CapturedBits,
    Delay,
    MaxDelay,
    MaxLength,
    Base64,
    RowWords,
    Length,
    Fields,
    QueuedLines,
    Mode,
}

impl Attribute {
    /// Those of a field, in the order in which the server lists them.
    pub(super) const fn of(kind: &Kind) -> &'static [Self] {
        match kind {
            Kind::Param(Form::Time)
            | Kind::Read(Form::Time)
            | Kind::Write(Form::Time)
            | Kind::Time => &[Self::TimeUnits, Self::Info, Self::RawTime],
            Kind::Param(form) | Kind::Read(form) | Kind::Write(form) => Self::of_form(form),
            Kind::BitOut(_) => &[Self::CaptureWord, Self::BitOffset, Self::Info],
            Kind::PosOut(_) => {
                &[Self::Units, Self::Scaled, Self::Offset, Self::Scale, Self::Capture, Self::Info]
            }
            Kind::Timestamp | Kind::Samples => &[Self::Capture, Self::Info],
            Kind::Bits(_) => &[Self::CapturedBits, Self::Capture, Self::Info],
            Kind::BitMux => &[Self::Delay, Self::MaxDelay, Self::Info],
            Kind::PosMux => &[Self::Info],
            Kind::Table(_) => &[
                Self::MaxLength,
                Self::Base64,
                Self::RowWords,
                Self::Length,
                Self::Fields,
                Self::QueuedLines,
                Self::Mode,
                Self::Info,
            ],
        }
    }

    const fn of_form(form: &Form) -> &'static [Self] {
        match form {
            Form::Uint { .. } => &[Self::Max, Self::Info],
            Form::Scalar { .. } => &[Self::Units, Self::Offset, Self::Scale, Self::Info, Self::Raw],
            Form::Lut => &[Self::Info, Self::Raw],
            Form::Int | Form::Bit | Form::Action | Form::Time | Form::Enum(_) => &[Self::Info],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Max => "MAX",
            Self::Raw | Self::RawTime => "RAW",
            Self::Units | Self::TimeUnits => "UNITS",
            Self::Scaled => "SCALED",
            Self::Offset | Self::BitOffset => "OFFSET",
            Self::Scale => "SCALE",
            Self::Capture => "CAPTURE",
            Self::CaptureWord => "CAPTURE_WORD",
            Self::CapturedBits => "BITS",
            Self::Delay => "DELAY",
            Self::MaxDelay => "MAX_DELAY",
            Self::MaxLength => "MAX_LENGTH",
            Self::Base64 => "B",
            Self::RowWords => "ROW_WORDS",
            Self::Length => "LENGTH",
            Self::Fields => "FIELDS",
            Self::QueuedLines => "QUEUED_LINES",
            Self::Mode => "MODE",
        }
    }

    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::Info => "Class information for field",
            Self::Max => "Maximum valid value for this field",
            Self::Raw => "Value of the register",
            Self::RawTime => "Time in ticks",
            Self::TimeUnits => "Units of time setting",
            Self::Units => "Units string",
            Self::Scaled => "Value with scaling applied",
            Self::Offset => "Offset",
            Self::Scale => "Scale factor",
            Self::Capture => "Capture options",
            Self::CaptureWord => "Name of field containing this bit",
            Self::BitOffset => "Position of this bit in captured word",
            Self::CapturedBits => "Enumerate bits captured in this word",
            Self::Delay => "Clock delay on input",
            Self::MaxDelay => "Maximum valid input delay",
            Self::MaxLength => "Maximum number of entries in table",
            Self::Base64 => "Table in base-64 representation",
            Self::RowWords => "Number of words per table row",
            Self::Length => "Number of entries in table",
            Self::Fields => "List of sub-fields for this table",
            Self::QueuedLines => "Number of lines scheduled",
            Self::Mode => "Current table mode",
        }
    }
}
