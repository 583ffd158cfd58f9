//! What all pictures share: the sheet, its colours and texts, and spans of values.
use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::{Cartesian2d, ChartContext, DrawingArea, PathElement, RGBColor, SVGBackend, Text},
    style::{IntoFont as _, ShapeStyle, TextStyle},
};
use std::{fmt::Display, ops::Range};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a> =
    ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
pub(super) const GRID: RGBColor = RGBColor(225, 225, 225);
pub(super) const FRAME: RGBColor = RGBColor(31, 119, 180);
pub(super) const GAP: RGBColor = RGBColor(150, 150, 150);
pub(super) const START: RGBColor = RGBColor(44, 160, 44);
pub(super) const END: RGBColor = RGBColor(214, 39, 40);

/// Values beyond it are not drawn: their differences would be no numbers any more.
const LARGEST: f64 = 1e100;
/// The narrowest span that is drawn, and that as a part of the values in it: ticks are numbers too.
const NARROWEST: (f64, f64) = (1e-12, 1e-9);
/// Characters of a name or a line of text that are shown.
const LONGEST_TEXT: usize = 120;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    #[error("{name}: {value} is too large to be drawn: at most {LARGEST:e} is")]
    TooLarge { name: String, value: f64 },
    #[error("cannot draw: {0}")]
    Drawing(String),
}

/// The error of drawing, whatever kind it is.
pub(super) fn drawing(error: impl Display) -> PictureError {
    PictureError::Drawing(error.to_string())
}

/// The least and the greatest of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Span {
    /// The span of `values`, which are called `name` where they are too large; none of no values.
    pub(super) fn of(
        name: &str,
        values: impl IntoIterator<Item = f64>,
    ) -> Result<Option<Self>, PictureError> {
        let mut span: Option<Self> = None;
        for value in values {
            if value.is_nan() || value.abs() > LARGEST {
                return Err(PictureError::TooLarge { name: name.to_owned(), value });
            }
            let Self { low, high } = span.unwrap_or(Self { low: value, high: value });
            span = Some(Self { low: low.min(value), high: high.max(value) });
        }
        Ok(span)
    }

    pub(super) fn width(self) -> f64 {
        self.high - self.low
    }

    /// What is shown of an axis: the span with some margin, never too narrow for ticks.
    pub(super) fn shown(self) -> Range<f64> {
        let (part, largest) = (0.06, self.low.abs().max(self.high.abs()));
        let margin = (part * self.width()).max(NARROWEST.0).max(NARROWEST.1 * largest);
        self.low - margin..self.high + margin
    }
}

/// A text that XML can hold, of bounded length.
pub(super) fn clean(text: &str) -> String {
    let fits = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let mut shown: String =
        text.chars().take(LONGEST_TEXT).map(|c| if fits(c) { c } else { '\u{fffd}' }).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        shown.push('\u{2026}');
    }
    shown
}

/// A tick with as many digits as tell it from its neighbours.
pub(super) fn tick(value: f64, shown: &Range<f64>) -> String {
    let step = (shown.end - shown.start) / 20.0;
    let digits = -step.log10().floor();
    if digits > 9.0 || shown.start.abs().max(shown.end.abs()) >= 1e7 {
        return format!("{value:e}");
    }
    let text = format!("{value:.*}", digits.max(0.0) as usize);
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

pub(super) fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Writes a line of text with its upper left corner at `place`.
pub(super) fn write(
    area: &Area,
    text: &str,
    place: (i32, i32),
    size: u32,
) -> Result<(), PictureError> {
    area.draw(&Text::new(clean(text), place, font(size))).map_err(drawing)
}

/// Draws a straight line as `count` dashes.
pub(super) fn dashes(
    chart: &mut Chart,
    (from, to): ([f64; 2], [f64; 2]),
    (count, style): (usize, ShapeStyle),
) -> Result<(), PictureError> {
    let at = |part: f64| {
        let along = |axis: usize| from[axis] + (to[axis] - from[axis]) * part;
        (along(0), along(1))
    };
    let ends = |index: usize| [0.25, 0.75].map(|end| at((index as f64 + end) / count as f64));
    let lines = (0..count).map(|index| PathElement::new(ends(index), style));
    chart.draw_series(lines).map(drop).map_err(drawing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_the_digits_that_they_need() {
        let check = |value, shown, expected| assert_eq!(tick(value, &shown), expected);
        check(0.5, 0.0..10.0, "0.5");
        check(20.0, 0.0..100.0, "20");
        check(-0.0, -1.0..1.0, "0");
        check(0.00012, 0.0..0.0003, "0.00012");
        check(1e9, 0.0..1e9, "1e9");
        check(3e-11, 0.0..1e-10, "3e-11");
    }

    #[test]
    fn names_become_texts_that_xml_can_hold() {
        assert_eq!(clean("a<b"), "a<b");
        assert_eq!(clean("a\u{1}\nb\u{ffff}"), "a\u{fffd}\u{fffd}b\u{fffd}");
        assert_eq!(clean(&"x".repeat(500)).chars().count(), 121);
    }

    #[test]
    fn a_span_is_never_too_narrow_for_ticks() {
        let shown = |low, high| Span { low, high }.shown();
        assert_eq!(shown(0.0, 100.0), -6.0..106.0);
        assert_eq!(shown(0.0, 0.0), -1e-12..1e-12);
        let far = shown(1e9, 1e9);
        assert_eq!(far.end - far.start, 2.0);
        assert_eq!(Span::of("x", []).unwrap(), None);
        assert!(Span::of("x", [0.0, 1e300]).is_err());
    }
}
