//! [`FileLayout`]: how the columns of a capture lie in its file.
use super::ArmPlan;
use crate::storage::{Attribute, ColumnPlan, Element, JournalPlan, Kind, StreamPlan};
use bluefly_protocol::panda::{
    Capture,
    data::Header,
    scaling::{Column, Columns, ScalingError},
};
use std::path::PathBuf;

/// Rows per chunk: 128 KiB of doubles.
pub const CHUNK_ROWS: usize = 16_384;
/// The group of what became of each arm.
pub const JOURNAL: &str = "/entry/arms";
/// The group of the columns.
const DATA: &str = "/entry/data";

/// Room for the text of each field of the journal.
pub(super) const REASON_BYTES: usize = 64;
pub(super) const TIME_BYTES: usize = 40;
pub(super) const PROBLEMS_BYTES: usize = 512;

/// What rows become in the file, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct FileLayout {
    row_bytes: usize,
    columns: Vec<Column>,
}

/// A column of the file. It is named as users of PandA know it: `COUNTER1.OUT.Mean`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileColumn {
    /// As the server tells of it.
    pub field: String,
    pub capture: Capture,
    pub units: Option<String>,
    /// It is a word of the bit bus, not a number.
    pub is_bits: bool,
}

impl FileLayout {
    pub(super) fn of(header: &Header, plan: &ArmPlan) -> Result<Self, ScalingError> {
        let columns = Columns::of(header)?;
        let columns = match &plan.asked {
            Some(asked) => columns.only(asked),
            None => columns,
        };
        Ok(Self { row_bytes: columns.row_bytes(), columns: columns.columns().to_vec() })
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(super) const fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    pub(super) fn elements(&self) -> Vec<Element> {
        self.file_columns().iter().map(FileColumn::element).collect()
    }

    /// As they are in a file.
    pub(super) fn file_columns(&self) -> Vec<FileColumn> {
        self.columns.iter().map(FileColumn::of).collect()
    }

    /// In the order of a file; what it does not have comes last, once.
    pub(super) fn arranged(mut self, file: &[FileColumn]) -> Self {
        let mut arranged: Vec<Column> = Vec::with_capacity(file.len());
        let is = |column: &Column, field: &str, capture: &Capture| {
            column.name == field && column.capture == *capture
        };
        let theirs = file.iter().map(|known| (known.field.clone(), known.capture.clone()));
        let rest: Vec<_> =
            self.columns.iter().map(|own| (own.name.clone(), own.capture.clone())).collect();
        for (field, capture) in theirs.chain(rest) {
            if arranged.iter().any(|column| is(column, &field, &capture)) {
                continue;
            }
            let found = self.columns.iter().find(|column| is(column, &field, &capture));
            arranged.extend(found.cloned());
        }
        self.columns = arranged;
        self
    }
}

impl FileColumn {
    fn of(column: &Column) -> Self {
        Self {
            field: column.name.clone(),
            capture: column.capture.clone(),
            units: column.units.clone(),
            is_bits: column.bits().is_some(),
        }
    }

    /// Where it is in the file.
    pub fn dataset(&self) -> String {
        format!("{DATA}/{}", self.name())
    }

    fn name(&self) -> String {
        format!("{}.{}", self.field, self.capture)
    }

    const fn element(&self) -> Element {
        if self.is_bits { Element::U32 } else { Element::F64 }
    }

    fn describe(&self) -> String {
        let name = self.name();
        match &self.units {
            _ if self.is_bits => format!("{name} (bits)"),
            Some(units) => format!("{name} in {units}"),
            None => format!("{name} without a unit"),
        }
    }

    fn plan(&self) -> ColumnPlan {
        let plan = ColumnPlan {
            element: self.element(),
            rows_per_chunk: CHUNK_ROWS as u64,
            ..ColumnPlan::number(self.dataset())
        };
        let plan = plan.with_attribute("capture", Attribute::Text(self.capture.to_string()));
        plan.with_units(self.units.clone().unwrap_or_default())
    }
}

/// What is different of the columns of an arm, whose rows are to go into the file.
pub(super) fn difference(file: &[FileColumn], now: &[FileColumn]) -> Option<String> {
    let pairs = file.iter().map(FileColumn::describe).zip(now.iter().map(FileColumn::describe));
    let differs = pairs.enumerate().find(|(_, (file, now))| file != now);
    if let Some((i, (file, now))) = differs {
        return Some(format!("column {i} is {file} in the file and {now} now"));
    }
    let more = |longer: &[FileColumn], shorter: &[FileColumn], where_: &str| {
        let first = longer.get(shorter.len())?.describe();
        Some(format!("{first} is captured {where_}"))
    };
    more(file, now, "in the file and not now")
        .or_else(|| more(now, file, "now and is not in the file"))
}

/// A file of these columns, which tells what became of each arm.
pub fn stream_plan(columns: &[FileColumn], path: PathBuf, run_uid: Option<String>) -> StreamPlan {
    let columns = columns.iter().map(FileColumn::plan).collect();
    StreamPlan { path, run_uid, columns, journal: Some(journal()) }
}

fn journal() -> JournalPlan {
    let text = |max_bytes| Kind::Text { max_bytes };
    let fields = [
        ("first_row", Kind::Integer),
        ("rows", Kind::Integer),
        ("received", Kind::Integer),
        ("spoilt", Kind::Integer),
        ("missed", Kind::Integer),
        ("sent", Kind::Integer),
        ("captured", Kind::Integer),
        ("expected", Kind::Integer),
        ("end_reason", text(REASON_BYTES)),
        ("health", text(REASON_BYTES)),
        ("arm_time", text(TIME_BYTES)),
        ("start_time", text(TIME_BYTES)),
        ("problems", text(PROBLEMS_BYTES)),
    ];
    let fields = fields.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
    JournalPlan { group: JOURNAL.to_owned(), fields }
}
