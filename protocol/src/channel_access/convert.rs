//! Numbers to texts and back, as records of EPICS do it.

/// A value cannot be had in the type that was asked for, or not be put as what came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    #[error("{0:?} is no number")]
    NotANumber(String),
    #[error("there is no choice {0:?}")]
    NoChoice(String),
}

/// Largest number that is written in full with its decimal places.
const FULL: f64 = 1e7;
/// Largest number that is written without an exponent.
const WITHOUT_EXPONENT: f64 = 1e16;
/// Decimal places that are written without an exponent.
const MAX_PLACES: u16 = 8;

/// `value` with so many decimal places, as `cvtDoubleToString` of EPICS base writes it: halves are
/// rounded away from zero, huge numbers and more than eight places are written with an exponent.
pub fn number_text(value: f64, precision: u16) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value.is_nan() {
        return "nan".to_owned();
    }
    if precision > MAX_PLACES || value.abs() > WITHOUT_EXPONENT {
        return exponential(value, usize::from(precision.min(17)));
    }
    if value.abs() > FULL {
        return format!("{value:.*}", usize::from(precision.min(3)));
    }
    let places = u32::from(precision);
    let one = 10_i64.pow(places);
    let (mut whole, fraction) = (value.abs().trunc() as i64, value.abs().fract());
    // One place more is cut off and then rounded: so is it seen by clients of real servers.
    let mut fraction = ((fraction * one as f64 * 10.0) as i64 + 5) / 10;
    if fraction >= one {
        whole += 1;
        fraction -= one;
    }
    let sign = if value < 0.0 { "-" } else { "" };
    if precision == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction:0width$}", width = usize::from(precision))
    }
}

/// As `%e` of C: at least two digits of exponent, with a sign.
fn exponential(value: f64, places: usize) -> String {
    let text = format!("{value:.places$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// The number that `text` says; an empty text is zero, as records take it.
pub fn parse_number(text: &str) -> Result<f64, ConvertError> {
    let text = text.trim();
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hexadecimal {
        Some(digits) => u32::from_str_radix(digits, 16).ok().map(f64::from),
        None if text.is_empty() => Some(0.0),
        None => text.parse().ok(),
    };
    number.ok_or_else(|| ConvertError::NotANumber(text.to_owned()))
}

/// Which of `choices` is meant: its word, or else its number.
pub fn choice_index(text: &str, choices: &[String]) -> Result<u16, ConvertError> {
    let word = choices.iter().position(|choice| choice == text);
    let number = || text.trim().parse::<usize>().ok().filter(|number| *number < choices.len());
    let index = word.or_else(number).and_then(|index| u16::try_from(index).ok());
    index.ok_or_else(|| ConvertError::NoChoice(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_records_write_them() {
        let check = |value, precision, expected| {
            assert_eq!(number_text(value, precision), expected);
        };
        check(0.0, 0, "0");
        check(0.0, 4, "0.0000");
        check(-0.5, 3, "-0.500");
        check(1.25, 1, "1.3");
        check(9.999, 2, "10.00");
        check(-9.999, 0, "-10");
        check(0.000_049, 4, "0.0000");
        check(12_345.678_9, 4, "12345.6789");
        check(1e7, 2, "10000000.00");
        check(1.5e7, 6, "15000000.000");
        check(1e17, 3, "1.000e+17");
        check(1e-5, 9, "1.000000000e-05");
        check(1e-300, 17, "1.00000000000000003e-300");
        check(f64::NAN, 3, "nan");
        check(f64::INFINITY, 3, "inf");
        check(f64::NEG_INFINITY, 3, "-inf");
        check(f64::MIN_POSITIVE, 8, "0.00000000");
    }

    #[test]
    fn texts_are_numbers_or_refused() {
        let no = |text: &str| Err(ConvertError::NotANumber(text.to_owned()));
        assert_eq!(parse_number(" 1.5 "), Ok(1.5));
        assert_eq!(parse_number(""), Ok(0.0));
        assert_eq!(parse_number("0x1f"), Ok(31.0));
        assert_eq!(parse_number("-3"), Ok(-3.0));
        assert_eq!(parse_number("inf"), Ok(f64::INFINITY));
        assert_eq!(parse_number("/tmp/x"), no("/tmp/x"));
        assert_eq!(parse_number("0x"), no("0x"));
    }

    #[test]
    fn choices_go_by_word_or_number() {
        let choices = ["Off", "On", "7"].map(str::to_owned);
        let no = |text: &str| Err(ConvertError::NoChoice(text.to_owned()));
        assert_eq!(choice_index("On", &choices), Ok(1));
        assert_eq!(choice_index("0", &choices), Ok(0));
        assert_eq!(choice_index("7", &choices), Ok(2));
        assert_eq!(choice_index("3", &choices), no("3"));
        assert_eq!(choice_index("on", &choices), no("on"));
        assert_eq!(choice_index("", &choices), no(""));
    }
}
