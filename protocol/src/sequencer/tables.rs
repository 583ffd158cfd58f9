//! [`Tables`]: rows cut into what the hardware takes at a time.
use super::{MIN_PULSE_TICKS, Outputs, Repeats, Row, SequencerError, TICKS_PER_SECOND, Trigger};
use std::{
    iter::Peekable,
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

/// How the sequencer comes from one table to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffering {
    /// A second sequencer begins once the first has run out, which takes 6 ticks. What comes
    /// before a cut is made shorter by as much, in a dead time; the last table ends with a row that
    /// runs for ever, so that the other sequencer does not begin again.
    Double,
    /// Tables are appended while the sequencer runs, and it ends with the last.
    Streaming,
}

/// Where rows are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    max_rows: usize,
    long_enough_ticks: u64,
}

/// What is written at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub rows: Vec<Row>,
    /// Whether nothing follows.
    pub last: bool,
}

/// The tables of a scan, made when asked for; one is in memory at a time. After an error, nothing.
#[derive(Debug)]
pub struct Tables<I: Iterator<Item = Result<Row, SequencerError>>> {
    rows: Peekable<I>,
    buffering: Buffering,
    limits: TableLimits,
    /// Rows of the next table.
    table: Vec<Row>,
    ticks: u64,
    ended: bool,
}

/// From the end of one sequencer to the beginning of the other, ticks.
const SWITCH_TICKS: u32 = 6;
/// The shortest dead time in which one can be left for the other.
const LEAST_DEAD_TICKS: u32 = SWITCH_TICKS + 1;

impl TableLimits {
    /// The rows of a sequencer without streaming, and enough time to write the next table.
    pub const DOUBLE: Self = Self { max_rows: 4_096, long_enough_ticks: 15 * TICKS_PER_SECOND };
    /// The rows of one write to a sequencer that streams; enough time as above.
    pub const STREAMING: Self = Self { max_rows: 262_144, ..Self::DOUBLE };

    /// Tables of at most `max_rows`, and no more rows than it takes to run longer than
    /// `long_enough`.
    ///
    /// Fails unless it is 4 (so that there is room to switch) to 262,144 rows.
    pub fn new(max_rows: usize, long_enough: Duration) -> Result<Self, SequencerError> {
        let (least, most) = (4, Self::STREAMING.max_rows);
        if (least..=most).contains(&max_rows) {
            let ticks = long_enough.as_nanos() / 8;
            Ok(Self { max_rows, long_enough_ticks: u64::try_from(ticks).unwrap_or(u64::MAX) })
        } else {
            Err(SequencerError::TableSize { value: max_rows, least, most })
        }
    }

    /// The same, with no more rows than `max_rows`. Fails as [`new`](Self::new) does.
    pub fn with_at_most(self, max_rows: usize) -> Result<Self, SequencerError> {
        let Self { max_rows: rows, long_enough_ticks } = self;
        Ok(Self { long_enough_ticks, ..Self::new(rows.min(max_rows), Duration::ZERO)? })
    }

    /// Most rows of a table.
    pub const fn max_rows(&self) -> usize {
        self.max_rows
    }
}

impl Table {
    /// How long it runs without what it waits for, ticks.
    pub fn ticks(&self) -> u64 {
        ticks(&self.rows)
    }
}

impl<I> Tables<I>
where
    I: Iterator<Item = Result<Row, SequencerError>>,
{
    /// The tables of `rows`, in order.
    pub fn new(rows: I, buffering: Buffering, limits: TableLimits) -> Self {
        let (rows, table) = (rows.peekable(), vec![]);
        Self { rows, buffering, limits, table, ticks: 0, ended: false }
    }

    /// The next table, if what is there makes one although something follows.
    fn cut(&mut self) -> Result<Option<Table>, SequencerError> {
        let max_rows = self.limits.max_rows;
        let is_long = self.ticks > self.limits.long_enough_ticks;
        let rows = self.table.len();
        match self.buffering {
            Buffering::Streaming if is_long || rows == max_rows => Ok(Some(self.take(rows))),
            // A cut may need a row more.
            Buffering::Double if rows + 1 == max_rows => {
                let cut = (0..rows).rev().find_map(|index| self.switch_in(index));
                cut.map(Some).ok_or(SequencerError::NoSwitch { max_rows, least: LEAST_DEAD_TICKS })
            }
            Buffering::Double if is_long => Ok(self.switch_in(rows - 1)),
            Buffering::Streaming | Buffering::Double => Ok(None),
        }
    }

    /// The rows up to the last repeat of the row at `index`, if its dead time is long enough.
    fn switch_in(&mut self, index: usize) -> Option<Table> {
        let cut = Cut::new(&self.table[index]).filter(|cut| index > 0 || !cut.is_mere_wait())?;
        let mut rest = self.table.split_off(index + 1);
        self.table.pop();
        self.table.extend(cut.whole);
        self.table.push(cut.last);
        let rows = self.table.len();
        self.table.extend(cut.next);
        self.table.append(&mut rest);
        Some(self.take(rows))
    }

    fn take(&mut self, rows: usize) -> Table {
        let rest = self.table.split_off(rows);
        let rows = std::mem::replace(&mut self.table, rest);
        self.ticks = ticks(&self.table);
        Table { rows, last: false }
    }

    fn end(&mut self) -> Option<Table> {
        self.ended = true;
        let mut rows = std::mem::take(&mut self.table);
        if rows.is_empty() {
            return None;
        }
        match self.buffering {
            Buffering::Double => rows.push(Row::STOP),
            Buffering::Streaming => {}
        }
        Some(Table { rows, last: true })
    }
}

impl<I> Iterator for Tables<I>
where
    I: Iterator<Item = Result<Row, SequencerError>>,
{
    type Item = Result<Table, SequencerError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            if !self.table.is_empty() && self.rows.peek().is_some() {
                let cut = self.cut();
                self.ended = cut.is_err();
                if let Some(table) = cut.transpose() {
                    return Some(table);
                }
            }
            match self.rows.next() {
                Some(Ok(row)) => {
                    self.ticks = self.ticks.saturating_add(row.ticks());
                    self.table.push(row);
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => return self.end().map(Ok),
            }
        }
        None
    }
}

impl Row {
    /// Nothing, for ever.
    const STOP: Self = Self {
        repeats: Repeats::Forever,
        trigger: Trigger::Immediate,
        time1_ticks: MIN_PULSE_TICKS,
        outputs1: Outputs::NONE,
        time2_ticks: NonZeroU32::new(MIN_PULSE_TICKS).expect("not 0"),
        outputs2: Outputs::NONE,
    };

    /// The second phase without the time of a switch, if it is a dead time and long enough.
    fn without_switch(&self) -> Option<NonZeroU32> {
        let left = self.time2_ticks.get().checked_sub(SWITCH_TICKS)?;
        NonZeroU32::new(left).filter(|_| self.outputs2 == Outputs::NONE)
    }
}

/// A row divided in the dead time of its last repeat, which is shorter by the time of the switch.
struct Cut {
    /// All repeats but the last.
    whole: Option<Row>,
    /// What comes before the switch.
    last: Row,
    /// What comes after it, if the dead time is not at the end of the row.
    next: Option<Row>,
}

impl Cut {
    fn new(row: &Row) -> Option<Self> {
        let Repeats::Times(times) = row.repeats else { return None };
        let whole = NonZeroU16::new(times.get() - 1);
        let whole = whole.map(|times| Row { repeats: Repeats::Times(times), ..*row });
        let once = Row { repeats: Repeats::ONCE, ..*row };
        if let Some(time2_ticks) = row.without_switch() {
            return Some(Self { whole, last: Row { time2_ticks, ..once }, next: None });
        }
        if row.trigger != Trigger::Immediate || row.outputs1 != Outputs::NONE {
            return None;
        }
        // The dead time comes first: it is divided in its middle, if that leaves enough.
        let part = (row.time1_ticks / 2).max(LEAST_DEAD_TICKS);
        let time1_ticks = row.time1_ticks.checked_sub(part)?;
        let time2_ticks = NonZeroU32::new(part - SWITCH_TICKS)?;
        let last = Row { time1_ticks: 0, time2_ticks, outputs2: Outputs::NONE, ..once };
        Some(Self { whole, last, next: Some(Row { time1_ticks, ..once }) })
    }

    /// Whether what follows is the row itself, only begun later.
    fn is_mere_wait(&self) -> bool {
        self.whole.is_none() && self.next.is_some()
    }
}

fn ticks(rows: &[Row]) -> u64 {
    rows.iter().map(Row::ticks).fold(0, u64::saturating_add)
}
