//! Rectangles that shorten lines: a single upright one over two lines leaves a grid, not a mask.
use super::{
    Compound, Excluder, Generator, Line, Roi,
    build::{Owners, lines},
};
use crate::scan::{SpecError, error::At, way::Form};
use std::{borrow::Cow, ops::Range};

/// The generators of a compound with shortened lines, and the places of the excluders that are left.
pub(super) fn trimmed<'a>(
    compound: &'a Compound,
    owners: &Owners,
) -> Result<(Cow<'a, [Generator]>, Vec<usize>), SpecError> {
    let mut generators = Cow::Borrowed(compound.generators.as_slice());
    let mut left = Vec::new();
    let at = At::Top.field("excluders");
    for (index, excluder) in compound.excluders.iter().enumerate() {
        let Some((axes, ranges)) = rectangle(excluder) else {
            left.push(index);
            continue;
        };
        let places = axes.each_ref().map(|axis| owners.get(axis.as_str()).copied());
        let ([Some(first), Some(second)], true) = (places, places[0] != places[1]) else {
            left.push(index);
            continue;
        };
        let (Some(one), Some(other)) = (single(&generators[first]), single(&generators[second]))
        else {
            left.push(index);
            continue;
        };
        let (one, other) = (shortened(one, ranges[0]), shortened(other, ranges[1]));
        let (Some(one), Some(other)) = (one, other) else {
            let rule = "has no point of its grid within it: the region and the grid must overlap";
            return Err(SpecError::new(&at.item(index), "the region", rule));
        };
        let generators = generators.to_mut();
        generators[first] = Generator::Line(one);
        generators[second] = Generator::Line(other);
    }
    Ok((generators, left))
}

/// The axes of a single upright rectangle, and from where to where it goes along them.
fn rectangle(excluder: &Excluder) -> Option<(&[String; 2], [[f64; 2]; 2])> {
    match excluder {
        Excluder::Squashing { .. } => None,
        Excluder::Roi { rois, axes } => match rois.as_slice() {
            [Roi::Rectangular { start: [x, y], width, height, angle: 0.0 }] => {
                Some((axes, [[*x, width + x], [*y, height + y]]))
            }
            _ => None,
        },
    }
}

/// A line along one axis.
fn single(generator: &Generator) -> Option<&Line> {
    match generator {
        Generator::Line(line) if line.axes.len() == 1 => Some(line),
        Generator::Line(_)
        | Generator::Array(_)
        | Generator::Spiral(_)
        | Generator::Lissajous(_)
        | Generator::Static(_)
        | Generator::Zip(_)
        | Generator::Concat(_) => None,
    }
}

/// The line through the points that lie within, ends included; nothing if there is none.
fn shortened(line: &Line, [low, high]: [f64; 2]) -> Option<Line> {
    let forms = lines(line);
    let [form] = forms.as_slice() else { return None };
    let at = |index: u64| Form::at(form, index as f64 + 0.5);
    let taken: Range<u64> = if line.stop[0] >= line.start[0] {
        before(line.size, |index| at(index) < low)..before(line.size, |index| at(index) <= high)
    } else {
        before(line.size, |index| at(index) > high)..before(line.size, |index| at(index) >= low)
    };
    (taken.start < taken.end).then(|| Line {
        start: vec![at(taken.start)],
        stop: vec![at(taken.end - 1)],
        size: taken.end - taken.start,
        ..line.clone()
    })
}

/// How many indices precede the first one for which the condition does not hold; it holds for all
/// before.
fn before(size: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, size);
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
