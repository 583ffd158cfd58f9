//! [`Outline`]: which points of a row lie within an ellipse or a polygon, found by halving, not by
//! asking every point: along a row each condition is true on one side only.
use super::curve::Shape;
use std::ops::Range;

/// The outline of a masked grid, with the slow axis first where it matters.
pub(super) enum Outline<'a> {
    /// Centre and diameter, of the slow and of the fast axis.
    Ellipse { slow: [f64; 2], fast: [f64; 2] },
    /// Vertices as x and y, and which of them is the fast axis.
    Polygon { vertices: &'a [[f64; 2]], fast: Fast },
}

/// The fast axis of a masked grid.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fast {
    X,
    Y,
}

/// The midpoints of one axis of a grid.
#[derive(Clone, Copy)]
pub(super) struct Ticks {
    pub(super) line: Shape,
    pub(super) len: u64,
}

impl Ticks {
    fn at(self, index: u64) -> f64 {
        self.line.at(index as f64 + 0.5)
    }
}

/// First index of the range for which the condition does not hold; it holds for all before.
fn first_not(range: Range<u64>, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

impl Outline<'_> {
    /// The stretches of a row that lie within, in order.
    pub(super) fn row(&self, slow_value: f64, fast: Ticks) -> Vec<Range<u64>> {
        match self {
            Self::Ellipse { slow, fast: [centre, diameter] } => {
                let square = |value: f64| value * value;
                let slow_term = square(2.0 * (slow_value - slow[0]) / slow[1]);
                let fast_term = |value: f64| square(2.0 * (value - centre) / diameter);
                // In the order x then y upstream; a sum of two does not depend on it.
                let inside = |index: u64| fast_term(fast.at(index)) + slow_term <= 1.0;
                let middle = first_not(0..fast.len, |index| fast.at(index) < *centre);
                let start = first_not(0..middle, |index| !inside(index));
                let end = first_not(middle..fast.len, inside);
                Some(start..end).filter(|row| row.start < row.end).into_iter().collect()
            }
            Self::Polygon { vertices, fast: axis } => {
                let mut ends = Vec::new();
                let before = vertices.iter().cycle().skip(vertices.len().saturating_sub(1));
                for (from, to) in before.zip(*vertices) {
                    let crossed = match axis {
                        Fast::X => crossed_along_x(*from, *to, (slow_value, fast)),
                        Fast::Y => crossed_along_y(*from, *to, (slow_value, fast)),
                    };
                    if crossed.start < crossed.end {
                        ends.extend([crossed.start, crossed.end]);
                    }
                }
                odd(ends)
            }
        }
    }
}

/// The indices which are in an odd number of ranges, given the ends of all ranges.
fn odd(mut ends: Vec<u64>) -> Vec<Range<u64>> {
    ends.sort_unstable();
    let mut stretches: Vec<Range<u64>> = Vec::new();
    for pair in ends.chunks_exact(2) {
        match stretches.last_mut() {
            Some(last) if last.end == pair[0] => last.end = pair[1],
            _ if pair[0] < pair[1] => stretches.push(pair[0]..pair[1]),
            _ => {}
        }
    }
    stretches
}

/// Where an edge is at a height.
fn edge_at(from: [f64; 2], to: [f64; 2], y: f64) -> f64 {
    let part = (y - from[1]) / (to[1] - from[1]);
    from[0] + part * (to[0] - from[0])
}

/// The points of a row along x that have the edge on their right.
fn crossed_along_x(from: [f64; 2], to: [f64; 2], (y, fast): (f64, Ticks)) -> Range<u64> {
    if from[1] == to[1] || y < from[1].min(to[1]) || y >= from[1].max(to[1]) {
        return 0..0;
    }
    let edge = edge_at(from, to, y);
    0..first_not(0..fast.len, |index| fast.at(index) < edge)
}

/// The points of a row along y that have the edge on their right.
fn crossed_along_y(from: [f64; 2], to: [f64; 2], (x, fast): (f64, Ticks)) -> Range<u64> {
    if from[1] == to[1] {
        return 0..0;
    }
    let start = first_not(0..fast.len, |index| fast.at(index) < from[1].min(to[1]));
    let end = first_not(start..fast.len, |index| fast.at(index) < from[1].max(to[1]));
    let left_of_edge = |index: u64| x < edge_at(from, to, fast.at(index));
    if (to[0] > from[0]) == (to[1] > from[1]) {
        first_not(start..end, |index| !left_of_edge(index))..end
    } else {
        start..first_not(start..end, left_of_edge)
    }
}
