//! The path of a scan in the plane of two axes, or of one axis against the frames.
use super::{
    PictureError,
    sheet::{
        self, Chart, END, FRAME, GAP, GRID, INK, START, Span, dashes, drawing, font, tick, write,
    },
};
use bluefly_protocol::scan::{Frames, Stack};
use plotters::{
    prelude::{
        ChartBuilder, Circle, IntoDrawingArea as _, PathElement, RGBColor, SVGBackend, Text, WHITE,
    },
    style::Color as _,
};
use std::ops::Range;

const SIZE: (u32, u32) = (640, 480);
/// Frames that are drawn of a scan.
const MOST_FRAMES: u64 = 2_000;
/// Frames that are drawn of a pass of the fastest dimension where not all passes are.
const LEAST_OF_A_PASS: u64 = 20;
/// Dashes of all gaps together, but at least one of each.
const MOST_DASHES: f64 = 800.0;
/// Pixels from one dash to the next, at least.
const DASH: f64 = 14.0;

/// Which axes of a stack a picture shows, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The two fastest of the axes that move, the fastest from left to right; what there is of
    /// them.
    Moving,
    /// The first from left to right, the second upwards.
    Plane(usize, usize),
    /// The frames from left to right, the axis upwards.
    Line(usize),
}

/// One frame that is drawn, in all axes.
struct Shown {
    index: u64,
    lower: Vec<f64>,
    midpoint: Vec<f64>,
    upper: Vec<f64>,
    /// The end of the frame before, if a gap leads from there to this one.
    after_gap: Option<Vec<f64>>,
}

/// Where the values of a frame are on the sheet.
enum Scale {
    Plane(usize, usize),
    Line(usize),
}

impl Scale {
    /// The place of positions that are reached `part` through frame `index`.
    fn place(&self, positions: &[f64], index: u64, part: f64) -> [f64; 2] {
        match self {
            Self::Plane(across, up) => [positions[*across], positions[*up]],
            Self::Line(axis) => [index as f64 + part, positions[*axis]],
        }
    }

    /// Lower bound, midpoint and upper bound.
    fn places(&self, frame: &Shown) -> [[f64; 2]; 3] {
        [(&frame.lower, 0.0), (&frame.midpoint, 0.5), (&frame.upper, 1.0)]
            .map(|(positions, part)| self.place(positions, frame.index, part))
    }

    fn names<'a>(&self, all: &'a [String]) -> [&'a str; 2] {
        match self {
            Self::Plane(across, up) => [&all[*across], &all[*up]],
            Self::Line(axis) => ["frame", &all[*axis]],
        }
    }
}

/// The frames of `range`: dots at their midpoints, lines from lower to upper bounds, dashes where
/// there are gaps.
pub(crate) fn path(stack: &Stack, range: &Range<u64>, view: View) -> Result<String, PictureError> {
    let frames = frames(stack, range);
    let scale = scale(&frames, view);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        write(&area, &title(stack, range), (12, 8), 18)?;
        match &scale {
            None if frames.is_empty() => write(&area, "there is no frame", (12, 30), 14)?,
            None => write(&area, "no axis moves", (12, 30), 14)?,
            Some(scale) => {
                write(&area, &legend(range, frames.len()), (12, 30), 14)?;
                chart(&area, stack.axes(), (&frames, scale))?;
            }
        }
        area.present().map_err(drawing)?;
    }
    Ok(text)
}

pub(super) fn title(stack: &Stack, range: &Range<u64>) -> String {
    let shape: Vec<String> = stack.shape().iter().map(u64::to_string).collect();
    let (shape, total) = (shape.join(" x "), stack.num_points());
    let plural = if total == 1 { "" } else { "s" };
    let all = if shape == total.to_string() {
        format!("{total} frame{plural}")
    } else {
        format!("{shape} = {total} frame{plural}")
    };
    if range.is_empty() || *range == (0..total) {
        return all;
    }
    format!("frames {} to {} of {all}", range.start, range.end - 1)
}

fn legend(range: &Range<u64>, shown: usize) -> String {
    let all = range.end - range.start;
    let legend = "dots: frames; lines: from bound to bound; dashes: gaps";
    if shown as u64 == all {
        legend.to_owned()
    } else {
        format!("{legend}; only {shown} of {all} frames are drawn")
    }
}

/// Which axes move, and so what is shown; nothing if no axis does.
fn scale(frames: &[Shown], view: View) -> Option<Scale> {
    let first = frames.first()?;
    let moves = |axis: &usize| {
        let position = first.lower[*axis];
        let rests = |frame: &Shown| {
            [&frame.lower, &frame.midpoint, &frame.upper].iter().all(|at| at[*axis] == position)
        };
        !frames.iter().all(rests)
    };
    match view {
        View::Plane(across, up) => Some(Scale::Plane(across, up)),
        View::Line(axis) => Some(Scale::Line(axis)),
        View::Moving => {
            let mut fastest = (0..first.lower.len()).rev().filter(moves);
            match (fastest.next(), fastest.next()) {
                (Some(across), Some(up)) => Some(Scale::Plane(across, up)),
                (Some(axis), None) => Some(Scale::Line(axis)),
                (None, _) => None,
            }
        }
    }
}

fn chart(
    area: &sheet::Area,
    axes: &[String],
    (frames, scale): (&[Shown], &Scale),
) -> Result<(), PictureError> {
    let places = || frames.iter().map(|frame| scale.places(frame));
    let names = scale.names(axes);
    let mut shown = [0.0..0.0, 0.0..0.0];
    for ((shown, name), axis) in shown.iter_mut().zip(names).zip(0..) {
        let ends =
            frames.iter().filter_map(|frame| frame.after_gap.as_ref().map(|end| (frame, end)));
        let ends = ends.map(|(frame, end)| scale.place(end, frame.index, 0.0)[axis]);
        let values = places().flatten().map(|place| place[axis]).chain(ends);
        let span = Span::of(name, values)?.unwrap_or(Span { low: 0.0, high: 0.0 });
        *shown = span.shown();
    }
    let [across, up] = shown.clone();
    let mut chart = ChartBuilder::on(area)
        .margin_top(52)
        .margin_right(16)
        .margin_left(4)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(across, up)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&|value| tick(*value, &shown[0]))
        .y_label_formatter(&|value| tick(*value, &shown[1]))
        .x_desc(sheet::clean(names[0]))
        .y_desc(sheet::clean(names[1]))
        .label_style(font(13))
        .draw()
        .map_err(drawing)?;
    gaps(&mut chart, (frames, scale), &shown)?;
    let lines =
        lines(frames, scale).into_iter().map(|line| PathElement::new(line, FRAME.stroke_width(1)));
    chart.draw_series(lines).map_err(drawing)?;
    let dots = places().map(|[_, [x, y], _]| Circle::new((x, y), 2, FRAME.filled()));
    chart.draw_series(dots).map_err(drawing)?;
    let (first, last) = (frames.first(), frames.last());
    if let (Some(first), Some(last)) = (first, last) {
        mark(&mut chart, "start", scale.places(first)[0], START)?;
        mark(&mut chart, "end", scale.places(last)[2], END)?;
    }
    Ok(())
}

/// A ring and a word; the end stands below its ring, so that both are seen where they coincide.
fn mark(
    chart: &mut Chart,
    word: &'static str,
    [x, y]: [f64; 2],
    color: RGBColor,
) -> Result<(), PictureError> {
    let ring = Circle::new((x, y), 5, color.stroke_width(2));
    chart.draw_series([ring]).map_err(drawing)?;
    let (place, style) = ((x, y), font(13).color(&color));
    let (across, down) = if word == "start" { (7, -14) } else { (7, 4) };
    let text = plotters::element::EmptyElement::at(place) + Text::new(word, (across, down), style);
    chart.draw_series([text]).map(drop).map_err(drawing)
}

fn gaps(
    chart: &mut Chart,
    (frames, scale): (&[Shown], &Scale),
    shown: &[Range<f64>; 2],
) -> Result<(), PictureError> {
    let gaps = frames.iter().filter_map(|frame| {
        let from = scale.place(frame.after_gap.as_ref()?, frame.index, 0.0);
        Some((from, scale.places(frame)[0])).filter(|(from, to)| from != to)
    });
    let gaps: Vec<([f64; 2], [f64; 2])> = gaps.collect();
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let pixels = |(from, to): &([f64; 2], [f64; 2])| {
        let along = |axis: usize, size: u32| {
            (to[axis] - from[axis]) / (shown[axis].end - shown[axis].start) * f64::from(size)
        };
        along(0, width).hypot(along(1, height))
    };
    let period = DASH.max(gaps.iter().map(pixels).sum::<f64>() / MOST_DASHES);
    for gap in gaps {
        let count = (pixels(&gap) / period).round().max(1.0) as usize;
        dashes(chart, gap, (count, GAP.stroke_width(1)))?;
    }
    Ok(())
}

/// One line for each stretch of frames that follow one another without a gap.
fn lines(frames: &[Shown], scale: &Scale) -> Vec<Vec<(f64, f64)>> {
    let mut lines: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut previous = None;
    for frame in frames {
        let places = scale.places(frame).map(|[x, y]| (x, y));
        let joined = previous.is_some_and(|index: u64| index + 1 == frame.index);
        match lines.last_mut().filter(|_| joined && frame.after_gap.is_none()) {
            Some(line) => line.extend(places),
            None => lines.push(places.to_vec()),
        }
        previous = Some(frame.index);
    }
    for line in &mut lines {
        line.dedup();
    }
    lines.retain(|line| line.len() > 1);
    lines
}

/// The frames that are drawn: all of a short range; of a long one, passes of the fastest
/// dimension, and frames of each.
fn frames(stack: &Stack, range: &Range<u64>) -> Vec<Shown> {
    let pass = stack.shape().last().copied().unwrap_or(1).max(1);
    let mut pair = Frames::default();
    let column = |frames: &[Vec<f64>], i: usize| frames.iter().map(|axis| axis[i]).collect();
    let mut shown = |index: u64| {
        let before = index.saturating_sub(1).max(range.start);
        stack.fill(before..index + 1, &mut pair);
        let i = (index - before) as usize;
        let after_gap = (i > 0 && pair.gap()[i]).then(|| column(pair.upper(), 0));
        Shown {
            index,
            lower: column(pair.lower(), i),
            midpoint: column(pair.midpoints(), i),
            upper: column(pair.upper(), i),
            after_gap,
        }
    };
    chosen(range, pass).into_iter().map(&mut shown).collect()
}

/// Indices of the frames to draw of `range`, where each `pass` frames are one pass.
fn chosen(range: &Range<u64>, pass: u64) -> Vec<u64> {
    let count = range.end.saturating_sub(range.start);
    if count <= MOST_FRAMES {
        return range.clone().collect();
    }
    let passes = range.start / pass..(range.end - 1) / pass + 1;
    let passes = spread(&passes, MOST_FRAMES / pass.min(LEAST_OF_A_PASS), 0);
    let each = MOST_FRAMES / passes.len() as u64;
    let of_pass = |index: u64| {
        let end = range.end.min((index + 1) * pass);
        spread(&(range.start.max(index * pass)..end), each, index)
    };
    passes.into_iter().flat_map(of_pass).collect()
}

/// At most `most` indices of a range, among them the first and the last. They are spread evenly
/// but not regularly, which would show the same places of every pass; `salt` tells passes apart.
fn spread(range: &Range<u64>, most: u64, salt: u64) -> Vec<u64> {
    let count = range.end - range.start;
    if count <= most {
        return range.clone().collect();
    }
    let begin =
        |part: u64| range.start + (u128::from(count) * u128::from(part) / u128::from(most)) as u64;
    // Multiples of the golden ratio, modulo 1, as 64 bits.
    let within = |part: u64| u128::from((part ^ (salt << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let one = |part: u64| {
        let (low, width) = (begin(part), u128::from(begin(part + 1) - begin(part)));
        low + ((width * within(part)) >> 64) as u64
    };
    let inner = (1..most.saturating_sub(1)).map(one);
    std::iter::once(range.start).chain(inner).chain([range.end - 1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_scan_is_thinned_to_a_bounded_number_of_frames() {
        let check = |range: Range<u64>, pass: u64| {
            let chosen = chosen(&range, pass);
            assert!(chosen.len() as u64 <= MOST_FRAMES, "{} of {range:?}", chosen.len());
            assert!(chosen.len() as u64 > MOST_FRAMES / 2, "{} of {range:?}", chosen.len());
            assert!(chosen.is_sorted_by(|a, b| a < b), "{range:?} in passes of {pass}");
            assert_eq!((chosen[0], chosen[chosen.len() - 1]), (range.start, range.end - 1));
            chosen
        };
        check(0..10_000_000, 100);
        check(0..10_000_000, 10_000_000);
        check(0..10_000_000, 1);
        check(17..9_999_999, 1_000);
        check(0..1 << 53, 1 << 52);
        check(0..2_001, 3);
        // A pass that is drawn is drawn from its first frame to its last.
        let grid = check(0..1_000_000, 1_000);
        assert_eq!(grid.iter().filter(|index| **index % 1_000 == 0).count(), 100);
        assert_eq!(grid.iter().filter(|index| **index % 1_000 == 999).count(), 100);
        assert_eq!(chosen(&(0..2_000), 10), (0..2_000).collect::<Vec<_>>());
        assert_eq!(chosen(&(5..5), 10), [0; 0]);
    }
}
