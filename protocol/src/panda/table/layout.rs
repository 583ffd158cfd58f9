//! [`RowLayout`]: what stands on which bits of a row.
use crate::panda::describe::DescribeError;

/// What the rows of a table look like, as `TABLE.FIELDS?` and `TABLE.ROW_WORDS?` tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowLayout {
    num_words: usize,
    fields: Vec<RowField>,
}

/// A part of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowField {
    pub name: String,
    pub kind: RowFieldKind,
    first_bit: usize,
    num_bits: usize,
}

/// What a part of a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFieldKind {
    Uint,
    Int,
    /// A number that stands for a label, which `*ENUMS` tells.
    Enum,
    /// Something of a server that is newer than this: a number without a sign.
    Other(String),
}

/// A description of rows that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error(transparent)]
    Line(#[from] DescribeError),
    #[error("a row of {num_words} words: they are 1 to {MAX_ROW_WORDS}")]
    Words { num_words: usize },
    #[error(
        "{name} is on bits {first} to {last} of a row, which has {bits} bits; it may have up to 32"
    )]
    Bits { name: String, first: usize, last: usize, bits: usize },
    #[error("{name} and {other} are on the same bit of a row")]
    Overlap { name: String, other: String },
}

/// Values that make no row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("row {row} has {values} values, and there are {fields} fields")]
    Count { row: usize, values: usize, fields: usize },
    #[error("{name} of row {row} is {value}: from {least} to {most} can be told")]
    OutOfRange { name: String, row: usize, value: i64, least: i64, most: i64 },
    #[error("{words} words are no whole rows of {row_words}")]
    Words { words: usize, row_words: usize },
}

/// Most words of a row that are taken for one.
const MAX_ROW_WORDS: usize = 64;
const WORD_BITS: usize = 32;

impl RowLayout {
    /// The layout that these lines describe, each as `63:32 POSITION int`.
    pub fn parse(num_words: usize, lines: &[String]) -> Result<Self, LayoutError> {
        if !(1..=MAX_ROW_WORDS).contains(&num_words) {
            return Err(LayoutError::Words { num_words });
        }
        let mut fields: Vec<RowField> = vec![];
        for line in lines {
            let field = RowField::parse(line, num_words * WORD_BITS)?;
            if let Some(other) = fields.iter().find(|other| other.overlaps(&field)) {
                let (name, other) = (field.name, other.name.clone());
                return Err(LayoutError::Overlap { name, other });
            }
            fields.push(field);
        }
        Ok(Self { num_words, fields })
    }

    /// Words of a row.
    pub const fn num_words(&self) -> usize {
        self.num_words
    }

    /// In the order in which the server tells them, which is that of values.
    pub fn fields(&self) -> &[RowField] {
        &self.fields
    }

    /// Makes words of rows of one value for each field. Nothing is cut off: what does not fit is
    /// refused.
    pub fn pack<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a [i64]>,
    ) -> Result<Vec<u32>, ValueError> {
        let mut words = vec![];
        for (row, values) in rows.into_iter().enumerate() {
            if values.len() != self.fields.len() {
                let (values, fields) = (values.len(), self.fields.len());
                return Err(ValueError::Count { row, values, fields });
            }
            let first_word = words.len();
            words.resize(first_word + self.num_words, 0);
            for (field, value) in self.fields.iter().zip(values) {
                field.put(*value, &mut words[first_word..]).map_err(|(least, most)| {
                    let (name, value) = (field.name.clone(), *value);
                    ValueError::OutOfRange { name, row, value, least, most }
                })?;
            }
        }
        Ok(words)
    }

    /// Makes rows of words.
    pub fn unpack(&self, words: &[u32]) -> Result<Vec<Vec<i64>>, ValueError> {
        if !words.len().is_multiple_of(self.num_words) {
            return Err(ValueError::Words { words: words.len(), row_words: self.num_words });
        }
        let rows = words.chunks(self.num_words);
        let values = |row: &[u32]| self.fields.iter().map(|field| field.get(row)).collect();
        Ok(rows.map(values).collect())
    }
}

impl RowField {
    fn parse(line: &str, row_bits: usize) -> Result<Self, LayoutError> {
        let rule = "LAST:FIRST NAME KIND";
        let error = || DescribeError::new("part of a row", line, rule);
        let words: Vec<&str> = line.split(' ').collect();
        let [bits, name, kind] = words[..] else { return Err(error().into()) };
        let (last, first) = bits.split_once(':').ok_or_else(error)?;
        let last: usize = last.parse().map_err(|_| error())?;
        let first: usize = first.parse().map_err(|_| error())?;
        let name = name.to_owned();
        if first > last || last >= row_bits || last - first >= WORD_BITS {
            return Err(LayoutError::Bits { name, first, last, bits: row_bits });
        }
        let kind = match kind {
            "uint" => RowFieldKind::Uint,
            "int" => RowFieldKind::Int,
            "enum" => RowFieldKind::Enum,
            kind => RowFieldKind::Other(kind.to_owned()),
        };
        Ok(Self { name, kind, first_bit: first, num_bits: last - first + 1 })
    }

    /// The least and the most value it can have.
    pub const fn range(&self) -> (i64, i64) {
        match self.kind {
            RowFieldKind::Int => (-(1 << (self.num_bits - 1)), (1 << (self.num_bits - 1)) - 1),
            RowFieldKind::Uint | RowFieldKind::Enum | RowFieldKind::Other(_) => {
                (0, (1 << self.num_bits) - 1)
            }
        }
    }

    const fn overlaps(&self, other: &Self) -> bool {
        self.first_bit < other.first_bit + other.num_bits
            && other.first_bit < self.first_bit + self.num_bits
    }

    const fn mask(&self) -> u64 {
        (1 << self.num_bits) - 1
    }

    fn put(&self, value: i64, row: &mut [u32]) -> Result<(), (i64, i64)> {
        let (least, most) = self.range();
        if !(least..=most).contains(&value) {
            return Err((least, most));
        }
        let (word, shift) = (self.first_bit / WORD_BITS, self.first_bit % WORD_BITS);
        let bits = (value.cast_unsigned() & self.mask()) << shift;
        row[word] |= bits as u32;
        // The upper half is empty unless it goes on in the next word.
        if let Some(next) = row.get_mut(word + 1) {
            *next |= (bits >> WORD_BITS) as u32;
        }
        Ok(())
    }

    fn get(&self, row: &[u32]) -> i64 {
        let (word, shift) = (self.first_bit / WORD_BITS, self.first_bit % WORD_BITS);
        let next = row.get(word + 1).copied().unwrap_or(0);
        let bits = (u64::from(row[word]) | u64::from(next) << WORD_BITS) >> shift & self.mask();
        let (_, most) = self.range();
        let value = bits.cast_signed();
        // Above the most is what stands for a number below zero.
        if value > most { value - (1 << self.num_bits) } else { value }
    }
}
