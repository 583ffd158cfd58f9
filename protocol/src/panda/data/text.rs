//! Headers as lines of text.
use super::{
    HeaderError,
    attributes::{Attributes, Fault},
};

/// What is told of the experiment, and of each field.
pub(super) fn parse(text: &str) -> Result<(Attributes, Vec<Attributes>), Fault> {
    let mut pairs = vec![];
    let mut fields = vec![];
    let mut is_told = false;
    let mut at = 0;
    for line in text.lines() {
        match line.strip_prefix(' ') {
            Some(field) if is_told => fields.push(parse_field(at, field)?),
            None if line == "fields:" && !is_told => is_told = true,
            None if line.is_empty() => {}
            None if !is_told => pairs.push(pair(at, line)?),
            Some(_) | None => return Err((at, HeaderError::Syntax { expected: "a field" })),
        }
        at += line.len() + 1;
    }
    if !is_told {
        return Err((at, HeaderError::Syntax { expected: "`fields:`" }));
    }
    Ok((Attributes::new(0, "data", pairs)?, fields))
}

fn pair(at: usize, line: &str) -> Result<(String, String), Fault> {
    let expected = "a name, a colon and a value";
    let (name, value) = line.split_once(": ").ok_or((at, HeaderError::Syntax { expected }))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `NAME TYPE CAPTURE`, and for most `scale: 1 offset: 0 units: mm`, with anything in the units.
fn parse_field(at: usize, line: &str) -> Result<Attributes, Fault> {
    let mut words = line.splitn(4, ' ');
    let named = ["name", "type", "capture"].into_iter().zip(words.by_ref());
    let mut pairs: Vec<_> = named.map(|(name, word)| (name.to_owned(), word.to_owned())).collect();
    if let Some(rest) = words.next() {
        let fault = (at, HeaderError::Syntax { expected: "scale, offset and units" });
        let parts = rest.strip_prefix("scale: ").and_then(|rest| {
            let (scale, rest) = rest.split_once(" offset: ")?;
            let (offset, units) = rest.split_once(" units: ")?;
            Some([("scale", scale), ("offset", offset), ("units", units)])
        });
        let parts = parts.ok_or(fault)?;
        pairs.extend(parts.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    Attributes::new(at, "field", pairs)
}
