//! What the file of an areaDetector has.
use crate::logic::detector::{Dataset, DatasetKind, Dtype, FrameShape};
use bluefly_protocol::name::Name;

/// Rows per chunk of the numbers beside the frames.
pub const NUMBERS_PER_CHUNK: u64 = 1_024;

/// What is known of each exposure beside its pixels and the positions.
const MONITORS: [(&str, Dtype); 3] =
    [("NDArrayUniqueId", Dtype::Int32), ("NDArrayTimeStamp", Dtype::Float64), TOTAL];
/// The sum of its pixels, with statistics.
const TOTAL: (&str, Dtype) = ("StatsTotal", Dtype::Float64);

/// The numbers beside each exposure: their names and types, in order.
pub fn numbers(axes: &[Name], statistics: bool) -> Vec<(String, Dtype)> {
    let monitors = MONITORS.into_iter().filter(|number| statistics || *number != TOTAL);
    let monitors = monitors.map(|(name, dtype)| (name.to_owned(), dtype));
    monitors.chain(axes.iter().map(|axis| (axis.to_string(), Dtype::Float64))).collect()
}

/// What an exposure adds to the file of a detector: its pixels, and numbers about them and of the
/// positions of so many axes. As if it had statistics: it is what is asked of the disk at most.
pub const fn row_bytes(pixel_bytes: u64, axes: u64) -> u64 {
    pixel_bytes + (MONITORS.len() as u64 + axes) * size_of::<f64>() as u64
}

/// What the file of a detector has beside its rows, at most: a chunk of each of the numbers that is
/// begun, and the file's own structure.
pub const fn overhead_bytes(axes: u64) -> u64 {
    row_bytes(0, axes) * NUMBERS_PER_CHUNK + 65_536
}

/// The datasets that the layout of the file writer makes.
pub(super) fn datasets(frame: &FrameShape, axes: &[Name], statistics: bool) -> Vec<Dataset> {
    let pixels = Dataset {
        name: "data".to_owned(),
        path: "/entry/data/data".to_owned(),
        kind: DatasetKind::Detector,
        shape: frame.shape.clone(),
        dtype: frame.dtype,
        units: None,
        rows_per_chunk: 1,
    };
    let monitors = numbers(&[], statistics).len();
    let number = |(i, (name, dtype)): (usize, (String, Dtype))| Dataset {
        path: format!("/entry/instrument/NDAttributes/{name}"),
        name,
        kind: if i < monitors { DatasetKind::Monitor } else { DatasetKind::Position },
        shape: Vec::new(),
        dtype,
        units: None,
        rows_per_chunk: NUMBERS_PER_CHUNK,
    };
    let numbers = numbers(axes, statistics).into_iter().enumerate().map(number);
    [pixels].into_iter().chain(numbers).collect()
}
