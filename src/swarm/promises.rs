//! What must hold of a run whatever was done to it.
use super::scenario::DETECTORS;
use bluefly_actors::storage::{ColumnData, MemoryDisk, MemoryFile};
use bluefly_protocol::{
    plan::Capabilities,
    scan::{Frames, Stack},
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// How a run ended, as its documents say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) exit_status: String,
    pub(super) reason: String,
    pub(super) frames: u64,
}

/// Where everything of a run is to be found.
pub(super) struct Remains<'a> {
    pub(super) directory: &'a Path,
    pub(super) disk: &'a MemoryDisk,
    /// Of the scan that every run repeats.
    pub(super) stack: &'a Stack,
    pub(super) capabilities: &'a Capabilities,
}

/// The rows of one detector or of all events: so many, without a gap.
type Counts = BTreeMap<String, u64>;

macro_rules! hold {
    ($holds:expr, $($broken:tt)+) => {
        if !$holds {
            return Err(format!($($broken)+));
        }
    };
}
pub(super) use hold;

impl Remains<'_> {
    /// How every run ended, in order. Fails with what is wrong: documents out of order, a row that
    /// is missing or twice, a documented frame that is not on disk where the scan put it.
    pub(super) fn check(&self) -> Result<Vec<Ended>, String> {
        let path = self.directory.join("documents.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let mut documents = Vec::new();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            documents.push((
                value["name"].as_str().unwrap_or_default().to_owned(),
                value["doc"].clone(),
            ));
        }
        let mut ends = Vec::new();
        for run in documents.chunk_by(|_, (next, _)| next != "start") {
            ends.push(self.check_run(run)?);
        }
        Ok(ends)
    }

    fn check_run(&self, run: &[(String, Value)]) -> Result<Ended, String> {
        let [(first, start), between @ .., (last, stop)] = run else {
            return Err(format!("a run of {} documents", run.len()));
        };
        hold!(first == "start" && last == "stop", "a run from {first} to {last}");
        let uid = text(start, "uid");
        hold!(text(stop, "run_start") == uid, "the stop document is of another run");
        let mut counts = Counts::new();
        for (name, document) in between {
            match name.as_str() {
                "descriptor" => hold!(text(document, "run_start") == uid, "a foreign descriptor"),
                "stream_resource" => {
                    counts.insert(text(document, "uid").to_owned(), 0);
                }
                "stream_datum" => count_datum(&mut counts, document)?,
                "event_page" => self.count_events(&mut counts, document)?,
                other => return Err(format!("a document {other} between start and stop")),
            }
        }
        let frames = stop["num_events"]["primary"].as_u64().unwrap_or(0);
        for (key, rows) in &counts {
            hold!(*rows == frames, "{rows} rows of {key}, num_events says {frames}");
        }
        for detector in DETECTORS {
            self.check_file(detector, &format!("{uid}-{detector}.h5"), frames)?;
        }
        let (exit_status, reason) = (text(stop, "exit_status"), text(stop, "reason"));
        let is_success = exit_status == "success";
        hold!(is_success == reason.is_empty(), "{exit_status} with the reason {reason:?}");
        Ok(Ended { exit_status: exit_status.to_owned(), reason: reason.to_owned(), frames })
    }

    /// Rows of events come one after the other, each with the positions of its frame.
    fn count_events(&self, counts: &mut Counts, page: &Value) -> Result<(), String> {
        let rows = counts.entry("events".to_owned()).or_default();
        let numbers = page["seq_num"].as_array().ok_or("an event page without seq_num")?;
        let expected = self.frames(*rows, numbers.len() as u64);
        for (row, number) in numbers.iter().enumerate() {
            *rows += 1;
            hold!(number.as_u64() == Some(*rows), "event {number} where {rows} was due");
            for (axis, midpoints) in self.stack.axes().iter().zip(expected.iter()) {
                let position = page["data"][axis][row].as_f64();
                let midpoint = midpoints[row].2;
                hold!(
                    position == Some(midpoint),
                    "event {rows}: {axis} is {position:?}, not {midpoint}"
                );
            }
        }
        Ok(())
    }

    /// Lower and upper bound and midpoint of rows of a run, for each axis: the scan over and over.
    fn frames(&self, first: u64, count: u64) -> Vec<Vec<(f64, f64, f64)>> {
        let all: Frames = self.stack.frames(0..self.stack.num_points());
        let row = |axis: usize, row: u64| {
            let i = (row % self.stack.num_points()) as usize;
            (all.lower()[axis][i], all.upper()[axis][i], all.midpoints()[axis][i])
        };
        let rows = |axis| (first..first + count).map(|i| row(axis, i)).collect();
        (0..self.stack.axes().len()).map(rows).collect()
    }

    /// How much of a frame is over in the middle of each exposure: where a file has the axes.
    fn middles(&self, detector: &str) -> Vec<f64> {
        let first = self.stack.frames(0..1);
        let timing = self.capabilities.detectors.iter().find(|(name, _)| name.as_str() == detector);
        match (first.duration_s(), timing) {
            (Some([duration_s]), Some((_, timing))) => {
                let frame = Duration::from_secs_f64(*duration_s);
                let per_frame = timing.exposures_per_frame;
                let middle = |i| per_frame.period(frame) * i + timing.exposure_within(frame) / 2;
                (0..per_frame.get()).map(|i| middle(i).as_secs_f64() / duration_s).collect()
            }
            _ => vec![0.5],
        }
    }

    /// Every exposure of a documented frame is on disk at its index, taken at full speed where the
    /// scan put it.
    fn check_file(&self, detector: &str, name: &str, frames: u64) -> Result<(), String> {
        let middles = self.middles(detector);
        let rows = frames * middles.len() as u64;
        let Some(file) = self.disk.file(&self.directory.join(name)) else {
            hold!(frames == 0, "{name}: is missing");
            return Ok(());
        };
        hold!(file.is_closed, "{name}: is open still");
        let (pixels, row_len) = column(&file, "/data").ok_or("no pixels")?;
        let ColumnData::U16(pixels) = pixels else { return Err("pixels are u16".to_owned()) };
        hold!(pixels.len() as u64 >= rows * row_len, "{name}: is shorter than {rows} rows");
        for index in 0..rows {
            let pixel = u64::from(pixels[(index * row_len) as usize]);
            hold!(pixel == index % 65_536, "{name}: exposure {pixel} at index {index}");
        }
        let expected = self.frames(0, frames);
        for (axis, bounds) in self.stack.axes().iter().zip(expected) {
            let Some((ColumnData::F64(taken), _)) = column(&file, &format!("/{axis}")) else {
                return Err(format!("{name}: no positions of {axis}"));
            };
            let exposures = bounds.iter().zip(taken.chunks(middles.len()));
            for (index, ((lower, upper, _), exposures)) in exposures.enumerate() {
                for (middle, at) in middles.iter().zip(exposures) {
                    let wanted = lower + (upper - lower) * middle;
                    let is_there = (wanted - at).abs() < 1e-6;
                    hold!(is_there, "{name}: frame {index}: {axis} at {at}, not {wanted}");
                }
            }
        }
        Ok(())
    }
}

fn text<'a>(document: &'a Value, key: &str) -> &'a str {
    document[key].as_str().unwrap_or_default()
}

fn count_datum(counts: &mut Counts, datum: &Value) -> Result<(), String> {
    let resource = text(datum, "stream_resource");
    let rows = counts.get_mut(resource).ok_or("a datum before its resource")?;
    let start = datum["indices"]["start"].as_u64();
    hold!(start == Some(*rows), "rows from {start:?} where {rows} was due");
    let stop = datum["indices"]["stop"].as_u64().ok_or("a datum without an end")?;
    hold!(stop > *rows, "rows {rows}..{stop}");
    *rows = stop;
    Ok(())
}

/// The column whose dataset ends in `suffix`, and the length of its rows.
fn column<'a>(file: &'a MemoryFile, suffix: &str) -> Option<(&'a ColumnData, u64)> {
    let columns = &file.plan.columns;
    let found = columns.iter().position(|column| column.dataset.ends_with(suffix))?;
    Some((&file.columns[found], columns[found].row_len()))
}
