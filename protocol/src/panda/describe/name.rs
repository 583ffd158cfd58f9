//! [`BlockName`] and [`FieldName`]: how blocks and fields are named.
use super::{Block, DescribeError};
use std::{fmt, num::NonZeroU32, str::FromStr};

/// `SEQ1`, or `PCAP` if there is but one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockName {
    name: String,
    instance: Option<NonZeroU32>,
}

/// `SEQ1.TABLE`, or `SEQ1.TABLE.MODE` with an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldName {
    pub block: BlockName,
    field: String,
    attribute: Option<String>,
}

impl BlockName {
    /// Its name without its number.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number; `None` if it is named without one.
    pub const fn instance(&self) -> Option<NonZeroU32> {
        self.instance
    }

    /// The name under which the server itself tells of it: without a number if there is but one.
    /// `None` if it is none of the blocks.
    pub fn told(&self, blocks: &[Block]) -> Option<Self> {
        let block = blocks.iter().find(|block| block.name == self.name)?;
        let instance = match (block.count.get(), self.instance) {
            (1, None | Some(NonZeroU32::MIN)) => None,
            (_, Some(instance)) if instance <= block.count => Some(instance),
            _ => return None,
        };
        Some(Self { name: self.name.clone(), instance })
    }
}

impl FieldName {
    /// A field of `block` whose name stands in the source, without an attribute.
    ///
    /// # Panics
    /// If `field` is no name of a field.
    pub fn of(block: &BlockName, field: &'static str) -> Self {
        assert!(is_word(field), "{field} is no name of a field");
        Self { block: block.clone(), field: field.to_owned(), attribute: None }
    }

    pub fn field(&self) -> &str {
        &self.field
    }

    pub fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }

    /// The name under which the server itself tells of it; `None` if there is no such block.
    pub fn told(&self, blocks: &[Block]) -> Option<Self> {
        let block = self.block.told(blocks)?;
        Some(Self { block, field: self.field.clone(), attribute: self.attribute.clone() })
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl FromStr for BlockName {
    type Err = DescribeError;
    fn from_str(text: &str) -> Result<Self, DescribeError> {
        let rule = "letters, digits and _, and a number from 1 at its end if there are several";
        let error = || DescribeError::new("block name", text, rule);
        let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
        if !is_word(name) {
            return Err(error());
        }
        let digits = &text[name.len()..];
        let instance = match digits {
            "" => None,
            _ => Some(digits.parse().map_err(|_| error())?),
        };
        Ok(Self { name: name.to_owned(), instance })
    }
}

impl FromStr for FieldName {
    type Err = DescribeError;
    fn from_str(text: &str) -> Result<Self, DescribeError> {
        let error =
            || DescribeError::new("field name", text, "BLOCK.FIELD or BLOCK.FIELD.ATTRIBUTE");
        let (block, rest) = text.split_once('.').ok_or_else(error)?;
        let (field, attribute) = match rest.split_once('.') {
            Some((field, attribute)) => (field, Some(attribute)),
            None => (rest, None),
        };
        if !is_word(field) || !attribute.is_none_or(is_word) {
            return Err(error());
        }
        let (block, attribute) = (block.parse()?, attribute.map(str::to_owned));
        Ok(Self { block, field: field.to_owned(), attribute })
    }
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.instance.map_or(Ok(()), |instance| write!(f, "{instance}"))
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.block, self.field)?;
        self.attribute.as_ref().map_or(Ok(()), |attribute| write!(f, ".{attribute}"))
    }
}
