//! [`Column`]: one value of each row.
use crate::panda::Capture;

/// One value of each row, in engineering units.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub capture: Capture,
    pub units: Option<String>,
    pub(super) source: Source,
    pub(super) row_bytes: usize,
}

/// A column of 32 bits which stand for themselves.
#[derive(Clone, Copy, Debug)]
pub struct BitsColumn {
    at: usize,
    row_bytes: usize,
}

/// Where in a row the values are, and how they become what they mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    Bits {
        at: usize,
    },
    /// The server has scaled it.
    Double {
        at: usize,
    },
    Int32 {
        at: usize,
        by: Line,
    },
    /// Ticks with the gate high.
    Samples {
        at: usize,
        by: Line,
    },
    Int64 {
        at: usize,
        by: Line,
    },
    Mean {
        sum_at: usize,
        samples_at: usize,
        by: Line,
    },
    StdDev {
        squares_at: usize,
        sum_at: usize,
        samples_at: usize,
        scale: f64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) scale: f64,
    pub(super) offset: f64,
}

impl Line {
    fn at(self, value: f64) -> f64 {
        self.scale * value + self.offset
    }
}

impl Column {
    /// Its bits as they are; `None` if it is in engineering units.
    pub const fn bits(&self) -> Option<BitsColumn> {
        match self.source {
            Source::Bits { at } => Some(BitsColumn { at, row_bytes: self.row_bytes }),
            Source::Double { .. }
            | Source::Int32 { .. }
            | Source::Samples { .. }
            | Source::Int64 { .. }
            | Source::Mean { .. }
            | Source::StdDev { .. } => None,
        }
    }

    /// Makes values of rows: as many as there are whole rows and places for them. Bits are exact in
    /// a double too.
    pub fn fill(&self, rows: &[u8], out: &mut [f64]) {
        let stride = self.row_bytes;
        match self.source {
            Source::Bits { at } => each(stride, rows, out, |row| f64::from(u32_at(row, at))),
            Source::Double { at } => {
                each(stride, rows, out, |row| f64::from_le_bytes(bytes_at(row, at)));
            }
            Source::Int32 { at, by } => {
                each(stride, rows, out, |row| by.at(f64::from(u32_at(row, at).cast_signed())));
            }
            Source::Samples { at, by } => {
                each(stride, rows, out, |row| by.at(f64::from(u32_at(row, at))));
            }
            Source::Int64 { at, by } => {
                each(stride, rows, out, |row| by.at(i64_at(row, at) as f64));
            }
            Source::Mean { sum_at, samples_at, by } => each(stride, rows, out, |row| {
                let samples = u32_at(row, samples_at);
                let mean = by.scale * i64_at(row, sum_at) as f64 / f64::from(samples) + by.offset;
                if samples == 0 { f64::NAN } else { mean }
            }),
            Source::StdDev { squares_at, sum_at, samples_at, scale } => {
                each(stride, rows, out, |row| {
                    let samples = u32_at(row, samples_at);
                    scale * deviation(samples, i64_at(row, sum_at), u96_at(row, squares_at))
                });
            }
        }
    }
}

impl BitsColumn {
    /// Makes words of rows: as many as there are whole rows and places for them.
    pub fn fill(&self, rows: &[u8], out: &mut [u32]) {
        each(self.row_bytes, rows, out, |row| u32_at(row, self.at));
    }
}

/// Not a number if there are no samples, or none whose sums these are.
///
/// Most of the mean is taken off in integers first, as the server does: of a small deviation of large
/// numbers, doubles would leave nothing.
fn deviation(samples: u32, sum: i64, squares: u128) -> f64 {
    let count = i64::from(samples);
    let Some(mean) = sum.checked_div(count) else { return f64::NAN };
    let rest = (sum - count * mean) as f64;
    let [count, sum, mean] = [count, sum, mean].map(i128::from);
    // Sums that are not of one row wrap, there as here.
    let squares = squares
        .cast_signed()
        .wrapping_sub(mean.wrapping_mul(sum).wrapping_mul(2))
        .wrapping_add(mean.wrapping_mul(mean).wrapping_mul(count));
    let samples = f64::from(samples);
    let variance = (squares as f64 - rest * rest / samples) / samples;
    if variance < 0.0 { f64::NAN } else { variance.sqrt() }
}

fn each<T>(stride: usize, rows: &[u8], out: &mut [T], value: impl Fn(&[u8]) -> T) {
    for (row, out) in rows.chunks_exact(stride).zip(out) {
        *out = value(row);
    }
}

fn bytes_at<const N: usize>(row: &[u8], at: usize) -> [u8; N] {
    row[at..at + N].try_into().expect("a part of this length")
}

fn u32_at(row: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(row, at))
}

fn i64_at(row: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes_at(row, at))
}

fn u96_at(row: &[u8], at: usize) -> u128 {
    let mut wide = [0; 16];
    wide[..12].copy_from_slice(&bytes_at::<12>(row, at));
    u128::from_le_bytes(wide)
}
