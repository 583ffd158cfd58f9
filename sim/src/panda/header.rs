//! Headers of the data port.
use super::{layout::Entry, number::general};
use std::fmt::Write as _;

/// What a header says before its fields.
#[derive(Clone, Debug)]
pub(super) struct Preamble {
    pub(super) arm_time: String,
    pub(super) start_time: String,
    pub(super) missed: u64,
    pub(super) process: &'static str,
    pub(super) format: &'static str,
    /// None if the rows are text.
    pub(super) sample_bytes: Option<usize>,
}

/// As lines of text.
pub(super) fn plain<'a>(
    preamble: &Preamble,
    entries: impl Iterator<Item = (&'a Entry, &'static str)>,
) -> String {
    let Preamble { arm_time, start_time, missed, process, format, .. } = preamble;
    let mut text = format!(
        "arm_time: {arm_time}\nstart_time: {start_time}\nmissed: {missed}\n\
         process: {process}\nformat: {format}\n"
    );
    if let Some(bytes) = preamble.sample_bytes {
        add(&mut text, format_args!("sample_bytes: {bytes}\n"));
    }
    text.push_str("fields:\n");
    for (entry, class) in entries {
        add(&mut text, format_args!(" {} {class} {}", entry.name, entry.mode.name()));
        if let Some(scaling) = &entry.scaling {
            let [scale, offset] = [scaling.scale, scaling.offset].map(|value| general(value, 12));
            let units = &scaling.units;
            add(&mut text, format_args!(" scale: {scale} offset: {offset} units: {units}"));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// As XML.
pub(super) fn xml<'a>(
    preamble: &Preamble,
    entries: impl Iterator<Item = (&'a Entry, &'static str)>,
) -> String {
    let Preamble { arm_time, start_time, missed, process, format, .. } = preamble;
    let mut text = format!(
        "<header>\n<data arm_time=\"{arm_time}\" start_time=\"{start_time}\" missed=\"{missed}\" \
         process=\"{process}\" format=\"{format}\" "
    );
    if let Some(bytes) = preamble.sample_bytes {
        add(&mut text, format_args!("sample_bytes=\"{bytes}\" "));
    }
    text.push_str("/>\n<fields>\n");
    for (entry, class) in entries {
        let (name, mode) = (&entry.name, entry.mode.name());
        add(&mut text, format_args!("<field name=\"{name}\" type=\"{class}\" capture=\"{mode}\" "));
        if let Some(scaling) = &entry.scaling {
            let [scale, offset] = [scaling.scale, scaling.offset].map(|value| general(value, 12));
            let units = escaped(&scaling.units);
            add(
                &mut text,
                format_args!("scale=\"{scale}\" offset=\"{offset}\" units=\"{units}\" "),
            );
        }
        text.push_str("/>\n");
    }
    text.push_str("</fields>\n</header>\n\n");
    text
}

fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes everything");
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}
