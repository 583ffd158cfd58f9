//! `bluefly profile`: the trajectory of a scan on a beamline.
use super::{CliError, points};
use crate::{
    assembly::capabilities,
    beamline_file,
    motion::{self, Motion, Point},
    picture,
};
use bluefly_protocol::{
    name::Name,
    plan::{Capabilities, ScanPlan},
    trajectory::{Mark, TriggerBits},
};
use clap::ValueEnum;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::{
    io::{self, BufWriter, Write},
    ops::Range,
    path::PathBuf,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: bluefly profile etc/demo.json --beamline etc/sim.toml --num 300 --format svg > profile.svg"
)]
pub(crate) struct Arguments {
    /// The scan specification; `-` reads standard input
    #[arg(value_name = "SPEC.json")]
    spec: PathBuf,
    /// The beamline file
    #[arg(long, value_name = "FILE")]
    beamline: PathBuf,
    /// Index of the first frame: the motion to it starts at rest, as it does when a scan is resumed
    #[arg(long, value_name = "N", default_value_t = 0)]
    start: u64,
    /// Number of frames: the motion is shown to the point where they are complete; to standstill
    /// after the last frame if not given
    #[arg(long, value_name = "N")]
    num: Option<u64>,
    /// Which user programs the controller calls at its points, to tell the trigger hardware
    #[arg(long, value_enum, default_value_t)]
    user_programs: UserPrograms,
    /// Point by point, or a picture of positions and velocities against time
    #[arg(long, value_enum, default_value_t)]
    format: ProfileFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ProfileFormat {
    #[default]
    Json,
    Svg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum UserPrograms {
    /// Those of a run
    #[default]
    Planned,
    /// 1 where rows start, 8 where they end
    RowGate,
    /// 1, 4 and 2 at bounds, midpoints and ends of rows, 8 elsewhere
    EveryPoint,
}

/// Prints the trajectory of a scan that can be flown.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let (spec, stack) = points::read(&arguments.spec)?;
    let range = points::range(&stack, arguments.start, arguments.num)?;
    let beamline = capabilities(&beamline_file::read(&arguments.beamline)?);
    let wrong =
        |error: &dyn ToString| CliError::input(points::named(&arguments.spec), error.to_string());
    let plan = ScanPlan::new(spec, &beamline).map_err(|error| wrong(&error))?;
    let bits = match arguments.user_programs {
        UserPrograms::Planned => plan.planner().trigger_bits(),
        UserPrograms::RowGate => TriggerBits::RowGate,
        UserPrograms::EveryPoint => TriggerBits::EveryPoint,
    };
    let planner = motion::planner(&plan, bits).map_err(|error| wrong(&format!("$: {error}")))?;
    let motion = || Motion::new(&plan, &planner, &range);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match arguments.format {
        ProfileFormat::Json => write_json(&mut out, (&plan, &beamline), (motion(), &range)),
        ProfileFormat::Svg => {
            let drawn = picture::profile((&plan, &beamline), motion, &range);
            out.write_all(
                drawn.map_err(|error| points::undrawn(&arguments.spec, &error))?.as_bytes(),
            )
        }
    };
    written.and_then(|()| out.flush()).map_err(|error| CliError::output(&error))
}

fn write_json(
    out: &mut impl Write,
    (plan, beamline): (&ScanPlan, &Capabilities),
    (motion, range): (Motion, &Range<u64>),
) -> io::Result<()> {
    let units = |axis| (format!("{axis}"), json!(beamline.axes[axis].units));
    let units: Map<String, Value> = plan.axes().iter().map(units).collect();
    let head = json!({
        "axes": plan.axes(), "units": units, "controller": plan.controller(),
        "start": range.start, "num_frames": range.end - range.start,
    });
    let head = head.to_string();
    write!(out, "{},\"points\":", head.strip_suffix('}').unwrap_or_default())?;
    let mut separator = "[";
    let (mut num_points, mut duration_us) = (0_u64, 0);
    for point in motion {
        out.write_all(separator.as_bytes())?;
        write_point(out, plan.axes(), &point)?;
        separator = ",";
        (num_points, duration_us) = (num_points + 1, point.time_us);
    }
    out.write_all(if separator == "[" { b"[]" } else { b"]" })?;
    writeln!(out, ",\"num_points\":{num_points},\"duration_us\":{duration_us}}}")
}

/// A point as it is printed.
#[derive(Serialize)]
struct Printed<'a> {
    time_us: u64,
    duration_us: u64,
    positions: ByAxis<'a>,
    velocities: ByAxis<'a>,
    mark: &'static str,
    velocity_mode: u8,
    user_program: u8,
    frames: u64,
    completed: u64,
}

/// Values under the names of their axes.
struct ByAxis<'a> {
    axes: &'a [Name],
    values: &'a [f64],
}

impl Serialize for ByAxis<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.axes.iter().zip(self.values))
    }
}

fn named(mark: Mark) -> &'static str {
    match mark {
        Mark::Within => "within",
        Mark::RowStart => "row_start",
        Mark::Midpoint => "midpoint",
        Mark::FrameEnd => "frame_end",
        Mark::Join => "join",
        Mark::RowEnd => "row_end",
        Mark::Turnaround => "turnaround",
        Mark::RunDown => "run_down",
        Mark::Entry => "entry",
    }
}

fn write_point(out: &mut impl Write, axes: &[Name], point: &Point) -> io::Result<()> {
    let printed = Printed {
        time_us: point.time_us,
        duration_us: point.duration_us,
        positions: ByAxis { axes, values: &point.positions },
        velocities: ByAxis { axes, values: &point.velocities },
        mark: point.mark.map_or("start", named),
        velocity_mode: point.velocity_mode as u8,
        user_program: point.user_program,
        frames: point.frames,
        completed: point.completed,
    };
    serde_json::to_writer(out, &printed).map_err(io::Error::from)
}
