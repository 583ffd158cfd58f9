//! What a stream file holds ([`StreamPlan`]) and what is appended to it ([`Rows`]).
use super::error::StorageError;
use std::path::PathBuf;

/// One stream file: where it is and which columns it holds. Row `i` of every column belongs to
/// frame `i` of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamPlan {
    /// The file to create. It must not exist.
    pub path: PathBuf,
    /// UID of the run, kept as the attribute `run_uid` of `/entry`.
    pub run_uid: String,
    /// At least one; [`Rows::columns`] has the same order.
    pub columns: Vec<ColumnPlan>,
}

/// One dataset of a stream file, extensible along its first dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnPlan {
    /// Absolute path of the dataset: `/entry/data/x`. The first group is an `NXentry`, the groups
    /// within it are `NXdata`.
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
        self.row_shape.iter().product()
    }

    /// Size of one chunk.
    pub fn chunk_bytes(&self) -> u64 {
        self.row_len().saturating_mul(self.rows_per_chunk).saturating_mul(self.element.bytes())
    }

    fn check(&self) -> Result<(), String> {
        let name = &self.dataset;
        let parts: Vec<&str> = name.split('/').collect();
        let is_absolute = parts.len() >= 3 && parts[0].is_empty();
        if !is_absolute || parts[1..].iter().any(|part| part.is_empty() || *part == ".") {
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
