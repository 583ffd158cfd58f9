//! [`Block`] and [`Field`]: what a PandA has.
use super::{DescribeError, FieldClass};
use std::num::NonZeroU32;

/// Blocks of one kind, as `*BLOCKS?` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub name: String,
    /// How many there are.
    pub count: NonZeroU32,
}

/// A field of a block, as `BLOCK.*?` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// Its place among the fields of the block.
    pub sequence: u32,
    pub class: FieldClass,
}

/// What `*BLOCKS?` tells, by name: the server's own order has no meaning.
pub fn parse_blocks(lines: &[String]) -> Result<Vec<Block>, DescribeError> {
    let parse = |line: &String| {
        let error = || DescribeError::new("block", line, "its name, and how many there are");
        let (name, count) = line.split_once(' ').ok_or_else(error)?;
        let count = count.parse().map_err(|_| error())?;
        if name.is_empty() { Err(error()) } else { Ok(Block { name: name.to_owned(), count }) }
    };
    let mut blocks = lines.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    blocks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(blocks)
}

/// What `BLOCK.*?` tells, in the order of the fields.
pub fn parse_fields(lines: &[String]) -> Result<Vec<Field>, DescribeError> {
    let parse = |line: &String| {
        let error = || DescribeError::new("field", line, "its name, its place and its class");
        let mut words = line.splitn(3, ' ');
        let (name, sequence, class) = (words.next(), words.next(), words.next());
        let (Some(name), Some(sequence), Some(class)) = (name, sequence, class) else {
            return Err(error());
        };
        let sequence = sequence.parse().map_err(|_| error())?;
        if name.is_empty() || class.is_empty() {
            return Err(error());
        }
        Ok(Field { name: name.to_owned(), sequence, class: class.into() })
    };
    let mut fields = lines.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    fields.sort_by_key(|field| field.sequence);
    Ok(fields)
}
