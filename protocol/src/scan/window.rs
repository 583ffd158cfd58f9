//! [`Window`]: a stretch of a scan that is flown without stopping.
use super::{Stack, columns::Frame};
use std::ops::{Deref, Range};

/// Consecutive frames of one duration through which the axes go without stopping or jumping.
///
/// It ends at a gap, and also where the positions meet but the velocity jumps (a snake that turns
/// round on the spot) or the duration of the frames changes. It ends, too, after 1,024 rows that
/// continue each other, though nothing must stop there: then the next one has no gap before it and
/// starts at the velocity at which this one ends. Positions are in the EGU of their axis,
/// axes in the order of the stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Index in the scan of the first frame.
    pub first_frame: u64,
    /// Number of frames, at least one.
    pub frames: u64,
    /// Whether a gap precedes it; true for the first of a scan.
    pub gap: bool,
    /// Lower bounds of the first frame.
    pub start: Box<[f64]>,
    /// Upper bounds of the last frame.
    pub end: Box<[f64]>,
    pub motion: Motion,
    /// What follows from the duration of a frame; nothing if the specification does not say it.
    pub timing: Option<Timing>,
}

/// How the axes go through a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// No axis moves: frames are taken by time alone.
    Still,
    /// Every axis has one velocity throughout.
    Straight,
    /// Velocities change.
    Curved,
}

/// Times and velocities of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Of one frame, seconds.
    pub frame_s: f64,
    /// Of the whole window, seconds.
    pub window_s: f64,
    /// Velocity of each axis at the start, EGU/s.
    pub entry: Box<[f64]>,
    /// Velocity of each axis at the end, EGU/s.
    pub exit: Box<[f64]>,
}

/// Most rows that are joined to one window: to look for more would take long in scans that repeat
/// a point a million times.
const MAX_ROWS: usize = 1_024;

/// The windows of a scan from some frame on; `S` borrows the stack or owns a share of it.
pub(super) struct Windows<S> {
    stack: S,
    from: u64,
    /// The row after the last window, if it has been looked at.
    next: Option<Row>,
}

/// What is one by construction: a row, or the rest of a curve.
struct Row {
    frames: Range<u64>,
    motion: Motion,
    gap: bool,
    frame_s: Option<f64>,
    first: Box<[Frame]>,
    last: Box<[Frame]>,
}

impl<S: Deref<Target = Stack>> Windows<S> {
    pub(super) fn new(stack: S, from: u64) -> Self {
        let mut windows = Self { stack, from, next: None };
        windows.next = windows.row(from);
        windows
    }

    /// The rest of the row or curve in which a frame is.
    fn row(&self, frame: u64) -> Option<Row> {
        let sequence = &self.stack.sequence;
        if frame >= sequence.len() {
            return None;
        }
        let at = |frame: u64| {
            let mut point = vec![Frame::default(); self.stack.axes().len()];
            sequence.point(frame, &mut point);
            point.into_boxed_slice()
        };
        let (row, curve) = (sequence.straight(frame).end, sequence.unbroken(frame).end);
        let first = at(frame);
        let bends = row < curve || (row == frame + 1 && first.iter().any(|axis| axis.bends()));
        let (end, motion) = if bends {
            (curve, Motion::Curved)
        } else if first.iter().any(|axis| axis.moves()) {
            (row, Motion::Straight)
        } else {
            (row, Motion::Still)
        };
        Some(Row {
            frames: frame..end,
            motion,
            gap: frame == self.from || sequence.gap(frame),
            frame_s: sequence.duration(frame),
            first,
            last: at(end - 1),
        })
    }
}

impl<S: Deref<Target = Stack>> Iterator for Windows<S> {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let first = self.next.take()?;
        let mut motion = first.motion;
        let (mut end, mut last) = (first.frames.end, first.last.clone());
        for _ in 1..MAX_ROWS {
            self.next = self.row(end);
            let Some(row) = self.next.take_if(|row| row.goes_on_from(&last, first.frame_s)) else {
                break;
            };
            if row.motion != motion {
                motion = Motion::Curved;
            }
            (end, last) = (row.frames.end, row.last);
        }
        if self.next.is_none() {
            self.next = self.row(end);
        }
        let frames = end - first.frames.start;
        Some(Window {
            first_frame: first.frames.start,
            frames,
            gap: first.gap,
            start: first.first.iter().map(|axis| axis.lower).collect(),
            end: last.iter().map(|axis| axis.upper).collect(),
            motion,
            timing: first.frame_s.map(|frame_s| Timing {
                frame_s,
                window_s: frame_s * frames as f64,
                entry: first.first.iter().map(|axis| axis.entry() / frame_s).collect(),
                exit: last.iter().map(|axis| axis.exit() / frame_s).collect(),
            }),
        })
    }
}

/// Whether an axis goes on from one frame into the next but for rounding: EGU per frame before and
/// after the bound between them, and how far from zero that is.
pub(crate) fn goes_on((before, after): (f64, f64), place: f64) -> bool {
    // Far from zero the length of a frame is known up to the rounding of its bounds only.
    let rounding = 32.0 * f64::EPSILON * place;
    (before - after).abs() <= 1e-12 * before.abs() + rounding
}

impl Row {
    /// Whether motion goes on into it after a frame of a duration.
    fn goes_on_from(&self, last: &[Frame], frame_s: Option<f64>) -> bool {
        let smooth = |(before, after): (&Frame, &Frame)| {
            let place = before.upper.abs().max(after.upper.abs());
            goes_on((before.exit(), after.entry()), place)
        };
        !self.gap && self.frame_s == frame_s && last.iter().zip(&self.first).all(smooth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Spec;

    fn line(axis: &str, start: f64, stop: f64, num: u64) -> String {
        format!(
            r#"{{"type":"Linspace","axis":"{axis}","start":{start},"stop":{stop},"num":{num}}}"#
        )
    }

    fn of(kind: &str, fields: &[(&str, &str)]) -> String {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        format!(r#"{{"type":"{kind}",{}}}"#, fields.join(","))
    }

    fn flown(frame_s: &str, spec: &str) -> String {
        let timed = of("ConstantDuration", &[("constant_duration", frame_s), ("spec", spec)]);
        of("Fly", &[("spec", &timed)])
    }

    fn windows(spec: &str, from: u64) -> Vec<Window> {
        let stack = Stack::new(&spec.parse::<Spec>().expect("a spec")).expect("a stack");
        stack.windows(from).collect()
    }

    /// First frame, frames, gap, motion of each window.
    fn check(spec: &str, from: u64, expected: &[(u64, u64, bool, Motion)]) {
        let found = windows(spec, from).into_iter();
        let found: Vec<_> =
            found.map(|one| (one.first_frame, one.frames, one.gap, one.motion)).collect();
        assert_eq!(found, expected, "{spec}");
    }

    #[test]
    fn a_window_knows_its_ends() {
        let found = windows(&flown("0.5", &line("x", 1.0, 4.0, 4)), 1);
        let expected = Window {
            first_frame: 1,
            frames: 3,
            gap: true,
            start: [1.5].into(),
            end: [4.5].into(),
            motion: Motion::Straight,
            timing: Some(Timing {
                frame_s: 0.5,
                window_s: 1.5,
                entry: [2.0].into(),
                exit: [2.0].into(),
            }),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_window_ends_where_motion_must_stop() {
        use Motion::{Curved, Still, Straight};
        let (x, y) = (line("x", 0.0, 3.0, 4), line("y", 0.0, 1.0, 2));
        let snake = of("Snake", &[("spec", &x)]);
        let grid = of("Product", &[("outer", &y), ("inner", &snake)]);
        check(&flown("1", &grid), 0, &[(0, 4, true, Straight), (4, 4, true, Straight)]);
        check(&flown("1", &grid), 6, &[(6, 2, true, Straight)]);
        // On the spot: positions meet, velocities do not.
        let there_and_back = of("Product", &[("outer", "2"), ("inner", &snake), ("gap", "false")]);
        check(&flown("1", &there_and_back), 0, &[(0, 4, true, Straight), (4, 4, false, Straight)]);
        // A line that goes on is one.
        let on = line("x", 4.0, 5.0, 2);
        let joined = of("Concat", &[("left", &x), ("right", &on)]);
        check(&flown("1", &joined), 0, &[(0, 6, true, Straight)]);
        let lasting = |spec: &str, seconds: &str| {
            of("ConstantDuration", &[("constant_duration", seconds), ("spec", spec)])
        };
        let braked = of("Concat", &[("left", &lasting(&x, "1")), ("right", &lasting(&on, "2"))]);
        let braked = of("Fly", &[("spec", &braked)]);
        check(&braked, 0, &[(0, 4, true, Straight), (4, 2, false, Straight)]);
        // Steps, repeats, curves.
        check(
            &x,
            0,
            &[(0, 1, true, Still), (1, 1, true, Still), (2, 1, true, Still), (3, 1, true, Still)],
        );
        let repeated = of("Product", &[("outer", &y), ("inner", "3")]);
        check(&repeated, 0, &[(0, 3, true, Still), (3, 3, true, Still)]);
        let spiral = r#"{"type":"Spiral","x_axis":"x","x_centre":0,"x_diameter":10,"x_step":0.01,"y_axis":"y","y_centre":0}"#;
        check(&flown("1", spiral), 0, &[(0, 785_399, true, Curved)]);
        check(&flown("1", spiral), 785_398, &[(785_398, 1, true, Curved)]);
    }

    #[test]
    fn the_first_window_of_a_point_repeated_for_ever_is_found() {
        let still = |num| format!(r#"{{"type":"Static","axis":"x","value":1,"num":{num}}}"#);
        let both = of("Concat", &[("left", &still(1)), ("right", &still(2))]);
        let often = of("Product", &[("outer", "1000000000"), ("inner", &both), ("gap", "false")]);
        let stack = Stack::new(&often.parse::<Spec>().expect("a spec")).expect("a stack");
        let first = stack.windows(0).next().expect("a window");
        assert_eq!((first.frames, first.motion), (1_536, Motion::Still));
    }
}
