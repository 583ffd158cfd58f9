//! The rules of a PandA that triggers detectors.
use super::{
    EncoderSpec, Others, PandaOutput, PandaOutputTable, PandaSource, PandaStart, PandaTriggersSpec,
    PandaTriggersTable, block,
};
use crate::{
    beamline::{BeamlineError, DetectorSpec, DeviceSpec, Trigger, check::word},
    name::Name,
    sequencer::{BitInput, Bus},
    trajectory::TriggerBits,
};
use std::collections::BTreeMap;

const POSITIONS: [(&str, Bus); 3] = [("POSA", Bus::A), ("POSB", Bus::B), ("POSC", Bus::C)];
const BITS: [(&str, BitInput); 3] =
    [("BITA", BitInput::A), ("BITB", BitInput::B), ("BITC", BitInput::C)];

/// Position inputs by motor.
type Positions = BTreeMap<Name, Bus>;

#[derive(Clone, Copy)]
enum Start {
    Position,
    Gate,
    Time,
}

/// What the table at `key` says, and all its position inputs, whether or not it starts on one.
pub(super) fn triggers(
    key: &str,
    table: &PandaTriggersTable,
    encoders: &BTreeMap<Name, EncoderSpec>,
    others: &Others,
) -> Result<(PandaTriggersSpec, Positions), BeamlineError> {
    let (source, positions) = match (&table.sequencer, &table.compare) {
        (Some(name), None) => {
            only_of("compare", key, &[("axis", table.axis.is_some())])?;
            let block = block(&format!("{key}.sequencer"), name)?;
            let (start_on, positions) = start(key, table, (encoders, others))?;
            (PandaSource::Sequencer { block, start_on }, positions)
        }
        (None, Some(name)) => {
            let written = [
                ("start_on", table.start_on.is_some()),
                ("positions", table.positions.is_some()),
                ("gate", table.gate.is_some()),
            ];
            only_of("sequencer", key, &written)?;
            let block = block(&format!("{key}.compare"), name)?;
            let axis = compared(key, table.axis.as_deref(), encoders)?;
            (PandaSource::Comparison { block, axis }, Positions::new())
        }
        (Some(_), Some(_)) => {
            let reason = "of sequencer and compare, one makes the triggers";
            return Err(BeamlineError::new(format!("{key}.compare"), reason));
        }
        (None, None) => {
            let reason = "missing key \"sequencer\", or \"compare\" for scans of one line";
            return Err(BeamlineError::new(key, reason));
        }
    };
    let outputs = outputs(&format!("{key}.outputs"), &table.outputs, others)?;
    Ok((PandaTriggersSpec { source, outputs }, positions))
}

/// Refuses keys that are written and belong to `other`, which is not.
fn only_of(other: &str, key: &str, keys: &[(&str, bool)]) -> Result<(), BeamlineError> {
    match keys.iter().find(|(_, is_written)| *is_written) {
        None => Ok(()),
        Some((name, _)) => {
            let reason = format!("it goes with {other}, which is not there");
            Err(BeamlineError::new(format!("{key}.{name}"), reason))
        }
    }
}

/// The motor whose encoder is compared.
fn compared(
    key: &str,
    axis: Option<&str>,
    encoders: &BTreeMap<Name, EncoderSpec>,
) -> Result<Name, BeamlineError> {
    let axis = axis.ok_or_else(|| BeamlineError::new(key, "missing key \"axis\""))?;
    let known = encoders.get_key_value(axis).map(|(name, _)| name.clone());
    known.ok_or_else(|| {
        let reason = format!("{axis:?} has no encoder: expected one in the table encoders");
        BeamlineError::new(format!("{key}.axis"), reason)
    })
}

/// What a sequencer begins a row of frames with.
fn start(
    key: &str,
    table: &PandaTriggersTable,
    (encoders, others): (&BTreeMap<Name, EncoderSpec>, &Others),
) -> Result<(PandaStart, Positions), BeamlineError> {
    let inputs = table.positions.iter().flatten();
    let positions = positions(&format!("{key}.positions"), inputs, encoders)?;
    let gate_key = format!("{key}.gate");
    let gate = table.gate.as_ref().map(|value| word(&gate_key, value, &BITS)).transpose()?;
    let start_key = format!("{key}.start_on");
    let starts = [("position", Start::Position), ("gate", Start::Gate), ("time", Start::Time)];
    let start_on = table.start_on.as_ref();
    let start_on = start_on.ok_or_else(|| BeamlineError::new(key, "missing key \"start_on\""))?;
    let start = word(&start_key, start_on, &starts)?;
    let lacks = |reason: &str| Err(BeamlineError::new(&*start_key, reason));
    let start_on = match (start, gate) {
        (Start::Position, _) if positions.is_empty() => {
            return lacks("\"position\" needs positions, such as positions = { x = \"POSA\" }");
        }
        (Start::Position, _) => PandaStart::Position(positions.clone()),
        (Start::Gate, Some(gate)) => {
            has_gate(&start_key, others)?;
            PandaStart::Gate(gate)
        }
        (Start::Gate, None) => return lacks("\"gate\" needs the input: gate = \"BITA\""),
        (Start::Time, _) => PandaStart::Time,
    };
    Ok((start_on, positions))
}

/// A gate comes from a controller that is told to say when a row begins.
fn has_gate(key: &str, others: &Others) -> Result<(), BeamlineError> {
    let controllers = others.values().filter_map(|device| match device {
        DeviceSpec::TrajectoryController(controller) => Some(controller),
        DeviceSpec::Motor(_)
        | DeviceSpec::Detector(_)
        | DeviceSpec::Generator(_)
        | DeviceSpec::Panda(_) => None,
    });
    let controllers: Vec<_> = controllers.collect();
    if let Some(first) = controllers.first()
        && controllers.iter().all(|controller| controller.trigger_bits == TriggerBits::None)
    {
        let reason = format!(
            "\"gate\": no controller says when a row begins, as device.{}.trigger_bits is \
             \"none\": expected \"row_gate\" or \"every_point\" there",
            first.name
        );
        return Err(BeamlineError::new(key, reason));
    }
    Ok(())
}

/// The name of an input, as the PandA has it.
pub(super) fn position_word(bus: Bus) -> &'static str {
    match bus {
        Bus::A => "POSA",
        Bus::B => "POSB",
        Bus::C => "POSC",
    }
}

fn positions<'t>(
    key: &str,
    table: impl Iterator<Item = (&'t String, &'t String)>,
    encoders: &BTreeMap<Name, EncoderSpec>,
) -> Result<Positions, BeamlineError> {
    let mut positions = Positions::new();
    for (axis, input) in table {
        let key = format!("{key}.{axis}");
        let Some((axis, _)) = encoders.get_key_value(axis.as_str()) else {
            let reason = format!("{axis:?} has no encoder: expected one in the table encoders");
            return Err(BeamlineError::new(key, reason));
        };
        let bus = word(&key, input, &POSITIONS)?;
        if let Some((other, _)) = positions.iter().find(|(_, other)| **other == bus) {
            let reason = format!("{input:?} is already the input of {other}");
            return Err(BeamlineError::new(key, reason));
        }
        positions.insert(axis.clone(), bus);
    }
    Ok(positions)
}

fn outputs(
    key: &str,
    table: &BTreeMap<String, PandaOutputTable>,
    others: &Others,
) -> Result<BTreeMap<Name, PandaOutput>, BeamlineError> {
    let mut outputs: BTreeMap<Name, PandaOutput> = BTreeMap::new();
    for (name, table) in table {
        let key = format!("{key}.{name}");
        let Some(DeviceSpec::Detector(detector)) = others.get(name.as_str()) else {
            return Err(BeamlineError::new(key, format!("{name:?} is no device of type detector")));
        };
        let output = output(&key, table, detector)?;
        let shared = |other: &PandaOutput| other.pulse.is_some() && other.pulse == output.pulse;
        if let Some((other, _)) = outputs.iter().find(|(_, other)| shared(other)) {
            let pulse = table.pulse.as_deref().unwrap_or_default();
            let reason = format!("{pulse:?} already makes the pulses of {other}");
            return Err(BeamlineError::new(format!("{key}.pulse"), reason));
        }
        outputs.insert(detector.name.clone(), output);
    }
    Ok(outputs)
}

/// A detector that takes one pulse for each frame, as long as that is live, needs no other pulses.
fn output(
    key: &str,
    table: &PandaOutputTable,
    detector: &DetectorSpec,
) -> Result<PandaOutput, BeamlineError> {
    if matches!(detector.trigger, Trigger::Internal | Trigger::Software) {
        let reason = format!("trigger = {:?}: it waits for no pulse", detector.trigger.as_str());
        return Err(BeamlineError::new(key, reason));
    }
    let output = block(&format!("{key}.output"), &table.output)?;
    let key = format!("{key}.pulse");
    let pulse = table.pulse.as_ref().map(|pulse| block(&key, pulse)).transpose()?;
    let exposures = detector.exposures_per_frame.get();
    let lacks = |what: String| {
        let reason = format!("missing: {what}, which needs a block such as pulse = \"PULSE1\"");
        Err(BeamlineError::new(&*key, reason))
    };
    match (&pulse, detector.trigger, detector.exposure) {
        (None, _, _) if exposures > 1 => {
            return lacks(format!("the detector exposes {exposures} times in each frame"));
        }
        (None, Trigger::Gate, Some(exposure)) => {
            return lacks(format!("the detector exposes for {exposure:?} of each frame"));
        }
        (Some(_) | None, _, _) => {}
    }
    Ok(PandaOutput { output, pulse })
}
