//! Headers in XML: the small part of it that they are written in, and nothing else.
use super::{
    HeaderError,
    attributes::{Attributes, Fault},
};

/// What is told of the experiment, and of each field.
pub(super) fn parse(text: &str) -> Result<(Attributes, Vec<Attributes>), Fault> {
    let mut reader = Reader { text, at: 0 };
    reader.tag("<header>")?;
    let data = reader.element("data", "`<data`")?;
    reader.tag("<fields>")?;
    let mut fields = vec![];
    while !reader.rest().starts_with("</") {
        fields.push(reader.element("field", "`<field` or `</fields>`")?);
    }
    reader.tag("</fields>")?;
    reader.tag("</header>")?;
    if reader.rest().is_empty() { Ok((data, fields)) } else { Err(reader.expected("the end")) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    const fn expected(&self, expected: &'static str) -> Fault {
        (self.at, HeaderError::Syntax { expected })
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    fn take(&mut self, word: &str) -> bool {
        let is_there = self.rest().starts_with(word);
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    fn tag(&mut self, tag: &'static str) -> Result<(), Fault> {
        let is_there = self.take(tag);
        let fault = self.expected(tag);
        self.skip_blanks();
        is_there.then_some(()).ok_or(fault)
    }

    /// An element without contents.
    fn element(&mut self, name: &str, expected: &'static str) -> Result<Attributes, Fault> {
        let start = self.at;
        let is_there =
            self.take("<") && self.take(name) && self.rest().starts_with([' ', '\n', '/']);
        if !is_there {
            return Err((start, HeaderError::Syntax { expected }));
        }
        let mut pairs = vec![];
        loop {
            self.skip_blanks();
            if self.take("/>") {
                break;
            }
            pairs.push(self.attribute()?);
        }
        self.skip_blanks();
        Attributes::new(start, name, pairs)
    }

    fn attribute(&mut self) -> Result<(String, String), Fault> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        if name.is_empty() {
            return Err(self.expected("the name of an attribute or `/>`"));
        }
        self.at += name.len();
        if !self.take("=\"") {
            return Err(self.expected("`=\"`"));
        }
        let mut value = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find(['"', '<', '&']) else {
                return Err(self.expected("the end of an attribute"));
            };
            value.push_str(&rest[..end]);
            self.at += end;
            match rest.as_bytes()[end] {
                b'"' => break,
                b'&' => value.push(self.entity()?),
                _ => return Err(self.expected("`\"`")),
            }
        }
        self.at += 1;
        Ok((name.to_owned(), value))
    }

    fn entity(&mut self) -> Result<char, Fault> {
        let rest = &self.rest()[1..];
        let end = rest.find(';').ok_or_else(|| self.expected("`;` after a character's name"))?;
        let name = &rest[..end];
        let character = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => numbered(name),
        };
        let shown = || name.chars().take(MAX_SHOWN_CHARS).collect();
        let fault = || (self.at, HeaderError::Entity { name: shown() });
        let character = character.ok_or_else(fault)?;
        self.at += end + 2;
        Ok(character)
    }
}

/// Most that an error repeats of the name of a character.
const MAX_SHOWN_CHARS: usize = 32;

fn numbered(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let (digits, radix) = digits.strip_prefix('x').map_or((digits, 10), |digits| (digits, 16));
    let is_number = digits.chars().all(|c| c.is_digit(radix));
    is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten().and_then(char::from_u32)
}
