//! Texts of strangers, such as the reason that somebody gave for the end of a run: on a terminal they
//! are shown, and do nothing.

/// A text in one line, whatever it was.
pub(super) fn one_line(text: &str) -> String {
    visible(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A text whose control characters, but for ends of lines, are spelt out as `\u{1b}`.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// Whether a terminal does something else than to show it: control characters, and those that turn
/// the direction of what follows.
fn acts(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_stranger_moved_the_cursor() {
        let check = |text: &str, expected: &str| assert_eq!(one_line(text), expected);
        check("a\n  b\t\r\n", "a b");
        check("gone\u{1b}[2J\u{7}", "gone\\u{1b}[2J\\u{7}");
        check("\u{9b}31m", "\\u{9b}31m");
        check("nxp.\u{202e}gpj", "nxp.\\u{202e}gpj");
        check("Größe 5 µm", "Größe 5 µm");
        assert_eq!(visible("a\nb  c\r"), "a\nb  c\\u{d}");
    }
}
