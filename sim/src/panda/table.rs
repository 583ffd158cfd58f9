//! [`Table`]: a table of a block, and what writes do to it.
use super::{
    base64,
    catalogue::{Column, Place},
    fault::Fault,
    fpga::{BlockId, Follows, FpgaError},
    number,
    panel::Panel,
    server::ConnectionId,
};

/// Words that one write may have: a buffer of the driver of 4 MiB.
pub(super) const MAX_WORDS: usize = (4_096 << 10) / 4;
/// Bytes of a line of base64 that is read.
const BASE64_LINE: usize = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableMode {
    Init,
    Fixed,
    Streaming,
    StreamingLast,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) row_words: usize,
    pub(super) mode: TableMode,
    /// What can be read back.
    pub(super) words: Vec<u32>,
    pub(super) changed: u64,
    /// Who is about to write it.
    pub(super) writer: Option<ConnectionId>,
}

/// How a write begins, behind the `<`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WriteForm {
    pub(super) write: Write,
    pub(super) encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Replace,
    Append(Follows),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Decimal,
    Base64,
}

impl TableMode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Fixed => "FIXED",
            Self::Streaming => "STREAMING",
            Self::StreamingLast => "STREAMING_LAST",
        }
    }
}

impl WriteForm {
    /// What stands behind the first `<` of a line.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let (write, rest) = match text.strip_prefix('<') {
            None => (Write::Replace, text),
            Some(behind) => match behind.strip_prefix('|') {
                None => (Write::Append(Follows::More), behind),
                Some(behind) => (Write::Append(Follows::Nothing), behind),
            },
        };
        let encoding = match rest {
            "" => Encoding::Decimal,
            "B" => Encoding::Base64,
            _ => return Err(Fault::UNEXPECTED_CHARACTER),
        };
        Ok(Self { write, encoding })
    }
}

impl Encoding {
    /// Appends the words of a line.
    pub(super) fn decode(self, line: &str, words: &mut Vec<u32>) -> Result<(), Fault> {
        match self {
            Self::Base64 => words.extend(base64::decode_words(line)?),
            Self::Decimal => {
                let mut rest = line.trim_start_matches(number::is_blank);
                while !rest.is_empty() {
                    let (word, behind) = number::leading_unsigned(rest)?;
                    words.push(word as u32);
                    rest = behind.trim_start_matches(number::is_blank);
                }
            }
        }
        if words.len() > MAX_WORDS { Err(Fault::new("Too much data for table")) } else { Ok(()) }
    }
}

impl Table {
    pub(super) fn new(columns: &[Column]) -> Self {
        let last_bit = |column: &Column| column.bits.split(':').next()?.parse::<usize>().ok();
        let row_words = columns.iter().filter_map(last_bit).max().unwrap_or(0) / 32 + 1;
        Self { row_words, mode: TableMode::Init, words: Vec::new(), changed: 1, writer: None }
    }

    /// The mode after such a write; whether it may be.
    fn mode_after(&self, write: Write, is_empty: bool) -> Result<TableMode, Fault> {
        let more = match write {
            Write::Replace if is_empty => return Ok(TableMode::Init),
            Write::Replace => {
                return match self.mode {
                    TableMode::Init | TableMode::Fixed => Ok(TableMode::Fixed),
                    TableMode::Streaming | TableMode::StreamingLast => {
                        Err(Fault::new("Table is in streaming mode"))
                    }
                };
            }
            Write::Append(more) => more,
        };
        match (self.mode, more) {
            (TableMode::StreamingLast, _) => Err(Fault::new("Last streaming table was sent")),
            _ if is_empty => Err(Fault::new("Streaming table must have data")),
            // The server forgets that this is the last one, although it tells the hardware.
            (TableMode::Fixed, _) | (_, Follows::More) => Ok(TableMode::Streaming),
            (TableMode::Init | TableMode::Streaming, Follows::Nothing) => {
                Ok(TableMode::StreamingLast)
            }
        }
    }

    /// Line by line as decimal numbers.
    pub(super) fn lines(&self) -> Vec<String> {
        self.words.iter().map(u32::to_string).collect()
    }

    pub(super) fn base64_lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let line = |part: &[u8]| {
            let mut line = Vec::new();
            base64::encode(part, &mut line);
            line.into_iter().map(char::from).collect()
        };
        bytes.chunks(BASE64_LINE).map(line).collect()
    }
}

impl Panel {
    pub(super) fn table(&self, place: Place) -> Option<&Table> {
        self.tables.get(&self.catalogue.slot(place))
    }

    pub(super) fn table_mut(&mut self, place: Place) -> Option<&mut Table> {
        self.tables.get_mut(&self.catalogue.slot(place))
    }

    /// Writes what was sent for a table; what it holds stays as it is if that is refused.
    pub(super) fn write_table(
        &mut self,
        place: Place,
        write: Write,
        words: Vec<u32>,
    ) -> Result<(), Fault> {
        let Some(table) = self.tables.get(&self.catalogue.slot(place)) else {
            return Err(Fault::new("Field is not a table"));
        };
        let mode = table.mode_after(write, words.is_empty())?;
        if !words.len().is_multiple_of(table.row_words) {
            return Err(Fault::new("Table write is not a whole number of rows"));
        }
        let was_fixed = table.mode == TableMode::Fixed;
        if let Some(block) = self.fpga_block(place) {
            let written = self.hand_to_driver(block, write, &words, was_fixed);
            written
                .map_err(|error| Fault::owned(format!("Unexpected error at driver: {error}")))?;
        }
        let change = self.next_change();
        if let Some(table) = self.table_mut(place) {
            table.mode = mode;
            table.words = if write == Write::Replace { words } else { Vec::new() };
            table.changed = change;
        }
        Ok(())
    }

    fn hand_to_driver(
        &mut self,
        block: BlockId,
        write: Write,
        words: &[u32],
        was_fixed: bool,
    ) -> Result<(), FpgaError> {
        let follows = match write {
            Write::Replace => Follows::Nothing,
            Write::Append(follows) => follows,
        };
        if write == Write::Replace || was_fixed {
            self.fpga.clear_table(block)?;
        }
        if words.is_empty() { Ok(()) } else { self.fpga.write_table(block, words, follows) }
    }

    /// Rows handed to the driver that it has not released yet.
    pub(super) fn queued_rows(&mut self, place: Place) -> u64 {
        let row_words = self.table(place).map_or(1, |table| table.row_words);
        let words = self.fpga_block(place).map_or(0, |block| self.fpga.queued_words(block));
        let queued = (words / row_words) as u64;
        if self.slot(place).queued_rows.value != queued {
            let change = self.next_change();
            self.slot_mut(place).queued_rows.set(queued, change);
        }
        queued
    }
}
