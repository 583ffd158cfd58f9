//! [`Stream`]: the tables of a scan that are yet to be made.
use crate::clock::Clock;
use bluefly_protocol::sequencer::{Row, SequencerError, Table, Tables};

/// Rows of a scan, made when asked for.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row, SequencerError>> + Send>;

/// Tables yet to be given, and the rows of those that were given last.
pub(super) struct Stream {
    tables: Option<Tables<Rows>>,
    /// Rows of the latest tables, of which the PandA should hold as many at least.
    latest: [u64; AHEAD],
}

/// Tables that are to wait behind the one that is run.
const AHEAD: usize = 2;

impl Stream {
    pub(super) fn new(tables: Tables<Rows>) -> Self {
        Self { tables: Some(tables), latest: [0; AHEAD] }
    }

    /// Whether a PandA that holds so many rows is to be given the next table.
    pub(super) fn is_wanted(&self, held_rows: u64) -> bool {
        self.tables.is_some() && held_rows <= self.latest.iter().sum()
    }

    /// Whether there is no more.
    pub(super) const fn is_over(&self) -> bool {
        self.tables.is_none()
    }

    /// The next table; none if there is no more.
    pub(super) async fn next(&mut self, clock: &Clock) -> Option<Result<Table, SequencerError>> {
        let mut tables = self.tables.take()?;
        let (table, tables) = clock.foreign(move || (tables.next(), tables)).await;
        if let Some(Ok(table)) = &table {
            self.latest.rotate_left(1);
            self.latest[AHEAD - 1] = table.rows.len() as u64;
            self.tables = (!table.last).then_some(tables);
        }
        table
    }
}
