//! [`Pages`]: where in the file the rows of a run are.
use super::line::{Line, Lines};
use bluefly_protocol::api::Columns;
use serde::Deserialize;
use std::{collections::BTreeMap, fs::File, io, ops::Range};

/// Marks that are kept of one run: whatever is between two of them is looked through.
const MAX_MARKS: usize = 2_048;
/// Bytes from one mark to the next, as long as there are few.
const FIRST_SPACING: u64 = 1 << 16;

/// Some of the event pages of a run: as many as a bounded memory allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pages {
    /// First row and place of a page, both rising.
    marks: Vec<(u64, u64)>,
    spacing: u64,
    rows: u64,
}

impl Default for Pages {
    fn default() -> Self {
        Self { marks: Vec::new(), spacing: FIRST_SPACING, rows: 0 }
    }
}

impl Pages {
    /// Takes in the page at `at`.
    pub(super) fn note(&mut self, at: u64, seq_num: &[u64]) {
        let (Some(first), Some(last)) = (seq_num.first(), seq_num.last()) else { return };
        self.rows = self.rows.max(*last);
        if self.marks.last().is_some_and(|(_, marked)| at < marked + self.spacing) {
            return;
        }
        self.marks.push((first.saturating_sub(1), at));
        if self.marks.len() > MAX_MARKS {
            self.spacing *= 2;
            let mut kept = 0;
            self.marks.retain(|_| {
                kept += 1;
                kept % 2 == 1
            });
        }
    }

    /// All pages between two offsets.
    pub(super) fn read(file: File, start: u64, end: u64) -> io::Result<Self> {
        let (mut lines, mut pages) = (Lines::new(file, start, end)?, Self::default());
        while let Some((at, line)) = lines.next()? {
            if line.starts_with(PAGE)
                && let Some(Line::EventPage { seq_num, .. }) = Line::parse(line)
            {
                pages.note(at, &seq_num);
            }
        }
        Ok(pages)
    }

    /// Where to begin to look for `row`.
    fn before(&self, row: u64) -> Option<u64> {
        let after = self.marks.partition_point(|(first, _)| *first <= row);
        self.marks.get(after.saturating_sub(1)).map(|(_, at)| *at)
    }

    /// The values of `rows`, as far as there are rows, from the pages before `end`.
    pub(super) fn columns(&self, file: File, end: u64, rows: Range<u64>) -> io::Result<Columns> {
        let rows = rows.start..rows.end.min(self.rows);
        let mut found = Columns::default();
        let Some(at) = self.before(rows.start).filter(|_| !rows.is_empty()) else {
            return Ok(found);
        };
        let mut lines = Lines::new(file, at, end)?;
        while let Some((_, line)) = lines.next()? {
            if !line.starts_with(PAGE) {
                continue;
            }
            let Ok(Named { doc: page }) = serde_json::from_slice(line) else { continue };
            let Some(first) = page.seq_num.first().map(|number| number.saturating_sub(1)) else {
                continue;
            };
            if first >= rows.end {
                break;
            }
            page.add_to(&mut found, first, &rows);
        }
        Ok(found)
    }
}

/// How the line of an event page begins.
const PAGE: &[u8] = b"{\"name\":\"event_page\"";

#[derive(Deserialize)]
struct Named {
    doc: Page,
}

#[derive(Deserialize)]
struct Page {
    seq_num: Vec<u64>,
    time: Vec<f64>,
    data: BTreeMap<String, Vec<f64>>,
    timestamps: BTreeMap<String, Vec<f64>>,
}

impl Page {
    /// Adds those rows of the page, whose first is `first`, that are in `rows`.
    fn add_to(self, found: &mut Columns, first: u64, rows: &Range<u64>) {
        let part = |column: &[f64]| {
            let end = rows.end.saturating_sub(first).min(column.len() as u64);
            let start = rows.start.saturating_sub(first).min(end);
            column[start as usize..end as usize].to_vec()
        };
        found.time.extend(part(&self.time));
        for (into, from) in [(&mut found.data, self.data), (&mut found.timestamps, self.timestamps)]
        {
            for (key, column) in from {
                into.entry(key).or_default().extend(part(&column));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_few_however_long_a_run_is() {
        let mut pages = Pages::default();
        for page in 0..1_000_000_u64 {
            pages.note(page * 100_000, &[page * 10 + 1, page * 10 + 10]);
        }
        assert!(pages.marks.len() <= MAX_MARKS && pages.marks.len() >= MAX_MARKS / 2 - 1);
        assert_eq!(pages.rows, 10_000_000);
        for row in [0, 1, 9, 10, 4_999_999, 9_999_999] {
            let at = pages.before(row).expect("there is a page");
            let page = row / 10 * 100_000;
            assert!(at <= page && page - at < 2 * pages.spacing, "row {row} at {at}");
        }
        assert_eq!(Pages::default().before(3), None);
    }
}
