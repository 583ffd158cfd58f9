//! [`Layout`]: what stands where in the rows of a capture, and how a row is scaled.
use super::{
    capture::{Mode, Modes},
    catalogue::Kind,
};

/// A field that is captured, as it is when the capture is armed.
#[derive(Clone, Debug)]
pub(super) struct Captured {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) modes: Modes,
    pub(super) scale: f64,
    pub(super) offset: f64,
    /// Never written: headers then show what a null pointer is printed as.
    pub(super) units: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// With the number on the position bus.
    Position(u32),
    /// 0 start, 1 end, 2 trigger.
    Timestamp(u32),
    Samples,
    /// With the quarter of the bit bus.
    Bits(u32),
}

/// How a value is computed from its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Bits,
    Scaled32,
    Scaled64,
    Mean,
    StdDev,
}

/// One value of a row.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) scaling: Option<Scaling>,
    shape: Shape,
    /// Where its words begin in a row.
    first_word: usize,
    /// Only there because another needs it: rows that are scaled do not have it.
    is_hidden: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Scaling {
    pub(super) scale: f64,
    pub(super) offset: f64,
    pub(super) units: String,
}

/// Rows as they come from the hardware, and scaled.
#[derive(Debug, Default)]
pub(super) struct Layout {
    entries: Vec<Entry>,
    /// What the hardware is told to capture, word by word.
    selection: Vec<u32>,
    /// The word with the number of samples, for means.
    samples_word: usize,
}

/// Seconds of a tick.
const TICK_S: f64 = 8e-9;
const OTHER: u32 = 0x200;
const SAMPLES: u32 = 6;
const FIRST_BITS: u32 = 7;

impl Source {
    /// The source of a field of this class, numbered on its bus by its instance; `None` if it is not
    /// captured.
    pub(super) fn of(kind: &Kind, name: &str, instance: usize) -> Option<Self> {
        Some(match kind {
            Kind::PosOut(first) => Self::Position((first + instance) as u32),
            Kind::Timestamp => Self::Timestamp(match name {
                "TS_START" => 0,
                "TS_END" => 1,
                _ => 2,
            }),
            Kind::Samples => Self::Samples,
            Kind::Bits(quarter) => Self::Bits(*quarter as u32),
            _ => return None,
        })
    }

    /// What selects the words of a value.
    fn words(self, mode: Mode) -> Vec<u32> {
        match self {
            Self::Position(channel) => {
                let words: &[u32] = match mode {
                    Mode::Value => &[0],
                    Mode::Diff => &[1],
                    Mode::Sum | Mode::Mean => &[2, 3],
                    Mode::Min => &[4],
                    Mode::Max => &[5],
                    Mode::StdDev => &[6, 7, 8],
                };
                words.iter().map(|word| channel << 4 | word).collect()
            }
            Self::Timestamp(which) => vec![OTHER | (2 * which) << 4, OTHER | (2 * which + 1) << 4],
            Self::Samples => vec![OTHER | SAMPLES << 4],
            Self::Bits(quarter) => vec![OTHER | (FIRST_BITS + quarter) << 4],
        }
    }
}

impl Captured {
    fn is_averaged(&self) -> bool {
        self.modes.has(Mode::Mean) || self.modes.has(Mode::StdDev)
    }

    fn scaling(&self) -> Option<Scaling> {
        let (scale, offset, units) = match self.source {
            Source::Bits(_) => return None,
            Source::Timestamp(_) | Source::Samples => (TICK_S, 0.0, "s".to_owned()),
            Source::Position(_) => {
                let units = self.units.clone().unwrap_or_else(|| "(null)".to_owned());
                (self.scale, self.offset, units)
            }
        };
        Some(Scaling { scale, offset, units })
    }
}

impl Layout {
    /// The layout of rows with these fields, which are in the order of `*CAPTURE?`.
    pub(super) fn of(fields: &[Captured]) -> Self {
        let mut layout = Self::default();
        let samples = fields.iter().any(|field| field.source == Source::Samples);
        if !samples && fields.iter().any(Captured::is_averaged) {
            let samples = Captured {
                name: "PCAP.GATE_DURATION".to_owned(),
                source: Source::Samples,
                modes: Modes::VALUE,
                scale: 1.0,
                offset: 0.0,
                units: None,
            };
            layout.add(&samples, Mode::Value, Shape::Scaled32);
            layout.hide_last();
        }
        let is_bits = |field: &&Captured| matches!(field.source, Source::Bits(_));
        for field in fields.iter().filter(is_bits) {
            layout.add(field, Mode::Value, Shape::Bits);
        }
        for field in fields.iter().filter(|field| !is_bits(field)) {
            if !matches!(field.source, Source::Timestamp(_)) {
                layout.add_modes(field, &[Mode::Value, Mode::Diff, Mode::Min, Mode::Max]);
            }
        }
        for field in fields {
            match field.source {
                Source::Timestamp(_) => layout.add(field, Mode::Value, Shape::Scaled64),
                _ if field.modes.has(Mode::Sum) => layout.add(field, Mode::Sum, Shape::Scaled64),
                _ => {}
            }
        }
        let (with, without): (Vec<_>, Vec<_>) = fields
            .iter()
            .filter(|field| field.is_averaged())
            .partition(|field| field.modes.has(Mode::StdDev));
        for field in without {
            layout.add(field, Mode::Mean, Shape::Mean);
        }
        for field in with {
            layout.add(field, Mode::Mean, Shape::Mean);
            if !field.modes.has(Mode::Mean) {
                layout.hide_last();
            }
            layout.add(field, Mode::StdDev, Shape::StdDev);
        }
        layout
    }

    fn add_modes(&mut self, field: &Captured, modes: &[Mode]) {
        for mode in modes.iter().filter(|mode| field.modes.has(**mode)) {
            self.add(field, *mode, Shape::Scaled32);
        }
    }

    fn add(&mut self, field: &Captured, mode: Mode, shape: Shape) {
        let first_word = self.selection.len();
        if field.source == Source::Samples {
            self.samples_word = first_word;
        }
        self.selection.extend(field.source.words(mode));
        let (name, scaling) = (field.name.clone(), field.scaling());
        self.entries.push(Entry { name, mode, scaling, shape, first_word, is_hidden: false });
    }

    fn hide_last(&mut self) {
        if let Some(entry) = self.entries.last_mut() {
            entry.is_hidden = true;
        }
    }

    pub(super) fn selection(&self) -> &[u32] {
        &self.selection
    }

    pub(super) fn raw_entries(&self) -> impl Iterator<Item = (&Entry, &'static str)> {
        self.entries.iter().map(|entry| {
            let class = match entry.shape {
                Shape::Bits => "uint32",
                Shape::Scaled32 => "int32",
                Shape::Scaled64 | Shape::Mean => "int64",
                Shape::StdDev => "int96",
            };
            (entry, class)
        })
    }

    pub(super) fn scaled_entries(&self) -> impl Iterator<Item = (&Entry, &'static str)> {
        self.entries.iter().filter(|entry| !entry.is_hidden).map(|entry| match entry.shape {
            Shape::Bits => (entry, "uint32"),
            _ => (entry, "double"),
        })
    }

    pub(super) fn raw_row_bytes(&self) -> usize {
        4 * self.selection.len()
    }

    pub(super) fn scaled_row_bytes(&self) -> usize {
        let bytes = |(_, class): (&Entry, &str)| if class == "double" { 8 } else { 4 };
        self.scaled_entries().map(bytes).sum()
    }

    /// The values of a row as they are scaled.
    pub(super) fn scaled(&self, row: &[u8]) -> impl Iterator<Item = Scaled> {
        let samples = word(row, self.samples_word);
        self.entries.iter().filter(|entry| !entry.is_hidden).map(move |entry| {
            let first = entry.first_word;
            let Some(Scaling { scale, offset, .. }) = entry.scaling else {
                return Scaled::Bits(word(row, first));
            };
            Scaled::Double(match entry.shape {
                Shape::Bits | Shape::Scaled32 => {
                    scale * f64::from(word(row, first).cast_signed()) + offset
                }
                Shape::Scaled64 => scale * long(row, first) as f64 + offset,
                Shape::Mean if samples == 0 => f64::NAN,
                Shape::Mean => scale * long(row, first) as f64 / f64::from(samples) + offset,
                // The sum of the values stands before that of their squares.
                Shape::StdDev => {
                    let squares = (0..3).map(|i| u128::from(word(row, first + i)) << (32 * i));
                    scale * deviation(samples, long(row, first - 2), squares.sum())
                }
            })
        })
    }
}

/// A value of a row that is scaled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scaled {
    Bits(u32),
    Double(f64),
}

/// The standard deviation of `samples` integers with this sum and sum of squares.
///
/// Most of the mean is taken off in integers first, as the server does: else nothing would be left of
/// a small deviation of large numbers.
fn deviation(samples: u32, sum: i64, squares: u128) -> f64 {
    if samples == 0 {
        return f64::NAN;
    }
    let (count, sum) = (i128::from(samples), i128::from(sum));
    let mean = sum / count;
    let rest = sum - count * mean;
    // Wrong in a row that overflowed, and then it wraps as the hardware did.
    let squares = squares
        .cast_signed()
        .wrapping_sub(mean.wrapping_mul(sum).wrapping_mul(2))
        .wrapping_add(mean.wrapping_mul(mean).wrapping_mul(count));
    let (count, rest) = (f64::from(samples), rest as f64);
    let variance = (squares as f64 - rest * rest / count) / count;
    if variance < 0.0 { f64::NAN } else { variance.sqrt() }
}

fn word(row: &[u8], i: usize) -> u32 {
    row.get(4 * i..).and_then(|bytes| bytes.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

fn long(row: &[u8], i: usize) -> i64 {
    (u64::from(word(row, i + 1)) << 32 | u64::from(word(row, i))).cast_signed()
}
