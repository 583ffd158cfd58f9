//! Metadata: what clients keep on a box.
use super::{fault::Fault, field::Answer, panel::Panel};

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Constant,
    Text,
    Lines,
}

const APP_NAME: &str = "pandabox-no-fmc";
/// Bytes that the lines of a key may have.
const MAX_BYTES: usize = 1 << 20;

impl Class {
    pub(super) fn of(key: &str) -> Self {
        match key {
            "APPNAME" => Self::Constant,
            "LAYOUT" | "EXPORTS" => Self::Lines,
            _ => Self::Text,
        }
    }
}

impl Panel {
    pub(super) fn get_metadata(&self, key: &str) -> Result<Answer, Fault> {
        let lines = &self.metadata[self.metadata_index(key)?].value;
        Ok(match Class::of(key) {
            Class::Constant => Answer::Value(APP_NAME.to_owned()),
            Class::Text => Answer::Value(lines.first().cloned().unwrap_or_default()),
            Class::Lines => Answer::Lines(lines.clone()),
        })
    }

    pub(super) fn put_metadata(&mut self, key: &str, text: &str) -> Result<(), Fault> {
        let index = self.metadata_index(key)?;
        if Class::of(key) != Class::Text {
            return Err(Fault::new("Cannot write to this field"));
        }
        self.store(index, vec![text.to_owned()]);
        Ok(())
    }

    /// The key of lines that may be written.
    pub(super) fn metadata_lines(&self, key: &str) -> Result<usize, Fault> {
        let index = self.metadata_index(key)?;
        match Class::of(key) {
            Class::Lines => Ok(index),
            Class::Constant | Class::Text => Err(Fault::new("Cannot write to this field")),
        }
    }

    pub(super) fn put_metadata_lines(
        &mut self,
        index: usize,
        lines: Vec<String>,
    ) -> Result<(), Fault> {
        if lines.iter().map(String::len).sum::<usize>() > MAX_BYTES {
            return Err(Fault::new("Too much data for metadata"));
        }
        self.store(index, lines);
        Ok(())
    }

    fn store(&mut self, index: usize, lines: Vec<String>) {
        let change = self.next_change();
        self.metadata[index].set(lines, change);
    }
}
