//! What the FPGA refuses.
use super::{TableError, Tick};

/// Why something that was asked of the FPGA was not done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FpgaError {
    #[error("there is no block {block}")]
    NoBlock { block: String },
    #[error("{block} is no input of the box")]
    NoInput { block: String },
    #[error("{block} has no field {field}")]
    NoField { block: String, field: String },
    #[error("{block}.{field} cannot be written with {value}: it is {rule}")]
    Value { block: String, field: String, value: i64, rule: String },
    #[error("PCAP captures, and what it captures cannot be changed meanwhile")]
    Capturing,
    #[error("a row of {words} words cannot be captured: {most} are the most")]
    LongRow { words: usize, most: usize },
    #[error("the table of {block} was not taken: {source}")]
    Table { block: String, source: TableError },
    #[error("encoder {number} cannot move so: {source}")]
    Encoder { number: usize, source: EncoderError },
    #[error("{block} has {held} levels ahead, and no more than {most} are held")]
    TooManyLevels { block: String, held: usize, most: usize },
}

/// Why an encoder cannot move as it was told.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum EncoderError {
    #[error("it would be at {value} counts, which 32 bits do not hold")]
    OutOfRange { value: i64 },
    #[error("a term of its motion reaches {term} counts")]
    RunsAway { term: f64 },
    #[error("it would move for {ticks} ticks, and {most} are the most")]
    TooLong { ticks: Tick, most: Tick },
    #[error("more than {most} pieces of motion are known ahead")]
    TooMany { most: usize },
    #[error("it would move at tick {start}, and tick {now} has come")]
    Past { start: Tick, now: Tick },
}
