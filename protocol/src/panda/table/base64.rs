//! Base 64 as the server writes and reads it: padded, each line by itself.

/// Text that is not base 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Base64Error {
    #[error("{length} characters are no whole groups of four")]
    Length { length: usize },
    #[error("character {index} is not of base 64")]
    Character { index: usize },
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a character stands for; 64 if for nothing.
const VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        values[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    values
};

/// Writes `bytes` at the end of `text`.
pub(super) fn encode_into(bytes: &[u8], text: &mut String) {
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let is_padding = i > group.len();
            let value = bits >> (18 - 6 * i) & 63;
            text.push(if is_padding { '=' } else { char::from(ALPHABET[value as usize]) });
        }
    }
}

/// Reads a line and puts what it stands for at the end of `bytes`.
pub(in crate::panda) fn decode_into(line: &[u8], bytes: &mut Vec<u8>) -> Result<(), Base64Error> {
    if !line.len().is_multiple_of(4) {
        return Err(Base64Error::Length { length: line.len() });
    }
    let num_padding = line.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let digits = &line[..line.len() - num_padding];
    for (group_index, group) in digits.chunks(4).enumerate() {
        let mut bits = 0;
        for (i, digit) in group.iter().enumerate() {
            let value = VALUES[usize::from(*digit)];
            if value == 64 {
                return Err(Base64Error::Character { index: 4 * group_index + i });
            }
            bits |= u32::from(value) << (18 - 6 * i);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Ok(())
}
