//! Numbers as the server of a PandA reads and prints them: with `strtoul`, `strtod` and `%.10g`.
use super::fault::Fault;

/// The number at the start of `text` as `strtoul` with base 0 reads it, and what stands behind it.
///
/// A sign is taken and wraps, `0x` means base 16 and a leading zero base 8, as on the box.
pub(super) fn leading_unsigned(text: &str) -> Result<(u64, &str), Fault> {
    let text = text.trim_start_matches(is_blank);
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (base, digits) = match hexadecimal {
        Some(behind) if behind.starts_with(|c: char| c.is_ascii_hexdigit()) => (16, behind),
        _ if digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    let length = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    if length == 0 {
        return Err(Fault::NUMBER_MISSING);
    }
    let value = u64::from_str_radix(&digits[..length], base).map_err(|_| Fault::OUT_OF_RANGE)?;
    Ok((if is_negative { value.wrapping_neg() } else { value }, &digits[length..]))
}

/// All of `text` as a number.
pub(super) fn unsigned(text: &str) -> Result<u64, Fault> {
    let (value, behind) = leading_unsigned(text)?;
    if behind.is_empty() { Ok(value) } else { Err(Fault::UNEXPECTED_CHARACTER) }
}

/// All of `text` as `strtod` reads it, without its hexadecimal form.
pub(super) fn double(text: &str) -> Result<f64, Fault> {
    let text = text.trim_start_matches(is_blank);
    let end = (1..=text.len())
        .rev()
        .find(|&end| text.is_char_boundary(end) && text[..end].parse::<f64>().is_ok());
    let end = end.ok_or(Fault::NUMBER_MISSING)?;
    if end < text.len() {
        return Err(Fault::UNEXPECTED_CHARACTER);
    }
    text.parse().map_err(|_| Fault::NUMBER_MISSING)
}

pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// `value` as `printf` prints it with `%.{digits}g`.
pub(super) fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let precision = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= precision {
        let mantissa = without_trailing_zeros(mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let decimals = usize::try_from(precision - 1 - exponent).unwrap_or(0);
    without_trailing_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtoul_reads_them() {
        let check = |text, expected| assert_eq!(unsigned(text), expected, "{text:?}");
        check("0x10", Ok(16));
        check("010", Ok(8));
        check(" 7", Ok(7));
        check("0", Ok(0));
        check("-1", Ok(u64::MAX));
        check("4294967296", Ok(1 << 32));
        check("1 ", Err(Fault::UNEXPECTED_CHARACTER));
        check("08", Err(Fault::UNEXPECTED_CHARACTER));
        check("0x", Err(Fault::UNEXPECTED_CHARACTER));
        check("abc", Err(Fault::NUMBER_MISSING));
        check("", Err(Fault::NUMBER_MISSING));
        check("-", Err(Fault::NUMBER_MISSING));
        check("99999999999999999999", Err(Fault::OUT_OF_RANGE));
        assert_eq!(leading_unsigned("1,2"), Ok((1, ",2")));
    }

    #[test]
    fn doubles_are_read_whole() {
        let check = |text, expected| assert_eq!(double(text), expected, "{text:?}");
        check("1e-3", Ok(0.001));
        check(" -5", Ok(-5.0));
        check("inf", Ok(f64::INFINITY));
        check("x", Err(Fault::NUMBER_MISSING));
        check("", Err(Fault::NUMBER_MISSING));
        check("1.5 ", Err(Fault::UNEXPECTED_CHARACTER));
        check("1é", Err(Fault::UNEXPECTED_CHARACTER));
        assert!(double("nan").unwrap().is_nan());
    }

    #[test]
    fn doubles_are_printed_as_printf_prints_them() {
        let check = |value, expected: &str| assert_eq!(general(value, 10), expected);
        check(0.0, "0");
        check(1.5, "1.5");
        check(0.001, "0.001");
        check(0.09876, "0.09876");
        check(5e-5, "5e-05");
        check(8e-9, "8e-09");
        check(-4.999_000_16, "-4.99900016");
        check(1e10, "1e+10");
        check(1_234_567_890.4, "1234567890");
        check(9_999_999_999.9, "1e+10");
        check(2_251_799.0, "2251799");
        check(1.264_809_867_134_442_6e-5, "1.264809867e-05");
        check(f64::INFINITY, "inf");
        check(-f64::NAN, "-nan");
    }
}
