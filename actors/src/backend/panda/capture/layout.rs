//! [`FileLayout`]: how the columns of a capture lie in its file.
use super::ArmPlan;
use crate::storage::{Attribute, ColumnPlan, Element, JournalPlan, Kind, StreamPlan};
use bluefly_protocol::panda::{
    data::Header,
    scaling::{Column, Columns, ScalingError},
};
use std::path::PathBuf;

/// Rows per chunk: 128 KiB of doubles.
pub(super) const CHUNK_ROWS: usize = 16_384;
/// The group of what became of each arm.
pub const JOURNAL: &str = "/entry/arms";
/// The group of the columns.
const DATA: &str = "/entry/data";

/// Room for the text of each field of the journal.
pub(super) const REASON_BYTES: usize = 64;
pub(super) const TIME_BYTES: usize = 40;
pub(super) const PROBLEMS_BYTES: usize = 512;

/// What rows become in the file. Columns are named as users of PandA know them: `COUNTER1.OUT.Mean`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileLayout {
    columns: Columns,
}

impl FileLayout {
    pub(super) fn of(header: &Header, plan: &ArmPlan) -> Result<Self, ScalingError> {
        let columns = Columns::of(header)?;
        let columns = match &plan.asked {
            Some(asked) => columns.only(asked),
            None => columns,
        };
        Ok(Self { columns })
    }

    pub(super) fn columns(&self) -> &[Column] {
        self.columns.columns()
    }

    pub(super) const fn row_bytes(&self) -> usize {
        self.columns.row_bytes()
    }

    pub(super) fn elements(&self) -> Vec<Element> {
        self.columns().iter().map(element).collect()
    }

    /// What is different of `other`, whose rows are to go behind these.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (self.columns(), other.columns());
        let pairs = ours.iter().map(describe).zip(theirs.iter().map(describe));
        let differs = pairs.enumerate().find(|(_, (ours, theirs))| ours != theirs);
        if let Some((i, (ours, theirs))) = differs {
            return Some(format!("column {i} is {ours} in the file and {theirs} now"));
        }
        let more = |longer: &[Column], shorter: &[Column], where_: &str| {
            let first = longer.get(shorter.len()).map(describe)?;
            Some(format!("{first} is captured {where_}"))
        };
        more(ours, theirs, "in the file and not now")
            .or_else(|| more(theirs, ours, "now and is not in the file"))
    }

    /// The file of these columns.
    pub(super) fn plan(&self, path: PathBuf, run_uid: Option<String>) -> StreamPlan {
        let columns = self.columns().iter().map(plan_column).collect();
        StreamPlan { path, run_uid, columns, journal: Some(journal()) }
    }
}

fn name(column: &Column) -> String {
    format!("{}.{}", column.name, column.capture)
}

fn element(column: &Column) -> Element {
    if column.bits().is_some() { Element::U32 } else { Element::F64 }
}

fn describe(column: &Column) -> String {
    let name = name(column);
    match (&column.units, column.bits()) {
        (_, Some(_)) => format!("{name} (bits)"),
        (Some(units), None) => format!("{name} in {units}"),
        (None, None) => format!("{name} without a unit"),
    }
}

fn plan_column(column: &Column) -> ColumnPlan {
    let plan = ColumnPlan {
        element: element(column),
        rows_per_chunk: CHUNK_ROWS as u64,
        ..ColumnPlan::number(format!("{DATA}/{}", name(column)))
    };
    let plan = plan.with_attribute("capture", Attribute::Text(column.capture.to_string()));
    match &column.units {
        Some(units) => plan.with_units(units.clone()),
        None => plan,
    }
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
