//! [`Hardware`]: what the server asks of the FPGA behind it.

/// A register of a block. Instances count from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    pub block: &'a str,
    pub instance: usize,
    pub field: &'a str,
}

/// The value of a multiplexer of bits that selects none: always low.
pub const ZERO_BIT: u64 = 128;
/// Always high.
pub const ONE_BIT: u64 = 129;
/// The value of a multiplexer of positions that selects none.
pub const ZERO_POSITION: u64 = 32;

/// The bit bus at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    pub levels: u128,
    /// Bits that changed since the bus was read last, even if they changed back.
    pub changed: u128,
}

/// The position bus at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    pub values: [i32; 32],
    /// Positions that changed since the bus was read last.
    pub changed: u32,
}

/// What capture does, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureEvent {
    /// The first tick at which it is armed and enabled.
    Started {
        tick: u64,
    },
    Ended {
        tick: u64,
        reason: EndReason,
    },
}

/// Why a capture ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    Ok,
    Disarmed,
    FramingError,
    DriverDataOverrun,
}

/// A table was refused because as many as there is room for wait to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// More rows follow those of this write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    Follows,
    IsLast,
}

/// The FPGA of a box, on its clock of 8 ns. Deterministic, and never waits.
pub trait Hardware {
    /// Runs to `tick`; does nothing if that is past.
    fn run_until(&mut self, tick: u64);
    /// The first tick after now at which anything happens if nothing is written.
    fn next_event(&self) -> Option<u64>;
    fn write(&mut self, register: Register<'_>, value: u64);
    /// How many ticks later the input of a multiplexer follows what it selects.
    fn set_delay(&mut self, register: Register<'_>, ticks: u8);
    fn read(&mut self, register: Register<'_>) -> u32;
    fn bits(&mut self) -> Bits;
    fn positions(&mut self) -> Positions;
    /// Replaces the table; without words nothing is ready.
    fn set_table(&mut self, block: &str, instance: usize, words: &[u32]) -> Result<(), NoRoom>;
    /// Appends rows to a table that is used up row by row.
    fn append_table(
        &mut self,
        block: &str,
        instance: usize,
        words: &[u32],
        more: More,
    ) -> Result<(), NoRoom>;
    /// Words of a table that are not yet given back.
    fn queued_words(&self, block: &str, instance: usize) -> usize;
    /// Captures rows of the words that `capture` selects: `index << 4 | mode` for positions,
    /// `0x200 | index << 4` for all else.
    fn arm(&mut self, capture: &[u32]);
    fn disarm(&mut self);
    /// Moves the words of captured rows behind those in `rows`.
    fn take_rows(&mut self, rows: &mut Vec<u32>);
    /// What happened since it was asked last; rows before an end are there to be taken.
    fn take_event(&mut self) -> Option<CaptureEvent>;
}
