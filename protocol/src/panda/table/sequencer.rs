//! Rows of the blocks SEQ and PGEN.
use crate::sequencer::{
    BitInput, Bus, Counts, Level, Output, Outputs, Repeats, Row, Sense, Trigger,
};
use std::num::{NonZeroU16, NonZeroU32};

const ROW_WORDS: usize = 4;

/// Words that are no rows of a sequencer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequencerRowError {
    #[error("{words} words are no whole rows of {ROW_WORDS}")]
    Words { words: usize },
    #[error("row {row} of a sequencer waits for trigger {code}: they are 0 to 12")]
    Trigger { row: usize, code: u32 },
}

/// The words of a table of a SEQ.
pub fn sequencer_words(rows: &[Row]) -> Vec<u32> {
    rows.iter().flat_map(Row::words).collect()
}

/// The words of a table of a PGEN: a position each.
pub fn pattern_words(positions: &[Counts]) -> Vec<u32> {
    positions.iter().map(|position| position.0.cast_unsigned()).collect()
}

/// The rows that a SEQ runs if it is given these words.
///
/// A second phase of no ticks lasts one tick, and a position without a comparison says nothing, so
/// that different words may be the same row.
pub fn read_sequencer_rows(words: &[u32]) -> Result<Vec<Row>, SequencerRowError> {
    let (rows, rest) = words.as_chunks::<ROW_WORDS>();
    if !rest.is_empty() {
        return Err(SequencerRowError::Words { words: words.len() });
    }
    let read =
        |(row, words)| read_row(words).map_err(|code| SequencerRowError::Trigger { row, code });
    rows.iter().enumerate().map(read).collect()
}

fn read_row(&[head, position, time1_ticks, time2]: &[u32; ROW_WORDS]) -> Result<Row, u32> {
    let code = head >> 16 & 0xF;
    let trigger = read_trigger(code, Counts(position.cast_signed())).ok_or(code)?;
    let repeats = NonZeroU16::new(head as u16).map_or(Repeats::Forever, Repeats::Times);
    let time2_ticks = NonZeroU32::new(time2).unwrap_or(NonZeroU32::MIN);
    let (outputs1, outputs2) = (read_outputs(head >> 20), read_outputs(head >> 26));
    Ok(Row { repeats, trigger, time1_ticks, outputs1, time2_ticks, outputs2 })
}

fn read_trigger(code: u32, position: Counts) -> Option<Trigger> {
    let bit = |input, level| Trigger::Bit { input, level };
    let compare = |bus, sense| Trigger::Position { bus, sense, position };
    Some(match code {
        0 => Trigger::Immediate,
        1 => bit(BitInput::A, Level::Low),
        2 => bit(BitInput::A, Level::High),
        3 => bit(BitInput::B, Level::Low),
        4 => bit(BitInput::B, Level::High),
        5 => bit(BitInput::C, Level::Low),
        6 => bit(BitInput::C, Level::High),
        7 => compare(Bus::A, Sense::Rising),
        8 => compare(Bus::A, Sense::Falling),
        9 => compare(Bus::B, Sense::Rising),
        10 => compare(Bus::B, Sense::Falling),
        11 => compare(Bus::C, Sense::Rising),
        12 => compare(Bus::C, Sense::Falling),
        _ => return None,
    })
}

fn read_outputs(bits: u32) -> Outputs {
    let all = [Output::A, Output::B, Output::C, Output::D, Output::E, Output::F];
    let high = all.into_iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
    high.fold(Outputs::NONE, |outputs, (_, output)| outputs | output.into())
}
