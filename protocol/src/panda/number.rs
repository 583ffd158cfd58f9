//! [`is_same_number`]: whether two texts of a PandA are one number.

/// Whether two texts are the same number: whole numbers exactly, as registers of 48 bits have more
/// digits than others are told with; others to the ten digits with which a server tells them.
pub fn is_same_number(one: &str, other: &str) -> bool {
    match (Number::read(one), Number::read(other)) {
        (Some(Number::Whole(one)), Some(Number::Whole(other))) => one == other,
        (Some(one), Some(other)) => one.ten_digits() == other.ten_digits(),
        (None, _) | (_, None) => false,
    }
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return u64::from_str_radix(digits, 16).ok().map(|number| Self::Whole(number.into()));
        }
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        text.parse().ok().filter(|real: &f64| real.is_finite()).map(Self::Real)
    }

    fn ten_digits(self) -> String {
        let real = match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        };
        // There is but one zero.
        format!("{:.9e}", if real == 0.0 { 0.0 } else { real })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_48_bits_were_the_same_to_ten_digits() {
        assert!(!is_same_number("123456789012", "123456789013"));
        assert!(is_same_number("123456789012", "0x1CBE991A14"));
    }

    #[test]
    fn numbers_are_the_same_however_they_are_written() {
        let same = |one: &str, other: &str| {
            assert!(is_same_number(one, other) && is_same_number(other, one), "{one} {other}");
        };
        same("0.00010", "0.0001");
        same("1e-4", "0.0001");
        same("0.123456789049", "0.123456789");
        same("1e3", "1000");
        same("12345678901", "1.23456789e+10");
        same("-0", "0");
        same("-0.0", "0");
        same(" 7", "+7");
        same("-3", "-3.000");
    }

    #[test]
    fn what_differs_is_another_number_or_none() {
        let other = |one: &str, other: &str| {
            assert!(!is_same_number(one, other) && !is_same_number(other, one), "{one} {other}");
        };
        other("0.1234567891", "0.1234567892");
        other("1", "2");
        other("0", "1e-300");
        other("1", "-1");
        other("0x", "0");
        other("nan", "nan");
        other("inf", "inf");
        other("ONE", "ONE");
        other("", "");
    }
}
