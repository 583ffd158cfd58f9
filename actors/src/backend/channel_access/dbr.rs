//! What libca's buffers hold: values with their time and alarm, and what a record says of itself.
use epics_ca_sys as sys;
use std::{mem::offset_of, sync::Arc};

/// The type in which a record keeps its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    String,
    Short,
    Float,
    Enum,
    Char,
    Long,
    Double,
}

/// How much of a record is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The first element.
    One,
    /// All elements, as numbers.
    Numbers,
    /// All elements, as the bytes of a text.
    Bytes,
}

/// A value on its way from a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Number(f64),
    Numbers(Arc<[f64]>),
    Text(String),
}

/// A value with its time and its alarm, as the record has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub data: Data,
    pub alarm_status: i16,
    pub alarm_severity: i16,
    /// Since 1990-01-01T00:00:00Z.
    pub seconds: u32,
    pub nanoseconds: u32,
}

/// From where to where.
pub type Limits = (f64, f64);

/// What a record says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Properties {
    pub units: String,
    pub precision: Option<i16>,
    pub display: Limits,
    pub control: Limits,
    pub warning: Limits,
    pub alarm: Limits,
    pub choices: Vec<String>,
}

/// A value on its way to a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    Index(u16),
    Long(i32),
    Double(f64),
    Doubles(Arc<[f64]>),
    /// Up to 39 bytes.
    Text(String),
    /// The bytes of a long text; a zero is put behind them.
    Bytes(Vec<u8>),
}

/// Bytes of a string, with the zero behind it.
pub const STRING_BYTES: usize = sys::MAX_STRING_SIZE as usize;
const UNIT_BYTES: usize = sys::MAX_UNITS_SIZE as usize;
const CHOICE_BYTES: usize = sys::MAX_ENUM_STRING_SIZE as usize;
const NOT_SAID: Limits = (f64::NAN, f64::NAN);

impl Native {
    pub(super) const fn from_field_type(field_type: i16) -> Option<Self> {
        Some(match field_type as i32 {
            sys::DBF_STRING => Self::String,
            sys::DBF_SHORT => Self::Short,
            sys::DBF_FLOAT => Self::Float,
            sys::DBF_ENUM => Self::Enum,
            sys::DBF_CHAR => Self::Char,
            sys::DBF_LONG => Self::Long,
            sys::DBF_DOUBLE => Self::Double,
            _ => return None,
        })
    }

    /// Number of the plain type.
    pub(super) const fn plain(self) -> i32 {
        match self {
            Self::String => sys::DBR_STRING,
            Self::Short => sys::DBR_SHORT,
            Self::Float => sys::DBR_FLOAT,
            Self::Enum => sys::DBR_ENUM,
            Self::Char => sys::DBR_CHAR,
            Self::Long => sys::DBR_LONG,
            Self::Double => sys::DBR_DOUBLE,
        }
    }

    /// Number of the type with time and alarm.
    pub(super) const fn timed(self) -> i32 {
        self.plain() + sys::DBR_TIME_STRING
    }

    /// Number of the type with units, limits and choices.
    pub(super) const fn described(self) -> i32 {
        self.plain() + sys::DBR_CTRL_STRING
    }

    /// Bytes of one element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::String => STRING_BYTES,
            Self::Short | Self::Enum => 2,
            Self::Float | Self::Long => 4,
            Self::Char => 1,
            Self::Double => 8,
        }
    }

    /// Where the first element is, behind time and alarm.
    const fn timed_offset(self) -> usize {
        match self {
            Self::String => offset_of!(sys::dbr_time_string, value),
            Self::Short => offset_of!(sys::dbr_time_short, value),
            Self::Float => offset_of!(sys::dbr_time_float, value),
            Self::Enum => offset_of!(sys::dbr_time_enum, value),
            Self::Char => offset_of!(sys::dbr_time_char, value),
            Self::Long => offset_of!(sys::dbr_time_long, value),
            Self::Double => offset_of!(sys::dbr_time_double, value),
        }
    }

    /// Bytes that libca hands out for so many elements with time and alarm.
    pub(super) const fn timed_bytes(self, count: usize) -> usize {
        self.timed_offset() + count * self.bytes()
    }

    /// Bytes before the value in what a record says of itself.
    pub(super) const fn described_bytes(self) -> usize {
        match self {
            Self::String => 0,
            Self::Short => offset_of!(sys::dbr_ctrl_short, value),
            Self::Float => offset_of!(sys::dbr_ctrl_float, value),
            Self::Enum => offset_of!(sys::dbr_ctrl_enum, value),
            Self::Char => offset_of!(sys::dbr_ctrl_char, value),
            Self::Long => offset_of!(sys::dbr_ctrl_long, value),
            Self::Double => offset_of!(sys::dbr_ctrl_double, value),
        }
    }
}

/// The value in a buffer with time and alarm; nothing if the buffer is too short for it.
pub(super) fn sample(native: Native, shape: Shape, buffer: &[u8]) -> Option<Sample> {
    let elements = buffer.get(native.timed_offset()..)?;
    let data = match shape {
        Shape::One => one(native, elements)?,
        Shape::Numbers => Data::Numbers(numbers(native, elements)),
        Shape::Bytes => Data::Text(text(elements)),
    };
    Some(Sample {
        data,
        alarm_status: i16::from_ne_bytes(at(buffer, offset_of!(sys::dbr_time_double, status))?),
        alarm_severity: i16::from_ne_bytes(at(buffer, offset_of!(sys::dbr_time_double, severity))?),
        seconds: u32::from_ne_bytes(at(buffer, offset_of!(sys::dbr_time_double, stamp))?),
        nanoseconds: u32::from_ne_bytes(at(buffer, offset_of!(sys::dbr_time_double, stamp) + 4)?),
    })
}

/// What a record says of itself; nothing if the buffer is too short for it.
pub(super) fn properties(native: Native, buffer: &[u8]) -> Option<Properties> {
    let mut properties = Properties {
        units: String::new(),
        precision: None,
        display: NOT_SAID,
        control: NOT_SAID,
        warning: NOT_SAID,
        alarm: NOT_SAID,
        choices: Vec::new(),
    };
    let (units, limits) = match native {
        Native::String => return Some(properties),
        Native::Enum => {
            let count = i16::from_ne_bytes(at(buffer, offset_of!(sys::dbr_ctrl_enum, no_str))?);
            let words = buffer.get(offset_of!(sys::dbr_ctrl_enum, strs)..)?;
            let count = usize::try_from(count).unwrap_or(0).min(sys::MAX_ENUM_STATES as usize);
            properties.choices = words.chunks_exact(CHOICE_BYTES).take(count).map(text).collect();
            return Some(properties);
        }
        Native::Short => (
            offset_of!(sys::dbr_ctrl_short, units),
            offset_of!(sys::dbr_ctrl_short, upper_disp_limit),
        ),
        Native::Char => (
            offset_of!(sys::dbr_ctrl_char, units),
            offset_of!(sys::dbr_ctrl_char, upper_disp_limit),
        ),
        Native::Long => (
            offset_of!(sys::dbr_ctrl_long, units),
            offset_of!(sys::dbr_ctrl_long, upper_disp_limit),
        ),
        Native::Float => (
            offset_of!(sys::dbr_ctrl_float, units),
            offset_of!(sys::dbr_ctrl_float, upper_disp_limit),
        ),
        Native::Double => (
            offset_of!(sys::dbr_ctrl_double, units),
            offset_of!(sys::dbr_ctrl_double, upper_disp_limit),
        ),
    };
    if matches!(native, Native::Float | Native::Double) {
        let precision = at(buffer, offset_of!(sys::dbr_ctrl_double, precision))?;
        properties.precision = Some(i16::from_ne_bytes(precision));
    }
    properties.units = text(buffer.get(units..units + UNIT_BYTES)?);
    // In all these types: display high and low, alarm high, warning high and low, alarm low, control
    // high and low.
    let limits = numbers(native, buffer.get(limits..limits + 8 * native.bytes())?);
    properties.display = (limits[1], limits[0]);
    properties.alarm = (limits[5], limits[2]);
    properties.warning = (limits[4], limits[3]);
    properties.control = (limits[7], limits[6]);
    Some(properties)
}

fn one(native: Native, elements: &[u8]) -> Option<Data> {
    Some(match native {
        Native::String => Data::Text(text(elements.get(..STRING_BYTES)?)),
        Native::Short => Data::Number(i16::from_ne_bytes(at(elements, 0)?).into()),
        Native::Float => Data::Number(f32::from_ne_bytes(at(elements, 0)?).into()),
        Native::Enum => Data::Number(u16::from_ne_bytes(at(elements, 0)?).into()),
        Native::Char => Data::Number((*elements.first()?).into()),
        Native::Long => Data::Number(i32::from_ne_bytes(at(elements, 0)?).into()),
        Native::Double => Data::Number(f64::from_ne_bytes(at(elements, 0)?)),
    })
}

/// All elements as numbers; none of strings.
fn numbers(native: Native, elements: &[u8]) -> Arc<[f64]> {
    match native {
        Native::String => Arc::new([]),
        Native::Short => cast(elements, |bytes| i16::from_ne_bytes(bytes).into()),
        Native::Float => cast(elements, |bytes| f32::from_ne_bytes(bytes).into()),
        Native::Enum => cast(elements, |bytes| u16::from_ne_bytes(bytes).into()),
        Native::Char => cast(elements, |[byte]| byte.into()),
        Native::Long => cast(elements, |bytes| i32::from_ne_bytes(bytes).into()),
        Native::Double => cast(elements, f64::from_ne_bytes),
    }
}

fn cast<const N: usize>(elements: &[u8], number: impl Fn([u8; N]) -> f64) -> Arc<[f64]> {
    elements.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect()
}

/// The text before the first zero. What is no UTF-8 is Latin-1, as most records have their units.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let bytes = &bytes[..end];
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Alarm HIHI, major, 5 s and 6 ns after the epoch, then `elements` where they belong.
    fn buffer(native: Native, elements: &[u8]) -> Vec<u8> {
        let mut buffer = [3_i16, 2].map(i16::to_ne_bytes).concat();
        buffer.extend([5_u32, 6].map(u32::to_ne_bytes).concat());
        buffer.resize(native.timed_bytes(0), 0xff);
        buffer.extend(elements);
        buffer
    }

    fn check(native: Native, shape: Shape, elements: &[u8], expected: Data) {
        let (alarm_status, alarm_severity) = (3, 2);
        let (seconds, nanoseconds) = (5, 6);
        let data = expected;
        let expected = Sample { data, alarm_status, alarm_severity, seconds, nanoseconds };
        let buffer = buffer(native, elements);
        assert_eq!(sample(native, shape, &buffer), Some(expected));
    }

    fn numbers(numbers: &[f64]) -> Data {
        Data::Numbers(numbers.into())
    }

    #[test]
    fn values_of_every_type() {
        let one = |native, bytes: &[u8], number| {
            check(native, Shape::One, bytes, Data::Number(number));
            check(native, Shape::Numbers, &[bytes, bytes].concat(), numbers(&[number, number]));
        };
        one(Native::Short, &(-2_i16).to_ne_bytes(), -2.0);
        one(Native::Float, &1.5_f32.to_ne_bytes(), 1.5);
        one(Native::Enum, &65_535_u16.to_ne_bytes(), 65_535.0);
        one(Native::Char, &[200], 200.0);
        one(Native::Long, &i32::MIN.to_ne_bytes(), f64::from(i32::MIN));
        one(Native::Double, &0.1_f64.to_ne_bytes(), 0.1);
    }

    #[test]
    fn texts_end_at_the_first_zero() {
        let mut bytes = [0; STRING_BYTES];
        bytes[..5].copy_from_slice(b"ab\0cd");
        check(Native::String, Shape::One, &bytes, Data::Text("ab".to_owned()));
        check(Native::String, Shape::One, &[b'x'; STRING_BYTES], Data::Text("x".repeat(40)));
        check(Native::Char, Shape::Bytes, b"/data\0old", Data::Text("/data".to_owned()));
        check(Native::Char, Shape::Bytes, "µm".as_bytes(), Data::Text("µm".to_owned()));
        // The same as Latin-1.
        check(Native::Char, Shape::Bytes, b"\xb5m", Data::Text("µm".to_owned()));
    }

    #[test]
    fn arrays_may_be_empty() {
        check(Native::Double, Shape::Numbers, &[], numbers(&[]));
        check(Native::Char, Shape::Bytes, &[], Data::Text(String::new()));
        check(Native::String, Shape::Numbers, &[], numbers(&[]));
    }

    #[test]
    fn a_buffer_that_is_cut_has_no_value() {
        for native in [Native::String, Native::Short, Native::Float, Native::Enum, Native::Char] {
            let whole = buffer(native, &vec![0; native.bytes()]);
            assert!(sample(native, Shape::One, &whole).is_some());
            for length in 0..whole.len() {
                assert_eq!(sample(native, Shape::One, &whole[..length]), None, "{native:?}");
            }
        }
    }

    #[test]
    fn records_say_what_they_are() {
        let mut buffer = [0_i16, 0, 3, 0].map(i16::to_ne_bytes).concat();
        buffer.extend(b"mm\0\0\0\0\0\0");
        let limits = [10.0, -10.0, 7.0, 6.0, -6.0, -7.0, 8.0, -8.0];
        buffer.extend(limits.map(f64::to_ne_bytes).concat());
        let expected = Properties {
            units: "mm".to_owned(),
            precision: Some(3),
            display: (-10.0, 10.0),
            control: (-8.0, 8.0),
            warning: (-6.0, 6.0),
            alarm: (-7.0, 7.0),
            choices: vec![],
        };
        assert_eq!(buffer.len(), Native::Double.described_bytes());
        assert_eq!(properties(Native::Double, &buffer), Some(expected));
        for length in 0..buffer.len() {
            assert_eq!(properties(Native::Double, &buffer[..length]), None);
        }
    }

    #[test]
    fn no_more_choices_than_there_is_room_for() {
        let choices = |count: i16| {
            let mut buffer = [0_i16, 0, count].map(i16::to_ne_bytes).concat();
            buffer.resize(Native::Enum.described_bytes(), 0);
            buffer[6..10].copy_from_slice(b"Idle");
            properties(Native::Enum, &buffer).expect("it is whole").choices
        };
        assert_eq!(choices(1), ["Idle"]);
        assert_eq!(choices(2), ["Idle", ""]);
        assert_eq!(choices(99).len(), 16);
        assert_eq!(choices(-1).len(), 0);
    }
}
