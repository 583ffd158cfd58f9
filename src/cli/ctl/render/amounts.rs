//! Times, sizes and numbers as people say them.

/// A time of some length, to the second below a minute and in two units above.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0 if seconds > 0.0 => "less than 1 s".to_owned(),
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// How long ago a moment was, both in Unix time.
pub(super) fn ago(now_s: f64, then_s: f64) -> String {
    format!("{} ago", span((now_s - then_s).max(0.0)))
}

/// A size with three digits.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let mut amount = number as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if amount < 999.5 {
            break;
        }
        amount /= 1_000.0;
        unit = larger;
    }
    match amount {
        _ if unit == "bytes" => format!("{number} bytes"),
        small if small < 9.995 => format!("{small:.2} {unit}"),
        medium if medium < 99.95 => format!("{medium:.1} {unit}"),
        large => format!("{large:.0} {unit}"),
    }
}

/// Frames, one or several.
pub(super) fn frames(number: u64) -> String {
    if number == 1 { "1 frame".to_owned() } else { format!("{number} frames") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        let check = |text: String, expected: &str| assert_eq!(text, expected);
        check(span(0.0), "0 s");
        check(span(0.2), "less than 1 s");
        check(span(59.4), "59 s");
        check(span(59.6), "1 min 0 s");
        check(span(3_725.0), "1 h 2 min");
        check(span(90_000.0), "1 d 1 h");
        check(span(-3.0), "0 s");
        check(ago(100.0, 95.0), "5 s ago");
        check(ago(100.0, 105.0), "0 s ago");
        check(bytes(0), "0 bytes");
        check(bytes(999), "999 bytes");
        check(bytes(1_000), "1.00 kB");
        check(bytes(9_995_001), "10.0 MB");
        check(bytes(37_200_000), "37.2 MB");
        check(bytes(999_400_000), "999 MB");
        check(bytes(999_600_000), "1.00 GB");
        check(bytes(u64::MAX), "18.4 EB");
        check(frames(1), "1 frame");
        check(frames(0), "0 frames");
    }
}
