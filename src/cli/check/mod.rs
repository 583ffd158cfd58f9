//! `bluefly check`: validates a beamline file and lists what is in it.
mod remarks;
mod signals;

use super::{
    CliError, Format,
    table::{Align, table},
    text::one_line,
};
use crate::{
    beamline_file, epics,
    hardware::Wiring,
    survey::{Answer, Answers, survey},
};
use bluefly_actors::{clock::Clock, system::real_system};
use bluefly_protocol::{
    beamline::{BeamlineSpec, DeviceSpec, PandaSpec, Scheme},
    name::Name,
    panda::wiring::Loose,
};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    path::PathBuf,
};

const HELP: &str = "\
Exit status: 0 the file is right, and with --connect everything answered and is as expected;
2 the command line or the file is wrong; 4 something did not answer, or is not as expected.
Example: bluefly check etc/sim.toml --connect";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// The beamline file
    #[arg(value_name = "BEAMLINE.toml")]
    beamline: PathBuf,
    /// Connect to every signal of every device, and tell what answered and what is not as expected
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
/// answer, or is not what the file or its record expects, having printed all.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let spec = beamline_file::read(&arguments.beamline)?;
    let answers = if arguments.connect {
        let wiring = if arguments.sim {
            Wiring::Simulated
        } else {
            Wiring::as_written(&spec, &arguments.beamline)?
        };
        let mut answers = real_system().block_on(async {
            let clock = Clock::real();
            let hardware = wiring.hardware(&spec, &clock)?;
            Ok::<_, CliError>(survey(&spec, &hardware, &clock).await)
        })?;
        if wiring == Wiring::AsWritten {
            say_where(&spec, &mut answers);
        }
        answers
    } else {
        Answers::new()
    };
    let mut out = io::stdout().lock();
    let written = match arguments.format {
        Format::Text => out.write_all(tables(&spec, &answers).as_bytes()),
        Format::Json => serde_json::to_writer(&mut out, &listing(&spec, &answers))
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out)),
    };
    written.and_then(|()| out.flush()).map_err(|error| CliError::output(&error))?;
    let trouble = trouble(&answers);
    if trouble.is_empty() {
        return Ok(());
    }
    Err(CliError::failed(arguments.beamline.display().to_string(), trouble.join("; ")))
}

/// Adds where they were looked for to the devices that were not found.
fn say_where(spec: &BeamlineSpec, answers: &mut Answers) {
    for (name, answer) in answers {
        let is_ca = spec.devices.get(name).is_some_and(|d| d.provider().scheme == Scheme::Ca);
        if is_ca && let (true, Err(error)) = (answer.is_silent(), &mut answer.said) {
            *error = format!("{error}; {}", epics::looked_at());
        }
    }
}

/// The devices that did not answer, and those that are not what they should be.
fn trouble(answers: &Answers) -> Vec<String> {
    let named = |what: &str, is_so: fn(&Answer) -> bool| {
        let names = answers.iter().filter(|(_, answer)| is_so(answer));
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
    };
    let silent = named("did not connect", |answer| answer.said.is_err());
    let wrong = named("not as expected", |answer| answer.mismatches().next().is_some());
    silent.into_iter().chain(wrong).collect()
}

fn tables(spec: &BeamlineSpec, answers: &Answers) -> String {
    let title = format!("beamline {}: {} devices\n", spec.name, spec.devices.len());
    let rows = spec.devices.values().map(|device| {
        let provider = device.provider().to_string();
        let said = answers.get(device.name()).map_or_else(|| details(device), told);
        [device.name().to_string(), device.device_type().as_str().into(), provider, said]
    });
    let header = ["NAME", "TYPE", "PROVIDER", "DETAILS"].map(|name| (name, Align::Left));
    let devices = table(header, rows);
    let signals = if answers.is_empty() {
        String::new()
    } else {
        format!("\n{}{}", signals::signals_table(answers), wires_table(answers))
    };
    let remarks = remarks::remarks(spec).into_iter();
    remarks.fold(format!("{title}{devices}{signals}"), |text, remark| {
        format!("{text}remark: {remark}\n")
    })
}

/// What of each PandA is not set up as the file says; nothing if all is.
fn wires_table(answers: &Answers) -> String {
    let rows = answers.iter().flat_map(|(device, answer)| {
        answer.loose.iter().map(|Loose { wire, found }| {
            let texts = [device.as_str(), &wire.field.to_string(), found, &wire.value, &wire.key];
            texts.map(one_line)
        })
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let header = ["DEVICE", "FIELD", "FOUND", "TO BE SET", "KEY"].map(|name| (name, Align::Left));
    format!("\n{}", table(header, rows.into_iter()))
}

fn loose(Loose { wire, found }: &Loose) -> Value {
    json!({"field": wire.field.to_string(), "found": found, "wanted": wire.value, "key": wire.key})
}

fn told(answer: &Answer) -> String {
    let said = match &answer.said {
        Ok(said) => format!("connected: {said}"),
        Err(error) => format!("NOT CONNECTED: {error}"),
    };
    let mismatches = answer.mismatches.iter();
    mismatches.fold(said, |told, mismatch| format!("{told}; BUT {mismatch}"))
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
            let signals: Vec<Value> = answer.signals.iter().map(signals::listed).collect();
            listed["connected"] = json!(answer.said.is_ok());
            listed["answer"] = json!(answer.said.as_ref().unwrap_or_else(|error| error));
            listed["mismatches"] = json!(answer.mismatches);
            listed["signals"] = json!(signals);
            listed["loose"] = answer.loose.iter().map(loose).collect();
        }
        listed
    };
    let devices: Vec<Value> = spec.devices.values().map(device).collect();
    json!({"beamline": spec.name, "devices": devices, "remarks": remarks::remarks(spec)})
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
        DeviceSpec::Panda(panda) => panda_details(panda),
    }
}

fn panda_details(panda: &PandaSpec) -> String {
    let names = |names: Vec<&Name>| {
        let names: Vec<&str> = names.into_iter().map(Name::as_str).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let triggers = match &panda.triggers {
        Some(triggers) => {
            let detectors = if triggers.outputs.is_empty() {
                "no other".to_owned()
            } else {
                names(triggers.outputs.keys().collect())
            };
            format!("{} triggers {detectors}", triggers.source.block())
        }
        None => "triggers nothing".to_owned(),
    };
    let columns: usize = panda.capture.iter().map(|captured| captured.captures.len()).sum();
    let (encoders, wires) = (names(panda.encoders.keys().collect()), panda.wiring.len());
    format!("{triggers}, encoders of {encoders}, {columns} columns captured, {wires} settings")
}
