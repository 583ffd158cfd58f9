//! `bluefly points`: the frames of a scan specification.
use super::CliError;
use crate::picture::{self, PictureError, View};
use bluefly_actors::clock::Clock;
use bluefly_protocol::scan::{Frames, Spec, SpecError, Stack};
use clap::ValueEnum;
use serde_json::json;
use std::{
    fs,
    io::{self, BufWriter, Read as _, Write},
    ops::Range,
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: bluefly points etc/demo.json --start 98 --num 4 --format csv\n         bluefly points etc/demo.json --format svg > path.svg"
)]
pub(crate) struct Arguments {
    /// The scan specification; `-` reads standard input
    #[arg(value_name = "SPEC.json")]
    spec: PathBuf,
    /// Index of the first frame
    #[arg(long, value_name = "N", default_value_t = 0)]
    start: u64,
    /// Number of frames; all that follow if not given
    #[arg(long, value_name = "N")]
    num: Option<u64>,
    /// Columns, rows, a picture of the path, or nothing but how many there are and how long it
    /// took to compute them
    #[arg(long, value_enum, default_value_t)]
    format: PointsFormat,
    /// With --format svg: the axis from left to right and the one upwards, or one axis, which is
    /// drawn against the frames. If not given, the two fastest axes that move. May be given once
    /// for each axis, as one that has a comma in its name needs
    #[arg(long, value_name = "X,Y")]
    axes: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PointsFormat {
    #[default]
    Json,
    Csv,
    Svg,
    None,
}

/// Frames computed at a time: memory does not grow with the scan.
const CHUNK_FRAMES: u64 = 4_096;

/// Prints the frames that were asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let (_, stack) = read(&arguments.spec)?;
    let range = range(&stack, arguments.start, arguments.num)?;
    let view = view(arguments, &stack)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match arguments.format {
        PointsFormat::Json => write_json(&mut out, &stack, &range),
        PointsFormat::Csv => write_csv(&mut out, &stack, &range),
        PointsFormat::Svg => {
            let drawn = picture::path(&stack, &range, view);
            out.write_all(drawn.map_err(|error| undrawn(&arguments.spec, &error))?.as_bytes())
        }
        PointsFormat::None => write_summary(&mut out, &stack, &range),
    };
    written.and_then(|()| out.flush()).map_err(|error| CliError::output(&error))
}

/// The frames from `start` on, `num` of them or all that there are.
pub(super) fn range(stack: &Stack, start: u64, num: Option<u64>) -> Result<Range<u64>, CliError> {
    let end = stack.num_points();
    if start > end {
        let reason = format!("{start} is beyond the end: the scan has {end} frames");
        return Err(CliError::usage("--start", reason));
    }
    Ok(start..start + num.unwrap_or(end).min(end - start))
}

/// What the picture is to show.
fn view(arguments: &Arguments, stack: &Stack) -> Result<View, CliError> {
    let wrong = |reason: String| CliError::usage("--axes", reason);
    if !arguments.axes.is_empty() && arguments.format != PointsFormat::Svg {
        return Err(wrong("is of use with --format svg only".to_owned()));
    }
    let is_axis = |name: &str| stack.axes().iter().any(|axis| axis == name);
    let names = arguments.axes.iter().flat_map(|given| {
        if is_axis(given) { vec![given.as_str()] } else { given.split(',').collect() }
    });
    let index = |name: &str| {
        let index = stack.axes().iter().position(|axis| axis == name);
        let known = || match stack.axes() {
            [] => "none".to_owned(),
            axes => axes.join(", "),
        };
        index.ok_or_else(|| wrong(format!("no axis {name:?} in this scan: it has {}", known())))
    };
    match names.collect::<Vec<_>>().as_slice() {
        [] => Ok(View::Moving),
        [axis] => Ok(View::Line(index(axis)?)),
        [across, up] => Ok(View::Plane(index(across)?, index(up)?)),
        more => Err(wrong(format!("{} axes given: a picture has one or two", more.len()))),
    }
}

/// The error of a picture of the specification at `path`.
pub(super) fn undrawn(path: &Path, error: &PictureError) -> CliError {
    match error {
        PictureError::TooLarge { .. } => CliError::input(named(path), error.to_string()),
        PictureError::Drawing(_) => CliError::failed(named(path), error.to_string()),
    }
}

/// What the file at `path` is called in errors.
pub(super) fn named(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

/// The specification at `path` and its stack; an error names file, node, value and rule.
pub(super) fn read(path: &Path) -> Result<(Spec, Stack), CliError> {
    let mut text = String::new();
    let file = named(path);
    let read = if path == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|error| CliError::input(&file, format!("cannot read the file: {error}")))?;
    let wrong = |error| {
        let SpecError { path, value, rule } = error;
        CliError::input(format!("{file}: {path}"), format!("{value} {rule}"))
    };
    let spec: Spec = text.parse().map_err(wrong)?;
    let stack = Stack::new(&spec).map_err(wrong)?;
    Ok((spec, stack))
}

/// Hands the frames of `range` to `each`, one chunk after the other.
fn for_each_chunk(
    stack: &Stack,
    range: &Range<u64>,
    mut each: impl FnMut(&Frames) -> io::Result<()>,
) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min(start + CHUNK_FRAMES);
        stack.fill(start..end, &mut frames);
        each(&frames)?;
        start = end;
    }
    Ok(())
}

/// The same keys as scanspec's own frames have, column after column; of a file of scanpointgenerator
/// also the delay after each frame and its index in each dimension.
///
/// For each column the frames are computed again: the next column follows the last row of the one
/// before, so that to keep them would take memory that grows with the scan.
fn write_json(out: &mut impl Write, stack: &Stack, range: &Range<u64>) -> io::Result<()> {
    let head = json!({
        "axes": stack.axes(), "shape": stack.shape(), "snaked": stack.snaked(),
        "num_points": stack.num_points(),
    });
    let head = head.to_string();
    write!(out, "{},\"frames\":{{", head.trim_end_matches('}'))?;
    write_positions(out, "midpoints", stack, range, Frames::midpoints)?;
    write_positions(out, "lower", stack, range, Frames::lower)?;
    write_positions(out, "upper", stack, range, Frames::upper)?;
    write!(out, "\"gap\":")?;
    write_column(out, stack, range, |frames, i| frames.gap()[i])?;
    write!(out, ",\"duration\":")?;
    if stack.has_duration() {
        write_column(out, stack, range, duration_s)?;
    } else {
        write!(out, "null")?;
    }
    if let Some(delay) = stack.delay_after_s() {
        write!(out, ",\"delay_after\":")?;
        write_column(out, stack, range, |_, _| delay)?;
        write!(out, ",\"indexes\":")?;
        write_column(out, stack, range, |frames, i| stack.indexes(frames.start() + i as u64))?;
    }
    writeln!(out, "}}}}")
}

fn duration_s(frames: &Frames, i: usize) -> Option<f64> {
    frames.duration_s().map(|durations| durations[i])
}

fn write_positions(
    out: &mut impl Write,
    key: &str,
    stack: &Stack,
    range: &Range<u64>,
    column: for<'f> fn(&'f Frames) -> &'f [Vec<f64>],
) -> io::Result<()> {
    write!(out, "\"{key}\":{{")?;
    for (axis, name) in stack.axes().iter().enumerate() {
        let separator = if axis == 0 { "" } else { "," };
        write!(out, "{separator}{}:", json!(name))?;
        write_column(out, stack, range, |frames, i| column(frames)[axis][i])?;
    }
    write!(out, "}},")
}

fn write_column<T: serde::Serialize>(
    out: &mut impl Write,
    stack: &Stack,
    range: &Range<u64>,
    value: impl Fn(&Frames, usize) -> T,
) -> io::Result<()> {
    let mut separator = "[";
    for_each_chunk(stack, range, |frames| {
        for i in 0..frames.len() {
            out.write_all(separator.as_bytes())?;
            serde_json::to_writer(&mut *out, &value(frames, i))?;
            separator = ",";
        }
        Ok(())
    })?;
    out.write_all(if separator == "[" { b"[]" } else { b"]" })
}

/// One row per frame: index, midpoint, lower and upper of each axis, gap, duration in seconds; of a
/// file of scanpointgenerator also the delay after it and its index in each dimension.
fn write_csv(out: &mut impl Write, stack: &Stack, range: &Range<u64>) -> io::Result<()> {
    write!(out, "index")?;
    for axis in stack.axes() {
        for column in [axis.clone(), format!("{axis}_lower"), format!("{axis}_upper")] {
            write!(out, ",{}", quoted(&column))?;
        }
    }
    write!(out, ",gap,duration")?;
    if stack.delay_after_s().is_some() {
        write!(out, ",delay_after")?;
        (0..stack.shape().len()).try_for_each(|dimension| write!(out, ",index_{dimension}"))?;
    }
    writeln!(out)?;
    for_each_chunk(stack, range, |frames| {
        for i in 0..frames.len() {
            write!(out, "{}", frames.start() + i as u64)?;
            for axis in 0..stack.axes().len() {
                let [mid, low, high] =
                    [frames.midpoints(), frames.lower(), frames.upper()].map(|c| c[axis][i]);
                write!(out, ",{mid:?},{low:?},{high:?}")?;
            }
            write!(out, ",{},", u8::from(frames.gap()[i]))?;
            if let Some(duration) = duration_s(frames, i) {
                write!(out, "{duration:?}")?;
            }
            if let Some(delay) = frames.delay_after_s() {
                write!(out, ",{delay:?}")?;
                let indexes = stack.indexes(frames.start() + i as u64);
                indexes.iter().try_for_each(|index| write!(out, ",{index}"))?;
            }
            writeln!(out)?;
        }
        Ok(())
    })
}

/// A field of a CSV file, as RFC 4180 has it.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn write_summary(out: &mut impl Write, stack: &Stack, range: &Range<u64>) -> io::Result<()> {
    let clock = Clock::real();
    let started = clock.now();
    let mut num_frames = 0;
    for_each_chunk(stack, range, |frames| {
        num_frames += frames.len();
        Ok(())
    })?;
    let seconds = (clock.now() - started).as_secs_f64();
    let rate = num_frames as f64 / seconds.max(1e-9) / 1e6;
    writeln!(out, "{num_frames} frames in {seconds:.6} s ({rate:.1} million/s)")
}
