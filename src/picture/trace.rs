//! What is drawn against time, in columns no narrower than the picture can show: its size does not
//! grow with the length of what is drawn, and no peak of it is lost.
use super::{PictureError, sheet::Span};

/// Columns of a picture.
pub(super) const COLUMNS: usize = 600;

/// Which column a time is in.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) total_us: u64,
}

impl Columns {
    fn of(self, time_us: f64) -> usize {
        let column = time_us / self.total_us.max(1) as f64 * COLUMNS as f64;
        (column as usize).min(COLUMNS - 1)
    }

    fn begin_us(self, column: usize) -> f64 {
        self.total_us as f64 * column as f64 / COLUMNS as f64
    }
}

/// A value at a time.
type Sample = (f64, f64);

/// The first, least, greatest and last of the values in a column.
#[derive(Clone, Copy)]
struct Extremes {
    first: Sample,
    low: Sample,
    high: Sample,
    last: Sample,
}

/// A value that changes with time.
pub(super) struct Trace {
    columns: Columns,
    extremes: Vec<Option<Extremes>>,
}

impl Trace {
    pub(super) fn new(columns: Columns) -> Self {
        Self { columns, extremes: vec![None; COLUMNS] }
    }

    /// Adds a value, in the order of time.
    pub(super) fn push(&mut self, time_us: f64, value: f64) {
        let sample = (time_us, value);
        match &mut self.extremes[self.columns.of(time_us)] {
            Some(extremes) => {
                extremes.last = sample;
                if value < extremes.low.1 {
                    extremes.low = sample;
                }
                if value > extremes.high.1 {
                    extremes.high = sample;
                }
            }
            none => {
                *none = Some(Extremes { first: sample, low: sample, high: sample, last: sample });
            }
        }
    }

    /// The samples that matter, in the order of time.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let four = |extremes: &Extremes| {
            let Extremes { first, low, high, last } = *extremes;
            if low.0 <= high.0 { [first, low, high, last] } else { [first, high, low, last] }
        };
        let mut samples: Vec<Sample> = self.extremes.iter().flatten().flat_map(four).collect();
        samples.dedup();
        samples
    }

    pub(super) fn span(&self, name: &str) -> Result<Option<Span>, PictureError> {
        let extremes = self.extremes.iter().flatten();
        Span::of(name, extremes.flat_map(|extremes| [extremes.low.1, extremes.high.1]))
    }
}

/// What goes on in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shade {
    /// Frames are taken.
    Frames,
    /// Axes move to where frames are taken.
    Turn,
    /// Both, faster than can be shown.
    Both,
}

/// In which part of each column frames are taken.
pub(super) struct Shades {
    columns: Columns,
    taken_us: Vec<f64>,
}

impl Shades {
    pub(super) fn new(columns: Columns) -> Self {
        Self { columns, taken_us: vec![0.0; COLUMNS] }
    }

    /// Adds a stretch of time in which frames are taken.
    pub(super) fn take(&mut self, from_us: f64, to_us: f64) {
        for column in self.columns.of(from_us)..=self.columns.of(to_us) {
            let begin = self.columns.begin_us(column).max(from_us);
            let end = self.columns.begin_us(column + 1).min(to_us);
            self.taken_us[column] += (end - begin).max(0.0);
        }
    }

    /// Stretches of columns with one shade, in order.
    pub(super) fn stretches(&self) -> Vec<(Shade, [usize; 2])> {
        let width = self.columns.begin_us(1);
        let mut shades: Vec<Shade> =
            self.taken_us.iter().map(|taken| shade(taken / width)).collect();
        // A lone column with both is where one ends and the other begins.
        for column in 0..COLUMNS {
            let both = |column: Option<usize>| {
                column.and_then(|column| shades.get(column)) == Some(&Shade::Both)
            };
            if both(Some(column)) && !both(column.checked_sub(1)) && !both(Some(column + 1)) {
                let mostly = self.taken_us[column] * 2.0 >= width;
                shades[column] = if mostly { Shade::Frames } else { Shade::Turn };
            }
        }
        let mut stretches: Vec<(Shade, [usize; 2])> = Vec::new();
        for (column, shade) in shades.into_iter().enumerate() {
            match stretches.last_mut() {
                Some((last, [_, end])) if *last == shade => *end = column + 1,
                _ => stretches.push((shade, [column, column + 1])),
            }
        }
        stretches
    }
}

fn shade(part: f64) -> Shade {
    if part > 0.999 {
        Shade::Frames
    } else if part < 0.001 {
        Shade::Turn
    } else {
        Shade::Both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN_US: u64 = 10;
    const TOTAL: Columns = Columns { total_us: COLUMN_US * COLUMNS as u64 };

    #[test]
    fn a_short_trace_keeps_every_sample() {
        let mut trace = Trace::new(TOTAL);
        let samples = [(0.0, 1.0), (3.0, 3.0), (4.0, -1.0), (9.0, 0.0), (6_000.0, 2.0)];
        for (time, value) in samples {
            trace.push(time, value);
        }
        assert_eq!(trace.samples(), samples);
        assert_eq!(trace.span("x").unwrap(), Some(Span { low: -1.0, high: 3.0 }));
    }

    #[test]
    fn a_long_trace_keeps_its_peaks() {
        let mut trace = Trace::new(TOTAL);
        for time in 0..=60_000 {
            let value = if time == 31_234 { 7.0 } else { f64::from(time % 3) };
            trace.push(f64::from(time) / 10.0, value);
        }
        let samples = trace.samples();
        assert!(samples.len() <= 4 * COLUMNS, "{} samples", samples.len());
        assert!(samples.is_sorted_by(|a, b| a.0 <= b.0));
        assert!(samples.contains(&(3_123.4, 7.0)));
        assert_eq!(samples[samples.len() - 1], (6_000.0, 0.0));
    }

    #[test]
    fn columns_are_shaded_by_what_goes_on_in_them() {
        let check = |taken: &[(f64, f64)], expected: &[(Shade, [usize; 2])]| {
            let mut shades = Shades::new(TOTAL);
            for &(from, to) in taken {
                shades.take(from, to);
            }
            assert_eq!(shades.stretches(), expected);
        };
        check(&[], &[(Shade::Turn, [0, 600])]);
        check(&[(0.0, 6_000.0)], &[(Shade::Frames, [0, 600])]);
        check(
            &[(14.0, 36.0)],
            &[(Shade::Turn, [0, 1]), (Shade::Frames, [1, 4]), (Shade::Turn, [4, 600])],
        );
        let quick: Vec<_> =
            (0..600).map(|i| (f64::from(i) * 10.0, f64::from(i) * 10.0 + 5.0)).collect();
        check(&quick, &[(Shade::Both, [0, 600])]);
    }
}
