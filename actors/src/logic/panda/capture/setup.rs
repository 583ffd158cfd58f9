//! [`CaptureSetup`]: what is captured, and what the file has of it.
use crate::{
    backend::panda::capture::{CHUNK_ROWS, FileColumn},
    logic::detector::{Dataset, DatasetKind, Dtype},
};
use bluefly_protocol::{
    name::Name,
    panda::{
        Capture,
        describe::{Captured, ExtOut, FieldClass, FieldName, Inventory},
    },
};
use std::time::Duration;

/// What a PandA captures with each row, which is a frame.
#[derive(Clone, Debug)]
pub struct CaptureSetup {
    /// At least one.
    pub columns: Vec<CaptureColumn>,
    /// Rows are brought to disk so often.
    pub flush_period: Duration,
}

/// A field, and what of it is captured.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureColumn {
    pub field: FieldName,
    /// At least one.
    pub captures: Vec<Capture>,
    /// Of a field that is the position of an axis.
    pub encoder: Option<Encoder>,
}

/// The position of an axis: `counts * scale + offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoder {
    pub axis: Name,
    pub scale: f64,
    pub offset: f64,
    pub units: String,
}

/// What is captured at a PandA that is reached, under the names that it uses itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selection {
    pub(super) captured: Vec<Captured>,
    /// Of each of them, whether it is a word of the bit bus.
    pub(super) are_bits: Vec<bool>,
    /// Of each of them, whether its units are a setting.
    pub(super) have_units: Vec<bool>,
}

/// A field, whether it is a word of the bit bus, and whether its units are a setting.
type Field<'a> = (&'a Captured, (bool, bool));

impl CaptureSetup {
    /// What cannot be captured at a PandA: the field, and why.
    pub fn wrong(&self, inventory: &Inventory) -> Vec<(FieldName, String)> {
        let wrong =
            |column: &CaptureColumn| Some((column.field.clone(), column.choose(inventory).err()?));
        self.columns.iter().filter_map(wrong).collect()
    }

    /// What to select, or what the PandA has not.
    pub(super) fn selection(&self, inventory: &Inventory) -> Result<Selection, String> {
        let mut selection =
            Selection { captured: Vec::new(), are_bits: Vec::new(), have_units: Vec::new() };
        for column in &self.columns {
            let (name, class) = column.choose(inventory)?;
            selection.captured.push(Captured { name, captures: column.captures.clone() });
            selection.are_bits.push(*class == FieldClass::ExtOut(ExtOut::Bits));
            selection.have_units.push(*class == FieldClass::PosOut);
        }
        Ok(selection)
    }

    /// The datasets of its file; those of bits are words.
    pub(super) fn datasets(&self, selection: &Selection) -> Vec<Dataset> {
        let Selection { captured, are_bits, have_units } = selection;
        let fields = captured.iter().zip(are_bits.iter().copied().zip(have_units.iter().copied()));
        let columns = self.columns.iter().zip(fields);
        let of_column = |(column, field): (&CaptureColumn, Field<'_>)| {
            let (captured, (is_bits, has_units)) = field;
            let field = captured.name.to_string();
            let units = match &column.encoder {
                Some(encoder) => Some(encoder.units.clone()),
                // All else that is no word of the bit bus is a time.
                None => (!is_bits && !has_units).then(|| "s".to_owned()),
            };
            let dataset = move |capture: &Capture| {
                let (field, capture) = (field.clone(), capture.clone());
                let file = FileColumn { field, capture, units: None, is_bits };
                Dataset {
                    name: dataset_name(column, &file),
                    path: file.dataset(),
                    kind: kind(column, &file.capture),
                    shape: Vec::new(),
                    dtype: if is_bits { Dtype::UInt32 } else { Dtype::Float64 },
                    units: units.clone(),
                    rows_per_chunk: CHUNK_ROWS as u64,
                }
            };
            column.captures.iter().map(dataset).collect::<Vec<_>>()
        };
        columns.flat_map(of_column).collect()
    }
}

impl CaptureColumn {
    /// The name that the PandA uses itself and what is under it, if that can be captured.
    fn choose<'a>(&self, inventory: &'a Inventory) -> Result<(FieldName, &'a FieldClass), String> {
        let Self { field, captures, .. } = self;
        let missing = || format!("it has no {field}");
        let told = field.told(&inventory.blocks).ok_or_else(missing)?;
        let class = &inventory.field(field).ok_or_else(missing)?.class;
        let is_position = match class {
            FieldClass::PosOut => true,
            FieldClass::ExtOut(_) => false,
            other => return Err(format!("{field} is {other}, which cannot be captured")),
        };
        let is_absent = |capture: &&Capture| !is_position && **capture != Capture::Value;
        match captures.iter().find(is_absent) {
            Some(capture) => {
                Err(format!("{field} is {class}, of which there is no {capture}: only Value"))
            }
            None => Ok((told, class)),
        }
    }
}

/// `x_mean` of an axis, `pcap_ts_trig_value` of all else: data keys have no dots.
fn dataset_name(column: &CaptureColumn, file: &FileColumn) -> String {
    let what = match &column.encoder {
        Some(encoder) => encoder.axis.to_string(),
        None => file.field.replace('.', "_"),
    };
    format!("{what}_{}", file.capture).to_lowercase()
}

const fn kind(column: &CaptureColumn, capture: &Capture) -> DatasetKind {
    match (&column.encoder, capture) {
        (Some(_), Capture::Value | Capture::Min | Capture::Max | Capture::Mean) => {
            DatasetKind::Position
        }
        (Some(_), Capture::Diff | Capture::Sum | Capture::StdDev | Capture::Other(_))
        | (None, _) => DatasetKind::Monitor,
    }
}
