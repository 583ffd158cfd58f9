//! Base64 as the server of a PandA writes and reads it.
use super::fault::Fault;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends `bytes` with padding.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let is_data = i <= group.len();
            let symbol = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if is_data { symbol } else { b'=' });
        }
    }
}

/// The words of a line; padding may be left out, but not in part.
pub(super) fn decode_words(line: &str) -> Result<Vec<u32>, Fault> {
    let malformed = Fault::new("Malformed base64 string");
    let data = line.trim_end_matches('=');
    let padding = line.len() - data.len();
    if padding > 2 || padding > 0 && !line.len().is_multiple_of(4) || data.len() % 4 == 1 {
        return Err(malformed);
    }
    let mut bytes = Vec::with_capacity(data.len() * 3 / 4);
    for group in data.as_bytes().chunks(4) {
        let mut bits = 0;
        for i in 0..4 {
            let symbol = group.get(i).copied().unwrap_or(b'A');
            let place = ALPHABET.iter().position(|known| *known == symbol);
            bits = bits << 6 | place.ok_or_else(|| malformed.clone())? as u32;
        }
        let [_, group_bytes @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(&group_bytes[..group.len() - 1]);
    }
    let (words, rest) = bytes.as_chunks::<4>();
    if rest.is_empty() {
        Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    } else {
        Err(Fault::new("Invalid data length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<&[u32], &str>) {
        let found = decode_words(line);
        let found = found.as_deref().map_err(Fault::text);
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn lines_are_read_as_the_server_reads_them() {
        check("AQAAAAIAAAADAAAABAAAAA==", Ok(&[1, 2, 3, 4]));
        check("AQAAAAIAAAADAAAABAAAAA", Ok(&[1, 2, 3, 4]));
        check("123456789AB123456789AB==", Ok(&[3_891_817_943, 16_055_470, 964_615_029, 4_046_827]));
        check("123456789AB123456789AB=", Err("Malformed base64 string"));
        check("1234567", Err("Invalid data length"));
        check("abcdefgh", Err("Invalid data length"));
        check("abcd*xyz", Err("Malformed base64 string"));
        check("abcde", Err("Malformed base64 string"));
        check("AAAA====", Err("Malformed base64 string"));
        check("", Ok(&[]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let words: Vec<u32> = (0..14).map(|i| i * 0x1234_5677).collect();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut text = Vec::new();
        encode(&bytes, &mut text);
        check(std::str::from_utf8(&text).unwrap(), Ok(&words));
    }
}
