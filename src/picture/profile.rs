//! Positions and velocities of a trajectory against time.
use super::{
    PictureError, path,
    sheet::{self, Area, Chart, FRAME, GRID, INK, Span, dashes, drawing, font, tick, write},
    trace::{COLUMNS, Columns, Shade, Shades, Trace},
};
use crate::motion::{Motion, Point};
use bluefly_protocol::{
    plan::{AxisCapability, Capabilities, ScanPlan},
    trajectory::Cubic,
};
use plotters::{
    prelude::{
        ChartBuilder, IntoDrawingArea as _, PathElement, RGBColor, Rectangle, SVGBackend, WHITE,
    },
    style::Color as _,
};
use std::ops::Range;

const WIDTH: u32 = 720;
const TOP: u32 = 70;
/// Height of the picture of one value, and of the times below the last.
const PANEL: u32 = 120;
const BOTTOM: u32 = 44;
/// Parts in which a segment that is no straight line is drawn.
const PARTS: u32 = 8;
/// Beginnings of frames are marked where there are no more.
const MOST_MARKS: u64 = 200;

const LIMIT: RGBColor = RGBColor(214, 39, 40);
const FRAMES: RGBColor = RGBColor(219, 233, 246);
const TURN: RGBColor = RGBColor(253, 236, 217);
const BOTH: RGBColor = RGBColor(236, 234, 231);

/// Everything that is drawn, in its order of time.
struct Recorded {
    total_us: u64,
    /// Positions and velocities of each axis.
    traces: Vec<[Trace; 2]>,
    shades: Shades,
    /// When each frame begins, if there are few.
    marks_us: Vec<f64>,
}

/// The least that a panel shows, as a part of what lies between the limits.
const LEAST_SHOWN: f64 = 1e-5;

/// Positions and velocities through the frames of `range`, how they are shaded, and limits.
pub(crate) fn profile(
    (plan, beamline): (&ScanPlan, &Capabilities),
    motion: impl Fn() -> Motion,
    range: &Range<u64>,
) -> Result<String, PictureError> {
    let recorded = record(plan.axes().len(), motion, range);
    let panels = 2 * recorded.traces.len() as u32;
    let size = (WIDTH, TOP + panels * PANEL + BOTTOM);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        let seconds = recorded.total_us as f64 / 1e6;
        let title = format!("{}: {seconds} s", path::title(plan.stack(), range));
        write(&area, &title, (12, 8), 18)?;
        if recorded.total_us == 0 {
            write(&area, "there is no frame", (12, 30), 14)?;
        } else if panels == 0 {
            write(&area, "no axis moves", (12, 30), 14)?;
        } else {
            write(&area, &legend(&recorded), (12, 30), 14)?;
            let axes = plan.axes().iter().map(|axis| (axis.as_str(), &beamline.axes[axis]));
            draw(&area, &recorded, &axes.collect::<Vec<_>>())?;
        }
        area.present().map_err(drawing)?;
    }
    Ok(text)
}

fn legend(recorded: &Recorded) -> String {
    let stretches = recorded.shades.stretches();
    let both = stretches.iter().any(|(shade, _)| *shade == Shade::Both);
    let both = if both { ", grey: both in turn" } else { "" };
    let marks =
        if recorded.marks_us.is_empty() { "" } else { "; marks on top: beginnings of frames" };
    format!("blue: frames, orange: motion between them{both}; dashes: limits{marks}")
}

/// Goes through the motion twice: once for its duration, once for its values.
fn record(axes: usize, motion: impl Fn() -> Motion, range: &Range<u64>) -> Recorded {
    let total_us = motion().duration_us();
    let columns = Columns { total_us };
    let mut recorded = Recorded {
        total_us,
        traces: (0..axes).map(|_| [Trace::new(columns), Trace::new(columns)]).collect(),
        shades: Shades::new(columns),
        marks_us: vec![],
    };
    let few = range.end - range.start <= MOST_MARKS;
    let mut begun = range.start;
    let mut before: Option<Point> = None;
    for point in motion() {
        let begin_us = (point.time_us - point.duration_us) as f64;
        if point.takes_frames {
            recorded.shades.take(begin_us, point.time_us as f64);
        }
        if few {
            // The segment in which the last of them is taken may go on through any number of others.
            let marked = point.frames.min(range.end - begun);
            let each_us = point.duration_us as f64 / point.frames.max(1) as f64;
            let begins = (0..marked).map(|frame| begin_us + frame as f64 * each_us);
            recorded.marks_us.extend(begins);
            begun += marked;
        }
        for (axis, traces) in recorded.traces.iter_mut().enumerate() {
            trace(traces, axis, (before.as_ref(), &point));
        }
        before = Some(point);
    }
    recorded
}

/// Adds how one axis goes from one point to the next: a cubic with the position and velocity of
/// both at its ends, as a PVT move is.
fn trace(
    [positions, velocities]: &mut [Trace; 2],
    axis: usize,
    (from, to): (Option<&Point>, &Point),
) {
    let end_us = to.time_us as f64;
    if let Some(from) = from {
        let state = |point: &Point| (point.positions[axis], point.velocities[axis]);
        let seconds = to.duration_us as f64 / 1e6;
        let cubic = Cubic { from: state(from), to: state(to), seconds };
        let distance = cubic.to.0 - cubic.from.0;
        let off = |(_, velocity): (f64, f64)| (velocity * seconds - distance).abs();
        let straight = off(cubic.from).max(off(cubic.to)) <= 1e-9 * distance.abs();
        let parts = if straight { 1 } else { PARTS };
        for part in 1..parts {
            let elapsed = f64::from(part) / f64::from(parts);
            let time_us = from.time_us as f64 + elapsed * to.duration_us as f64;
            let (position, velocity) = cubic.at(elapsed * seconds);
            positions.push(time_us, position);
            velocities.push(time_us, velocity);
        }
    }
    positions.push(end_us, to.positions[axis]);
    velocities.push(end_us, to.velocities[axis]);
}

/// One value of one axis against time.
struct Panel<'a> {
    name: String,
    trace: &'a Trace,
    limits: [f64; 2],
    shown: Range<f64>,
    foot: Foot,
}

/// What stands below a panel.
#[derive(Clone, Copy)]
enum Foot {
    Nothing,
    Times,
}

impl Foot {
    const fn height(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Times => BOTTOM,
        }
    }
}

impl<'a> Panel<'a> {
    /// The limits belong to what is shown if that is no farther from them than it is wide.
    fn new(name: String, trace: &'a Trace, limits: [f64; 2]) -> Result<Self, PictureError> {
        let mut span = trace.span(&name)?.unwrap_or(Span { low: 0.0, high: 0.0 });
        let Span { low, high } = span;
        for limit in limits {
            if (low - (high - low)..=high + (high - low)).contains(&limit) {
                span = Span { low: span.low.min(limit), high: span.high.max(limit) };
            }
        }
        // An axis at rest is not magnified until its rounding shows.
        let least = (limits[1] - limits[0]).abs() * LEAST_SHOWN;
        let missing = (least - span.width()).max(0.0) / 2.0;
        let span = Span { low: span.low - missing, high: span.high + missing };
        Ok(Self { name, trace, limits, shown: span.shown(), foot: Foot::Nothing })
    }
}

fn draw(
    area: &Area,
    recorded: &Recorded,
    axes: &[(&str, &AxisCapability)],
) -> Result<(), PictureError> {
    let mut panels = Vec::new();
    for ((name, axis), [positions, velocities]) in axes.iter().zip(&recorded.traces) {
        let (units, limits) = (&axis.units, axis.limits);
        panels.push(Panel::new(format!("{name} ({units})"), positions, [limits.low, limits.high])?);
        let fastest = [-limits.max_velocity, limits.max_velocity];
        panels.push(Panel::new(format!("{name} ({units}/s)"), velocities, fastest)?);
    }
    if let Some(last) = panels.last_mut() {
        last.foot = Foot::Times;
    }
    let seconds = 0.0..recorded.total_us as f64 / 1e6;
    for (index, panel) in panels.iter().enumerate() {
        let top = TOP + index as u32 * PANEL;
        let (_, below) = area.split_vertically(top);
        let (this, _) = below.split_vertically(PANEL + panel.foot.height());
        let mut chart = ChartBuilder::on(&this)
            .margin_right(16)
            .margin_left(4)
            .margin_bottom(8)
            .x_label_area_size(panel.foot.height())
            .y_label_area_size(72)
            .build_cartesian_2d(seconds.clone(), panel.shown.clone())
            .map_err(drawing)?;
        if index == 0 {
            // Behind everything, so before anything; all panels have the same left and right.
            let (across, _) = chart.plotting_area().get_pixel_range();
            shade(area, recorded, (across, panels.len() as u32 * PANEL - 8))?;
        }
        fill(&mut chart, panel, &seconds)?;
        let (named, [low, high]) = (chart.plotting_area().get_pixel_range(), panel.limits);
        let place = (named.0.start + 6, named.1.start + 3);
        write(area, &format!("limits {low} and {high}"), place, 11)?;
    }
    Ok(())
}

/// Shades the columns across all panels, and marks the beginnings of frames on top of them.
fn shade(
    area: &Area,
    recorded: &Recorded,
    (across, height): (Range<i32>, u32),
) -> Result<(), PictureError> {
    let width = f64::from(across.end - across.start);
    let at = |part: f64| across.start + (part * width).round() as i32;
    let (top, bottom) = (TOP.cast_signed(), (TOP + height).cast_signed());
    for (shade, [from, to]) in recorded.shades.stretches() {
        let color = match shade {
            Shade::Frames => FRAMES,
            Shade::Turn => TURN,
            Shade::Both => BOTH,
        };
        let [from, to] = [from, to].map(|column| at(column as f64 / COLUMNS as f64));
        area.draw(&Rectangle::new([(from, top), (to, bottom)], color.filled())).map_err(drawing)?;
    }
    for begin_us in &recorded.marks_us {
        let x = at(begin_us / recorded.total_us as f64);
        area.draw(&PathElement::new([(x, top - 7), (x, top - 1)], FRAME)).map_err(drawing)?;
    }
    Ok(())
}

/// Draws ticks, limits and the value itself.
fn fill(chart: &mut Chart, panel: &Panel, seconds: &Range<f64>) -> Result<(), PictureError> {
    let times = |value: &f64| tick(*value, seconds);
    let values = |value: &f64| tick(*value, &panel.shown);
    let mut mesh = chart.configure_mesh();
    mesh.max_light_lines(0)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(8)
        .y_labels(4)
        .x_label_formatter(&times)
        .y_label_formatter(&values)
        .y_desc(sheet::clean(&panel.name))
        .label_style(font(12));
    match panel.foot {
        Foot::Nothing => {}
        Foot::Times => {
            mesh.x_desc("time (s)");
        }
    }
    mesh.draw().map_err(drawing)?;
    for limit in panel.limits.into_iter().filter(|limit| panel.shown.contains(limit)) {
        let line = ([seconds.start, limit], [seconds.end, limit]);
        dashes(chart, line, (30, LIMIT.stroke_width(1)))?;
    }
    let samples = panel.trace.samples().into_iter().map(|(us, value)| (us / 1e6, value));
    let line = PathElement::new(samples.collect::<Vec<_>>(), FRAME.stroke_width(1));
    chart.draw_series([line]).map(drop).map_err(drawing)
}
