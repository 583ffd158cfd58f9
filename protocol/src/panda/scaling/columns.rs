//! [`Columns`]: what comes out of the rows of an experiment.
use super::{
    Column,
    column::{Line, Source},
};
use crate::panda::{
    Capture,
    data::{Field, FieldType, Header, Process},
    describe::Captured,
};

/// What comes out of the rows of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    row_bytes: usize,
    columns: Vec<Column>,
}

/// A header whose rows cannot be scaled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalingError {
    #[error("{field} is of type {kind:?}, which does not come in rows that are {process:?}")]
    Type { field: String, kind: FieldType, process: Process },
    #[error("{capture} of {field} cannot be had: the ticks of its gate are not in the rows")]
    NoSamples { field: String, capture: Capture },
    #[error("{capture} of {field} cannot be had: its sum is not before it in the rows")]
    NoSum { field: String, capture: Capture },
}

/// Rows that are gone through column by column: few enough to stay close to the processor.
const BLOCK_ROWS: usize = 512;

impl Columns {
    /// A column for each field of the rows, in their order.
    ///
    /// Raw rows have fields that nobody asked for: the ticks of the gate, and the sum of which a
    /// deviation is made, which comes out as a mean. A header does not tell them from others.
    pub fn of(header: &Header) -> Result<Self, ScalingError> {
        let row_bytes = header.row_bytes();
        let source = |index| source(header, index);
        let column = |(index, field): (usize, &Field)| {
            let (name, units) = (field.name.clone(), field.units.clone());
            let (capture, source) = (field.capture.clone(), source(index)?);
            Ok(Column { name, capture, units, source, row_bytes })
        };
        let columns = header.fields.iter().enumerate().map(column);
        Ok(Self { row_bytes, columns: columns.collect::<Result<_, _>>()? })
    }

    /// Keeps what was asked for, in the order of the rows.
    pub fn only(mut self, asked: &[Captured]) -> Self {
        self.columns.retain(|column| {
            let mut of_field = asked.iter().filter(|asked| asked.name.to_string() == column.name);
            of_field.any(|asked| asked.captures.contains(&column.capture))
        });
        self
    }

    pub const fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// In the order of the rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Puts the values of whole rows at the end of each column.
    pub fn append(&self, rows: &[u8], out: &mut [Vec<f64>]) {
        for block in rows.chunks(BLOCK_ROWS * self.row_bytes) {
            let num_rows = block.len() / self.row_bytes;
            for (column, out) in self.columns.iter().zip(&mut *out) {
                let before = out.len();
                out.resize(before + num_rows, 0.0);
                column.fill(block, &mut out[before..]);
            }
        }
    }
}

fn source(header: &Header, index: usize) -> Result<Source, ScalingError> {
    let field = &header.fields[index];
    let (at, by) = (field.first_byte, Line { scale: field.scale, offset: field.offset });
    Ok(match (header.process, field.kind) {
        (Process::Scaled, FieldType::Double) => Source::Double { at },
        (Process::Raw, FieldType::Int32 | FieldType::Uint32) if field.is_samples() => {
            Source::Samples { at, by }
        }
        (Process::Raw | Process::Scaled, FieldType::Uint32) => Source::Bits { at },
        (Process::Raw, FieldType::Int32) => Source::Int32 { at, by },
        (Process::Raw, FieldType::Int64) if field.capture == Capture::Mean => {
            Source::Mean { sum_at: at, samples_at: samples_at(header, field)?, by }
        }
        (Process::Raw, FieldType::Int64) => Source::Int64 { at, by },
        (Process::Raw, FieldType::Int96) => {
            let before = index.checked_sub(1).map(|index| &header.fields[index]);
            let sum = before.filter(|sum| sum.name == field.name && sum.kind == FieldType::Int64);
            let sum_at = sum.ok_or_else(|| {
                let (field, capture) = (field.name.clone(), field.capture.clone());
                ScalingError::NoSum { field, capture }
            })?;
            Source::StdDev {
                squares_at: at,
                sum_at: sum_at.first_byte,
                samples_at: samples_at(header, field)?,
                scale: field.scale,
            }
        }
        (Process::Raw, FieldType::Double)
        | (Process::Scaled, FieldType::Int32 | FieldType::Int64 | FieldType::Int96) => {
            let (kind, process) = (field.kind, header.process);
            return Err(ScalingError::Type { field: field.name.clone(), kind, process });
        }
    })
}

fn samples_at(header: &Header, field: &Field) -> Result<usize, ScalingError> {
    let is_count = |field: &&Field| {
        field.is_samples() && matches!(field.kind, FieldType::Int32 | FieldType::Uint32)
    };
    let samples = header.fields.iter().find(is_count);
    samples.map(|samples| samples.first_byte).ok_or_else(|| {
        let (field, capture) = (field.name.clone(), field.capture.clone());
        ScalingError::NoSamples { field, capture }
    })
}
