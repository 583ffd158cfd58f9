//! Words of a table as lines, and back.
use super::{Base64Error, base64};
use std::fmt::Write as _;

/// Words in a line of base 64, as many as the server itself writes: they are whole groups.
const WORDS_PER_LINE: usize = 12;

/// Lines that are no words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    #[error("line {line} of a table is no number of 32 bits: `{text}`")]
    Number { line: usize, text: String },
    #[error("line {line} of a table is not base 64")]
    Base64 {
        line: usize,
        #[source]
        source: Base64Error,
    },
    #[error("a table has {bytes} bytes, which are no whole words of four")]
    Length { bytes: usize },
}

/// Writes words as numbers, one in a line.
pub fn text_lines(words: &[u32], out: &mut String) {
    for word in words {
        writeln!(out, "{word}").expect("a string takes all");
    }
}

/// Writes words in base 64, as many in a line as the server writes.
pub fn base64_lines(words: &[u32], out: &mut String) {
    out.reserve(words.len().div_ceil(WORDS_PER_LINE) * (WORDS_PER_LINE * 16 / 3 + 1));
    for line in words.chunks(WORDS_PER_LINE) {
        let bytes: Vec<u8> = line.iter().flat_map(|word| word.to_le_bytes()).collect();
        base64::encode_into(&bytes, out);
        out.push('\n');
    }
}

/// Reads what `TABLE?` tells.
pub fn read_numbers(lines: &[String]) -> Result<Vec<u32>, WordsError> {
    let read = |(index, line): (usize, &String)| {
        line.parse().map_err(|_| WordsError::Number { line: index + 1, text: line.clone() })
    };
    lines.iter().enumerate().map(read).collect()
}

/// Reads what `TABLE.B?` tells.
pub fn read_base64(lines: &[String]) -> Result<Vec<u32>, WordsError> {
    let mut bytes = vec![];
    for (index, line) in lines.iter().enumerate() {
        let decoded = base64::decode_into(line.as_bytes(), &mut bytes);
        decoded.map_err(|source| WordsError::Base64 { line: index + 1, source })?;
    }
    let (words, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(WordsError::Length { bytes: bytes.len() });
    }
    Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}
