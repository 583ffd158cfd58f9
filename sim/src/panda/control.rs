//! [`Control`]: a client of the control port, line by line.
use super::{
    catalogue::Place,
    changes::Seen,
    fault::Fault,
    field::Answer,
    name::{Entity, Instance},
    server::{ConnectionId, Server},
    table::{Encoding, Write, WriteForm},
};

/// What is kept of a connection between its lines.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// The beginning of a line.
    line: Vec<u8>,
    upload: Option<Upload>,
    pub(super) output: Vec<u8>,
    pub(super) seen: Seen,
    /// The client sent what nobody may send.
    pub(super) is_over: bool,
}

/// Lines that are written to one thing, up to an empty one.
#[derive(Debug)]
struct Upload {
    target: Result<Target, Fault>,
}

#[derive(Debug)]
enum Target {
    Table { place: Place, write: Write, encoding: Encoding, words: Vec<u32> },
    Metadata { index: usize, lines: Vec<String>, num_bytes: usize },
}

/// Bytes of a line without its newline.
const MAX_LINE: usize = 1_022;
/// Nothing more is read from a client that leaves so many bytes unread.
const MAX_OUTPUT: usize = 1 << 20;
/// Bytes of a value.
const MAX_VALUE: usize = 255;
/// Bytes of lines of metadata that are kept before they are refused.
const MAX_METADATA: usize = 1 << 20;

impl Control {
    /// Whether it takes what a client sends.
    fn has_room(&self) -> bool {
        !self.is_over && self.output.len() < MAX_OUTPUT
    }

    fn reply(&mut self, answer: Result<Option<Answer>, Fault>) {
        let text = match answer {
            Ok(None) => "OK\n".to_owned(),
            Ok(Some(Answer::Value(value))) if value.len() > MAX_VALUE => {
                "ERR Result too long\n".to_owned()
            }
            Ok(Some(Answer::Value(value))) => format!("OK ={value}\n"),
            Ok(Some(Answer::Lines(lines))) => {
                let mut text = String::new();
                for line in lines {
                    text.push('!');
                    text.push_str(&line);
                    text.push('\n');
                }
                text.push_str(".\n");
                text
            }
            Err(fault) => format!("ERR {}\n", fault.text()),
        };
        self.output.extend_from_slice(text.as_bytes());
    }
}

impl Server {
    /// Takes lines as long as there is room for replies; how many bytes were taken.
    pub(super) fn receive_lines(
        &mut self,
        id: ConnectionId,
        control: &mut Control,
        bytes: &[u8],
    ) -> usize {
        let mut taken = 0;
        while control.has_room() && taken < bytes.len() {
            let rest = &bytes[taken..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            control.line.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
            taken += end.map_or(rest.len(), |end| end + 1);
            if control.line.len() > MAX_LINE {
                control.is_over = true;
            } else if end.is_some() {
                let line = std::mem::take(&mut control.line);
                self.take_line(id, control, &line);
            }
        }
        taken
    }

    fn take_line(&mut self, id: ConnectionId, control: &mut Control, line: &[u8]) {
        let line = std::str::from_utf8(line).map_err(|_| Fault::new("Malformed UTF-8 encoding"));
        if let Some(upload) = &mut control.upload {
            if line != Ok("") {
                upload.take(line);
                return;
            }
            let upload = control.upload.take();
            let done = upload.map_or(Ok(()), |upload| self.finish(id, upload));
            control.reply(done.map(|()| None));
            return;
        }
        let answer = match line.map(Command::parse) {
            Err(fault) | Ok(Command::Malformed(fault)) => Err(fault),
            Ok(Command::Upload { name, form }) => {
                control.upload = Some(Upload { target: self.begin_upload(id, name, form) });
                return;
            }
            Ok(Command::Get { name }) => match name.strip_prefix('*') {
                Some(name) => self.system_get(name, &mut control.seen).map(Some),
                None => self.field_get(name).map(Some),
            },
            Ok(Command::Put { name, value }) => match name.strip_prefix('*') {
                Some(name) => self.system_put(name, value, &mut control.seen).map(|()| None),
                None => self.field_put(name, value).map(|()| None),
            },
        };
        control.reply(answer);
    }

    fn field_get(&mut self, name: &str) -> Result<Answer, Fault> {
        let lines = match self.panel.catalogue.entity(name, Instance::Needed)? {
            Entity::Field(place) => return self.panel.get(place),
            Entity::Attribute(place, attribute) => {
                return Ok(self.panel.get_attribute(place, attribute));
            }
            Entity::Fields(block) => {
                let fields = self.panel.catalogue.blocks[block].fields.iter();
                fields
                    .map(|field| format!("{} {} {}", field.name, field.number, field.class))
                    .collect()
            }
            Entity::Attributes(place) => {
                let attributes = super::attribute::Attribute::of(&self.panel.field(place).kind);
                attributes.iter().map(|attribute| attribute.name().to_owned()).collect()
            }
        };
        Ok(Answer::Lines(lines))
    }

    fn field_put(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        match self.panel.catalogue.entity(name, Instance::Needed)? {
            Entity::Field(place) => self.panel.put(place, value),
            Entity::Attribute(place, attribute) => {
                self.panel.put_attribute(place, attribute, value)
            }
            Entity::Fields(_) | Entity::Attributes(_) => Err(Fault::NOT_WRITEABLE),
        }
    }

    fn begin_upload(&mut self, id: ConnectionId, name: &str, form: &str) -> Result<Target, Fault> {
        let WriteForm { write, encoding } = WriteForm::parse(form)?;
        if let Some(name) = name.strip_prefix('*') {
            let key = name.strip_prefix("METADATA.").ok_or(Fault::new("Not a table"))?;
            let index = self.panel.metadata_lines(key)?;
            if !form.is_empty() {
                return Err(Fault::new("Not a table"));
            }
            return Ok(Target::Metadata { index, lines: Vec::new(), num_bytes: 0 });
        }
        let Entity::Field(place) = self.panel.catalogue.entity(name, Instance::Needed)? else {
            return Err(Fault::new("Field is not a table"));
        };
        let table = self.panel.table_mut(place).ok_or(Fault::new("Field is not a table"))?;
        if table.writer.is_some() {
            return Err(Fault::new("Table currently being written"));
        }
        table.writer = Some(id);
        Ok(Target::Table { place, write, encoding, words: Vec::new() })
    }

    fn finish(&mut self, id: ConnectionId, upload: Upload) -> Result<(), Fault> {
        self.release_tables(id);
        match upload.target? {
            Target::Table { place, write, words, .. } => {
                self.panel.write_table(place, write, words)
            }
            Target::Metadata { index, lines, .. } => self.panel.put_metadata_lines(index, lines),
        }
    }
}

impl Upload {
    /// Takes a line; after the first that is wrong all others are thrown away.
    fn take(&mut self, line: Result<&str, Fault>) {
        let Ok(target) = &mut self.target else { return };
        let taken = line.and_then(|line| match target {
            Target::Table { encoding, words, .. } => encoding.decode(line, words),
            Target::Metadata { lines, num_bytes, .. } => {
                *num_bytes += line.len() + 1;
                if *num_bytes > MAX_METADATA {
                    return Err(Fault::new("Too much data for metadata"));
                }
                lines.push(line.to_owned());
                Ok(())
            }
        });
        if let Err(fault) = taken {
            self.target = Err(fault);
        }
    }
}

/// A line of a client.
enum Command<'a> {
    Get { name: &'a str },
    Put { name: &'a str, value: &'a str },
    Upload { name: &'a str, form: &'a str },
    Malformed(Fault),
}

impl<'a> Command<'a> {
    fn parse(line: &'a str) -> Self {
        let Some(i) = line.find(['?', '=', '<']) else {
            return Self::Malformed(Fault::new("Unknown command"));
        };
        let (name, rest) = (&line[..i], &line[i + 1..]);
        match &line[i..=i] {
            "?" if rest.is_empty() => Self::Get { name },
            "?" => Self::Malformed(Fault::new("Unexpected text after command")),
            "=" => Self::Put { name, value: rest },
            _ => Self::Upload { name, form: rest },
        }
    }
}
