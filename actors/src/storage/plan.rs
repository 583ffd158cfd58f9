//! What a stream file holds ([`StreamPlan`]) and what is appended to it ([`Rows`]).
use super::{error::StorageError, journal::JournalPlan};
use std::path::PathBuf;

/// One stream file: where it is and which columns it holds. Row `i` of every column belongs to
/// exposure `i` of the run: to frame `i`, if there is one exposure in each.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamPlan {
    /// The file to create. It must not exist.
    pub path: PathBuf,
    /// UID of the run, kept as the attribute `run_uid` of `/entry`, if it is known.
    pub run_uid: Option<String>,
    /// At least one; [`Rows::columns`] has the same order.
    pub columns: Vec<ColumnPlan>,
    /// What is told of the stream as it goes on, beside its rows.
    pub journal: Option<JournalPlan>,
}

/// One dataset of a stream file, extensible along its first dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnPlan {
    /// Absolute path of the dataset: `/entry/data/x`. `/entry` is an `NXentry`, the groups within
    /// it are `NXdata`; `/entry/bluefly` is taken.
    pub dataset: String,
    pub element: Element,
    /// Shape of one row: `[]` for a number, `[height, width]` for an image.
    pub row_shape: Vec<u64>,
    /// Rows per chunk: 1 for images, 1,024 to 16,384 for numbers.
    pub rows_per_chunk: u64,
    pub attributes: Vec<(String, Attribute)>,
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Text(String),
    Texts(Vec<String>),
    Integer(i64),
    Float(f64),
}

/// Rows `first_index..` of every column of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Index in the run of the first of these rows.
    pub first_index: u64,
    /// In the order of the plan; a row of an image column is its pixels, line by line.
    pub columns: Vec<ColumnData>,
}

macro_rules! elements {
    ($($variant:ident $native:ty, $fill:expr;)*) => {
        /// Type of one number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Element {
            $($variant,)*
        }

        /// Numbers of one type.
        #[derive(Clone, Debug)]
        pub enum ColumnData {
            $($variant(Vec<$native>),)*
        }

        impl Element {
            /// Size of one number in bytes.
            pub const fn bytes(self) -> u64 {
                match self {
                    $(Self::$variant => size_of::<$native>() as u64,)*
                }
            }
        }

        impl ColumnData {
            /// Nothing, of type `element`.
            pub(super) fn empty(element: Element) -> Self {
                match element {
                    $(Element::$variant => Self::$variant(Vec::new()),)*
                }
            }

            pub const fn element(&self) -> Element {
                match self {
                    $(Self::$variant(_) => Element::$variant,)*
                }
            }

            /// How many numbers.
            pub fn len(&self) -> usize {
                match self {
                    $(Self::$variant(values) => values.len(),)*
                }
            }

            /// Puts `data` at `offset` (in numbers); what lies between the end and `offset` becomes
            /// the fill value: NaN for floats, 0 for integers.
            pub(super) fn put(&mut self, offset: usize, data: &Self) {
                match (self, data) {
                    $((Self::$variant(values), Self::$variant(data)) => {
                        let end = offset + data.len();
                        if values.len() < end {
                            values.resize(end, $fill);
                        }
                        values[offset..end].copy_from_slice(data);
                    })*
                    _ => unreachable!("rows are checked against their plan before they are sent"),
                }
            }
        }

        impl PartialEq for ColumnData {
            /// Equal types and equal bits: NaN equals NaN, since it marks a missing value.
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$variant(left), Self::$variant(right)) => {
                        left.len() == right.len()
                            && left.iter().zip(right).all(|(left, right)| {
                                left.to_ne_bytes() == right.to_ne_bytes()
                            })
                    })*
                    _ => false,
                }
            }
        }
    };
}

elements! {
    F64 f64, f64::NAN;
    F32 f32, f32::NAN;
    U8 u8, 0;
    U16 u16, 0;
    U32 u32, 0;
    U64 u64, 0;
    I32 i32, 0;
    I64 i64, 0;
}

impl ColumnData {
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.len() as u64 * self.element().bytes()
    }
}

impl ColumnPlan {
    /// A column of one `f64` per frame.
    pub fn number(dataset: impl Into<String>) -> Self {
        Self {
            dataset: dataset.into(),
            element: Element::F64,
            row_shape: Vec::new(),
            rows_per_chunk: 1_024,
            attributes: Vec::new(),
        }
    }

    /// A column of one image per frame, one image per chunk.
    pub fn image(dataset: impl Into<String>, element: Element, [height, width]: [u64; 2]) -> Self {
        Self {
            dataset: dataset.into(),
            element,
            row_shape: vec![height, width],
            rows_per_chunk: 1,
            attributes: Vec::new(),
        }
    }

    /// The same with one attribute more.
    pub fn with_attribute(mut self, name: impl Into<String>, value: Attribute) -> Self {
        self.attributes.push((name.into(), value));
        self
    }

    /// The same with the attribute `units`.
    pub fn with_units(self, units: impl Into<String>) -> Self {
        self.with_attribute("units", Attribute::Text(units.into()))
    }

    /// Numbers in one row.
    pub fn row_len(&self) -> u64 {
        self.row_shape.iter().fold(1, |len: u64, size| len.saturating_mul(*size))
    }

    /// Size of one chunk.
    pub fn chunk_bytes(&self) -> u64 {
        self.row_len().saturating_mul(self.rows_per_chunk).saturating_mul(self.element.bytes())
    }

    fn check(&self) -> Result<(), String> {
        let name = &self.dataset;
        let parts: Vec<&str> = name.split('/').collect();
        let is_ours = matches!(parts[..], ["", "entry", group, _, ..] if group != "bluefly");
        if !is_ours || parts[1..].iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(format!("dataset {name:?} is not of the form /entry/group/name"));
        }
        if self.row_len() == 0 || self.rows_per_chunk == 0 {
            return Err(format!("dataset {name}: a row or a chunk is empty"));
        }
        // A limit of the format: sizes of chunks are kept in 32 bits.
        if self.chunk_bytes() >= 1 << 32 {
            return Err(format!("dataset {name}: a chunk is limited to 4 GiB"));
        }
        Ok(())
    }
}

impl StreamPlan {
    /// Fails with [`StorageError::Unusable`] and the reason if no file can be made of the plan.
    pub fn check(&self) -> Result<(), StorageError> {
        let unusable = |reason| StorageError::Unusable { path: self.path.clone(), reason };
        if self.columns.is_empty() {
            return Err(unusable("a stream has at least one column".to_owned()));
        }
        if let Some(journal) = &self.journal {
            journal.check(&self.columns).map_err(unusable)?;
        }
        for (i, column) in self.columns.iter().enumerate() {
            column.check().map_err(unusable)?;
            let name = &column.dataset;
            if self.columns[..i].iter().any(|earlier| earlier.dataset == *name) {
                return Err(unusable(format!("dataset {name} is there twice")));
            }
        }
        Ok(())
    }

    /// How many rows `rows` has. Fails with [`StorageError::Mismatch`] if they do not fit the plan.
    pub fn num_rows(&self, rows: &Rows) -> Result<u64, StorageError> {
        let mismatch = |reason| StorageError::Mismatch { path: self.path.clone(), reason };
        let (wanted, given) = (self.columns.len(), rows.columns.len());
        if wanted != given {
            return Err(mismatch(format!("{given} columns given, {wanted} planned")));
        }
        let num_rows = rows.columns[0].len() as u64 / self.columns[0].row_len();
        for (column, data) in self.columns.iter().zip(&rows.columns) {
            let name = &column.dataset;
            if data.element() != column.element {
                let (given, planned) = (data.element(), column.element);
                return Err(mismatch(format!("{name}: {given:?} given, {planned:?} planned")));
            }
            if data.len() as u64 != num_rows * column.row_len() {
                let (given, row_len) = (data.len(), column.row_len());
                return Err(mismatch(format!(
                    "{name}: {given} numbers, {num_rows} x {row_len} due"
                )));
            }
        }
        match rows.first_index.checked_add(num_rows) {
            Some(end) if end < 1 << 48 => Ok(num_rows),
            _ => Err(mismatch(format!("first index {} is out of range", rows.first_index))),
        }
    }
}

impl Rows {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.columns.iter().map(ColumnData::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(columns: Vec<ColumnPlan>) -> StreamPlan {
        let run_uid = Some("run".to_owned());
        StreamPlan { path: "a.h5".into(), run_uid, columns, journal: None }
    }

    #[track_caller]
    fn check_plan(columns: Vec<ColumnPlan>, reason: &str) {
        let reason = reason.to_owned();
        let expected = StorageError::Unusable { path: "a.h5".into(), reason };
        assert_eq!(plan(columns).check(), Err(expected));
    }

    fn image(size: [u64; 2]) -> ColumnPlan {
        ColumnPlan::image("/entry/camera/data", Element::U16, size)
    }

    #[test]
    fn unusable_plans_are_refused() {
        let form = |name: &str| format!("dataset {name:?} is not of the form /entry/group/name");
        check_plan(vec![], "a stream has at least one column");
        for name in ["", "x", "/entry/x", "/data/group/x", "entry/data/x", "/entry//x"] {
            check_plan(vec![ColumnPlan::number(name)], &form(name));
        }
        for name in ["/entry/data/", "/entry/../x", "/entry/bluefly/committed"] {
            check_plan(vec![ColumnPlan::number(name)], &form(name));
        }
        let x = ColumnPlan::number("/entry/data/x");
        assert_eq!(plan(vec![x.clone()]).check(), Ok(()));
        check_plan(vec![x.clone(), x.clone()], "dataset /entry/data/x is there twice");
        let empty = ColumnPlan { rows_per_chunk: 0, ..x };
        check_plan(vec![empty], "dataset /entry/data/x: a row or a chunk is empty");
        check_plan(vec![image([0, 3])], "dataset /entry/camera/data: a row or a chunk is empty");
        let large = "dataset /entry/camera/data: a chunk is limited to 4 GiB";
        check_plan(vec![image([1 << 16, 1 << 15])], large);
        check_plan(vec![image([1 << 40, 1 << 40])], large);
    }

    #[track_caller]
    fn check_rows(first_index: u64, columns: Vec<ColumnData>, expected: Result<u64, &str>) {
        let plan = plan(vec![ColumnPlan::number("/entry/data/x"), image([2, 3])]);
        let mismatch = |reason: &str| {
            let reason = reason.to_owned();
            StorageError::Mismatch { path: "a.h5".into(), reason }
        };
        let num_rows = plan.num_rows(&Rows { first_index, columns });
        assert_eq!(num_rows, expected.map_err(mismatch));
    }

    #[test]
    fn rows_fit_their_plan() {
        use ColumnData::{F64, U8, U16};
        check_rows(0, vec![F64(vec![]), U16(vec![])], Ok(0));
        check_rows(7, vec![F64(vec![0.0; 2]), U16(vec![0; 12])], Ok(2));
        check_rows(0, vec![F64(vec![])], Err("1 columns given, 2 planned"));
        let planned = "/entry/camera/data: U8 given, U16 planned";
        check_rows(0, vec![F64(vec![]), U8(vec![])], Err(planned));
        let short = "/entry/camera/data: 11 numbers, 2 x 6 due";
        check_rows(0, vec![F64(vec![0.0; 2]), U16(vec![0; 11])], Err(short));
        let far = "first index 18446744073709551615 is out of range";
        check_rows(u64::MAX, vec![F64(vec![0.0]), U16(vec![0; 6])], Err(far));
    }
}
