//! [`Data`]: the elements of a value.
use super::{Field, Info, STRING_BYTES, number_text, parse_number};
use crate::channel_access::ConvertError;
use std::sync::Arc;

/// The elements of a value, in their own type.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Strings(Vec<String>),
    Shorts(Vec<i16>),
    Floats(Vec<f32>),
    Enums(Vec<u16>),
    Chars(Vec<u8>),
    Longs(Vec<i32>),
    Doubles(Arc<[f64]>),
}

/// Bytes that are not the elements that were promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    #[error("{count} elements of {field:?} do not fit in {bytes} bytes")]
    TooShort { field: Field, count: usize, bytes: usize },
    #[error("a string is not UTF-8")]
    NotText,
}

impl Data {
    pub const fn field(&self) -> Field {
        match self {
            Self::Strings(_) => Field::String,
            Self::Shorts(_) => Field::Short,
            Self::Floats(_) => Field::Float,
            Self::Enums(_) => Field::Enum,
            Self::Chars(_) => Field::Char,
            Self::Longs(_) => Field::Long,
            Self::Doubles(_) => Field::Double,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Strings(elements) => elements.len(),
            Self::Shorts(elements) => elements.len(),
            Self::Floats(elements) => elements.len(),
            Self::Enums(elements) => elements.len(),
            Self::Chars(elements) => elements.len(),
            Self::Longs(elements) => elements.len(),
            Self::Doubles(elements) => elements.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `count` elements at the front of `bytes`.
    pub fn decode(field: Field, count: usize, bytes: &[u8]) -> Result<Self, DataError> {
        if field == Field::String {
            return strings(count, bytes).map(Self::Strings);
        }
        let too_short = DataError::TooShort { field, count, bytes: bytes.len() };
        let end = field.num_bytes().checked_mul(count).ok_or(too_short)?;
        let bytes = bytes.get(..end).ok_or(too_short)?;
        Ok(match field {
            Field::String | Field::Char => Self::Chars(bytes.to_vec()),
            Field::Short => Self::Shorts(elements(bytes, i16::from_be_bytes).collect()),
            Field::Enum => Self::Enums(elements(bytes, u16::from_be_bytes).collect()),
            Field::Long => Self::Longs(elements(bytes, i32::from_be_bytes).collect()),
            Field::Float => Self::Floats(elements(bytes, f32::from_be_bytes).collect()),
            Field::Double => Self::Doubles(elements(bytes, f64::from_be_bytes).collect()),
        })
    }

    /// Appends the first `count` elements as `field`. Fails if a text is no number that is to be one;
    /// then part of it is in `out`. Numbers beyond what the type holds become its nearest.
    pub fn encode(
        &self,
        field: Field,
        count: usize,
        info: &Info<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConvertError> {
        let count = count.min(self.len());
        out.reserve(field.num_bytes() * count);
        match (self, field) {
            (Self::Doubles(elements), Field::Double) => {
                out.extend(elements[..count].iter().flat_map(|element| element.to_be_bytes()));
            }
            (Self::Chars(elements), Field::Char) => out.extend_from_slice(&elements[..count]),
            (_, Field::String) => {
                for i in 0..count {
                    push_text(&self.text(i, info), STRING_BYTES, out);
                }
            }
            _ => {
                for i in 0..count {
                    push_number(self.number(i)?, field, out);
                }
            }
        }
        Ok(())
    }

    /// The element as a number.
    fn number(&self, i: usize) -> Result<f64, ConvertError> {
        Ok(match self {
            Self::Strings(elements) => parse_number(&elements[i])?,
            Self::Shorts(elements) => elements[i].into(),
            Self::Floats(elements) => elements[i].into(),
            Self::Enums(elements) => elements[i].into(),
            Self::Chars(elements) => elements[i].into(),
            Self::Longs(elements) => elements[i].into(),
            Self::Doubles(elements) => elements[i],
        })
    }

    /// Every element as a number.
    pub fn numbers(&self) -> Result<Arc<[f64]>, ConvertError> {
        match self {
            Self::Doubles(elements) => Ok(elements.clone()),
            _ => (0..self.len()).map(|i| self.number(i)).collect(),
        }
    }

    /// The first element as a number.
    pub fn first_number(&self) -> Option<Result<f64, ConvertError>> {
        (!self.is_empty()).then(|| self.number(0))
    }

    /// The element as a text.
    fn text(&self, i: usize, info: &Info<'_>) -> String {
        let precision = info.precision.map_or(6, |places| u16::try_from(places).unwrap_or(0));
        match self {
            Self::Strings(elements) => elements[i].clone(),
            Self::Shorts(elements) => elements[i].to_string(),
            Self::Floats(elements) => number_text(elements[i].into(), precision),
            Self::Enums(elements) => {
                let choice = info.choices.get(usize::from(elements[i]));
                choice.cloned().unwrap_or_else(|| elements[i].to_string())
            }
            Self::Chars(elements) => elements[i].to_string(),
            Self::Longs(elements) => elements[i].to_string(),
            Self::Doubles(elements) => number_text(elements[i], precision),
        }
    }
}

/// Appends `text` and zeros: `room` bytes, the last of them a zero.
pub(super) fn push_text(text: &str, room: usize, out: &mut Vec<u8>) {
    let end = out.len() + room;
    let text = &text[..text.floor_char_boundary(room - 1)];
    out.extend_from_slice(text.as_bytes());
    out.resize(end, 0);
}

/// Appends the number, or the nearest that the type holds; not a number is zero as an integer.
pub(super) fn push_number(number: f64, field: Field, out: &mut Vec<u8>) {
    match field {
        Field::String => {}
        Field::Short => out.extend((number as i16).to_be_bytes()),
        Field::Enum => out.extend((number as u16).to_be_bytes()),
        // Characters have no sign on the wire: -1 comes as 255, as in C.
        Field::Char => out.push((number as i64).clamp(-128, 255) as u8),
        Field::Long => out.extend((number as i32).to_be_bytes()),
        Field::Float => out.extend((number as f32).to_be_bytes()),
        Field::Double => out.extend(number.to_be_bytes()),
    }
}

fn elements<const N: usize, T>(
    bytes: &[u8],
    element: impl Fn([u8; N]) -> T,
) -> impl Iterator<Item = T> {
    bytes.as_chunks::<N>().0.iter().map(move |bytes| element(*bytes))
}

/// Strings of 40 bytes; the last is sent only as far as it goes by some clients.
fn strings(count: usize, bytes: &[u8]) -> Result<Vec<String>, DataError> {
    let too_short = DataError::TooShort { field: Field::String, count, bytes: bytes.len() };
    let before_last = count.saturating_sub(1).checked_mul(STRING_BYTES).ok_or(too_short)?;
    if count > 0 && bytes.len() <= before_last {
        return Err(too_short);
    }
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8(bytes[..end].to_vec()).map_err(|_| DataError::NotText)
    };
    bytes.chunks(STRING_BYTES).take(count).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back() {
        let every = [
            Data::Strings(vec!["one".into(), "two".into()]),
            Data::Shorts(vec![-2, 3]),
            Data::Floats(vec![0.5, -1.5]),
            Data::Enums(vec![1, 65_535]),
            Data::Chars(vec![0, 255]),
            Data::Longs(vec![i32::MIN, 7]),
            Data::Doubles([1e300, -0.0].into()),
        ];
        for data in every {
            let mut out = vec![];
            assert_eq!(data.encode(data.field(), 9, &Info::default(), &mut out), Ok(()));
            assert_eq!(out.len(), 2 * data.field().num_bytes());
            assert_eq!(Data::decode(data.field(), 2, &out), Ok(data.clone()));
            let count = usize::MAX / 2;
            let too_short = DataError::TooShort { field: data.field(), count, bytes: out.len() };
            assert_eq!(Data::decode(data.field(), count, &out), Err(too_short));
        }
    }

    #[test]
    fn what_does_not_fit_becomes_the_nearest() {
        let check = |number: f64, field, expected: &[u8]| {
            let mut out = vec![];
            let data = Data::Doubles([number].into());
            assert_eq!(data.encode(field, 1, &Info::default(), &mut out), Ok(()));
            assert_eq!(out, expected);
        };
        check(1e9, Field::Short, &[0x7f, 0xff]);
        check(-1e99, Field::Long, &[0x80, 0, 0, 0]);
        check(f64::NAN, Field::Long, &[0, 0, 0, 0]);
        check(-1.0, Field::Enum, &[0, 0]);
        check(-1.0, Field::Char, &[255]);
        check(300.0, Field::Char, &[255]);
        check(2.9, Field::Short, &[0, 2]);
    }

    #[test]
    fn the_last_string_may_be_cut_short() {
        let mut bytes = vec![0; 40];
        bytes[..3].copy_from_slice(b"one");
        bytes.extend_from_slice(b"two\0\0\0\0\0");
        let two = Data::Strings(vec!["one".into(), "two".into()]);
        assert_eq!(Data::decode(Field::String, 2, &bytes), Ok(two));
        let short = DataError::TooShort { field: Field::String, count: 3, bytes: 48 };
        assert_eq!(Data::decode(Field::String, 3, &bytes), Err(short));
        assert_eq!(Data::decode(Field::String, 1, &[0xff, 0]), Err(DataError::NotText));
        assert_eq!(Data::decode(Field::String, 0, &[]), Ok(Data::Strings(vec![])));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut out = vec![];
        push_text(&"ä".repeat(30), STRING_BYTES, &mut out);
        assert_eq!(out.len(), STRING_BYTES);
        assert_eq!(&out[..38], "ä".repeat(19).as_bytes());
        assert_eq!(out[38..], [0, 0]);
    }
}
