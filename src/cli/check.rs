//! `bluefly check`: validates a beamline file and lists what is in it.
use super::{CliError, Format, scan};
use crate::{
    beamline_file,
    hardware::Wiring,
    survey::{Answers, survey},
};
use bluefly_actors::system::real_system;
use bluefly_protocol::{
    beamline::{BeamlineSpec, DeviceSpec},
    name::Name,
};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    path::PathBuf,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bluefly check etc/sim.toml --connect")]
pub(crate) struct Arguments {
    /// The beamline file
    #[arg(value_name = "BEAMLINE.toml")]
    beamline: PathBuf,
    /// Connect to every device and tell what answered
    #[arg(long)]
    connect: bool,
    /// With --connect: simulate every device, whatever its provider
    #[arg(long, requires = "connect")]
    sim: bool,
    /// A table, or the same as JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the devices of a file that is right. Fails if one that was to be connected did not
/// answer, having printed all.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let spec = beamline_file::read(&arguments.beamline)?;
    let answers = if arguments.connect {
        let wiring = if arguments.sim {
            Wiring::Simulated
        } else {
            scan::as_written(&spec, &arguments.beamline)?
        };
        real_system().block_on(async { Ok(survey(&spec, &wiring.hardware(&spec)?).await) })?
    } else {
        Answers::new()
    };
    let mut out = io::stdout().lock();
    let written = match arguments.format {
        Format::Text => write_table(&mut out, &spec, &answers),
        Format::Json => serde_json::to_writer(&mut out, &listing(&spec, &answers))
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out)),
    };
    written.and_then(|()| out.flush()).map_err(|error| CliError::output(&error))?;
    let silent: Vec<&str> = answers
        .iter()
        .filter(|(_, answer)| answer.is_err())
        .map(|(name, _)| name.as_str())
        .collect();
    if silent.is_empty() {
        return Ok(());
    }
    let file = arguments.beamline.display().to_string();
    Err(CliError::failed(file, format!("did not connect: {}", silent.join(", "))))
}

fn write_table(out: &mut impl Write, spec: &BeamlineSpec, answers: &Answers) -> io::Result<()> {
    writeln!(out, "beamline {}: {} devices", spec.name, spec.devices.len())?;
    let rows = spec.devices.values().map(|device| {
        let provider = device.provider().to_string();
        let said = match answers.get(device.name()) {
            None => details(device),
            Some(Ok(answer)) => format!("connected: {answer}"),
            Some(Err(error)) => format!("NOT CONNECTED: {error}"),
        };
        [device.name().to_string(), device.device_type().as_str().into(), provider, said]
    });
    let header = ["NAME", "TYPE", "PROVIDER", "DETAILS"].map(String::from);
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let [name, kind, provider] = [0, 1, 2].map(|column| width(column).unwrap_or(0));
    for [a, b, c, d] in &rows {
        writeln!(out, "{a:name$}  {b:kind$}  {c:provider$}  {d}")?;
    }
    Ok(())
}

fn listing(spec: &BeamlineSpec, answers: &Answers) -> Value {
    let device = |device: &DeviceSpec| {
        let mut listed = json!({
            "name": device.name(),
            "type": device.device_type().as_str(),
            "provider": device.provider().to_string(),
            "details": details(device),
        });
        if let Some(answer) = answers.get(device.name()) {
            listed["connected"] = json!(answer.is_ok());
            listed["answer"] = json!(answer.as_ref().unwrap_or_else(|error| error));
        }
        listed
    };
    let devices: Vec<Value> = spec.devices.values().map(device).collect();
    json!({"beamline": spec.name, "devices": devices})
}

/// What a device can do, in a few words.
fn details(device: &DeviceSpec) -> String {
    match device {
        DeviceSpec::Motor(motor) => {
            let (limits, units) = (&motor.limits, &motor.units);
            let (velocity, acceleration) = (limits.max_velocity, limits.max_acceleration);
            let range = format!("{} to {} {units}", limits.low, limits.high);
            format!("{range}, {velocity} {units}/s, {acceleration} {units}/s^2")
        }
        DeviceSpec::TrajectoryController(controller) => {
            let axes: Vec<&str> = controller.axes.iter().map(Name::as_str).collect();
            let (points, bits) = (controller.points.as_str(), controller.trigger_bits.as_str());
            let (least, most) = (controller.min_segment_duration, controller.max_segment_duration);
            let turnaround = controller.min_turnaround;
            format!(
                "axes {}, points {points}, trigger bits {bits}, segments {least:?} to {most:?}, \
                 turnaround {turnaround:?} at least",
                axes.join(", ")
            )
        }
        DeviceSpec::Detector(detector) => {
            let [rows, columns] = detector.shape;
            let (dtype, trigger) = (detector.dtype.as_str(), detector.trigger.as_str());
            let dead_time = detector.dead_time;
            let exposures = match detector.exposures_per_frame.get() {
                1 => String::new(),
                number => format!(", {number} exposures per frame"),
            };
            format!(
                "{rows} x {columns} {dtype}, dead time {dead_time:?}, trigger {trigger}{exposures}"
            )
        }
        DeviceSpec::Generator(_) => "works out the frames of a scan".to_owned(),
    }
}
