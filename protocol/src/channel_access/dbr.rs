//! [`Dbr`]: in what form a value is asked for and sent.

/// The type of the elements of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    String,
    Short,
    Float,
    Enum,
    Char,
    Long,
    Double,
}

/// What stands before the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing.
    Plain,
    /// The alarm.
    Status,
    /// The alarm and the time.
    Time,
    /// The alarm, the unit and what displays need.
    Graphic,
    /// The same and what may be written.
    Control,
}

/// A database request type: the form of a value on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dbr {
    Value(Class, Field),
    /// The value as text, with the alarm and its acknowledgement (`DBR_STSACK_STRING`).
    Acknowledgement,
    /// The type of the record (`DBR_CLASS_NAME`).
    RecordType,
}

impl Field {
    pub const ALL: [Self; 7] =
        [Self::String, Self::Short, Self::Float, Self::Enum, Self::Char, Self::Long, Self::Double];

    /// Bytes of one element.
    pub const fn num_bytes(self) -> usize {
        match self {
            Self::String => super::STRING_BYTES,
            Self::Short | Self::Enum => 2,
            Self::Char => 1,
            Self::Float | Self::Long => 4,
            Self::Double => 8,
        }
    }

    /// Its plain number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::String => 0,
            Self::Short => 1,
            Self::Float => 2,
            Self::Enum => 3,
            Self::Char => 4,
            Self::Long => 5,
            Self::Double => 6,
        }
    }

    /// The field of this plain number.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl Class {
    pub const ALL: [Self; 5] =
        [Self::Plain, Self::Status, Self::Time, Self::Graphic, Self::Control];

    const fn code(self) -> u16 {
        match self {
            Self::Plain => 0,
            Self::Status => 7,
            Self::Time => 14,
            Self::Graphic => 21,
            Self::Control => 28,
        }
    }
}

const ACKNOWLEDGEMENT: u16 = 37;
const RECORD_TYPE: u16 = 38;

impl Dbr {
    /// Its number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Value(class, field) => class.code() + field.code(),
            Self::Acknowledgement => ACKNOWLEDGEMENT,
            Self::RecordType => RECORD_TYPE,
        }
    }

    /// The form of this number, if values can be asked for in it.
    pub fn from_code(code: u16) -> Option<Self> {
        match code {
            ACKNOWLEDGEMENT => Some(Self::Acknowledgement),
            RECORD_TYPE => Some(Self::RecordType),
            _ => {
                let class = Class::ALL.get(usize::from(code / 7))?;
                Some(Self::Value(*class, Field::from_code(code % 7)?))
            }
        }
    }

    /// The type of its elements.
    pub const fn field(self) -> Field {
        match self {
            Self::Value(_, field) => field,
            Self::Acknowledgement | Self::RecordType => Field::String,
        }
    }

    /// Bytes before the first element: where it stands in the C structures of `db_access.h`.
    pub const fn value_offset(self) -> usize {
        match self {
            Self::RecordType => 0,
            Self::Acknowledgement => 8,
            Self::Value(class, field) => offset(class, field),
        }
    }

    /// Bytes of such a value of `count` elements, without the padding of a message.
    pub const fn num_bytes(self, count: usize) -> usize {
        self.value_offset() + self.field().num_bytes().saturating_mul(count)
    }
}

const fn offset(class: Class, field: Field) -> usize {
    match (class, field) {
        (Class::Plain, _) => 0,
        (Class::Status, Field::Char) => 5,
        (Class::Status, Field::Double) => 8,
        (Class::Status, _) | (Class::Graphic | Class::Control, Field::String) => 4,
        (Class::Time, Field::Short | Field::Enum) => 14,
        (Class::Time, Field::Char) => 15,
        (Class::Time, Field::Double) => 16,
        (Class::Time, _) => 12,
        (Class::Graphic | Class::Control, Field::Enum) => 422,
        (Class::Graphic, Field::Short) => 24,
        (Class::Graphic, Field::Char) => 19,
        (Class::Graphic, Field::Long) => 36,
        (Class::Graphic, Field::Float) => 40,
        (Class::Graphic, Field::Double) => 64,
        (Class::Control, Field::Short) => 28,
        (Class::Control, Field::Char) => 21,
        (Class::Control, Field::Long) => 44,
        (Class::Control, Field::Float) => 48,
        (Class::Control, Field::Double) => 80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_its_number() {
        for code in 0..35 {
            assert_eq!(Dbr::from_code(code).map(Dbr::code), Some(code));
        }
        assert_eq!([35, 36, 39, 42, u16::MAX].map(Dbr::from_code), [None; 5]);
        assert_eq!(Dbr::from_code(20), Some(Dbr::Value(Class::Time, Field::Double)));
        assert_eq!(Dbr::from_code(31), Some(Dbr::Value(Class::Control, Field::Enum)));
        assert_eq!(Dbr::from_code(38).map(|dbr| dbr.num_bytes(1)), Some(40));
        assert_eq!(Dbr::from_code(37).map(|dbr| dbr.num_bytes(1)), Some(48));
    }
}
