//! [`Wiring`]: what the fields of a PandA are set to, each once.
use super::{EncoderSpec, PandaSource, PandaTriggersSpec, field, spec::ROW_LATENCY};
use crate::{
    beamline::{BeamlineError, check::at},
    name::Name,
    panda::{
        Capture,
        control::Command,
        describe::{BlockName, Captured, FieldName},
        silence::{Silence, silence},
        wiring::Wire,
    },
    sequencer::Bus,
};
use std::{collections::BTreeMap, num::NonZeroU32};

/// What fields are set to, as the file says, and as follows from what else it says.
pub(super) struct Wiring {
    wires: Vec<Wire>,
}

/// What a scan sets in the sequencer that it uses, and in the blocks of pulses.
const OF_SEQUENCER: [&str; 4] = ["ENABLE", "TABLE", "PRESCALE", "REPEATS"];
const OF_COMPARISON: [&str; 8] =
    ["ENABLE", "PRE_START", "START", "WIDTH", "STEP", "PULSES", "RELATIVE", "DIR"];
const OF_PULSES: [&str; 6] = ["DELAY", "ENABLE", "PULSES", "STEP", "TRIG_EDGE", "WIDTH"];

/// Ticks by which the end of a capture is delayed that would overtake its last row.
const USUAL_DELAY: u32 = 10;

/// What tells of the time since the trigger before, and not of that of the trigger.
const OVER_TIME: [&str; 3] = ["GATE_DURATION", "TS_START", "TS_END"];

/// What of a field is captured over the time of a gate, if anything is.
pub(super) fn over_time(Captured { name, captures }: &Captured) -> Option<&Capture> {
    let is_of_gate = OVER_TIME.iter().any(|field| same(name, &of_pcap(field)));
    captures.iter().find(|capture| is_of_gate || **capture != Capture::Value)
}

pub(super) fn of_pcap(field: &'static str) -> FieldName {
    let pcap = "PCAP".parse().expect("a literal");
    FieldName::of(&pcap, field)
}

impl Wiring {
    /// As written in the table of the PandA at `key`.
    pub(super) fn of(key: &str, written: &BTreeMap<String, String>) -> Result<Self, BeamlineError> {
        let key = format!("{key}.wiring");
        let mut wiring = Self { wires: Vec::new() };
        for (text, value) in written {
            let key = format!("{key}.{text}");
            let field: FieldName = text.parse().map_err(at(&*key))?;
            Command::assign(text, value).map_err(at(&*key))?;
            if value.is_empty() {
                return Err(BeamlineError::new(key, "\"\" is no value"));
            }
            if field.attribute() == Some("CAPTURE") {
                let reason = format!("{value:?}: what is captured stands in the table capture");
                return Err(BeamlineError::new(key, reason));
            }
            if let Some(other) = wiring.wire(&field) {
                let reason = format!("{value:?}: {} is the same field", other.field);
                return Err(BeamlineError::new(key, reason));
            }
            wiring.wires.push(Wire { field, value: value.clone(), key });
        }
        Ok(wiring)
    }

    /// Counts become positions in the PandA as in the file.
    pub(super) fn follow_encoders(
        &mut self,
        key: &str,
        encoders: &BTreeMap<Name, EncoderSpec>,
    ) -> Result<(), BeamlineError> {
        for (axis, encoder) in encoders {
            let key = format!("{key}.{axis}");
            let EncoderSpec { input, scale, offset, units } = encoder;
            self.follow(&key, field(input, "VAL.SCALE"), scale.to_string())?;
            self.follow(&key, field(input, "VAL.OFFSET"), offset.to_string())?;
            self.follow(&key, field(input, "VAL.UNITS"), units.clone())?;
        }
        Ok(())
    }

    /// The block sees what it starts on, and what it triggers is where detectors are plugged in.
    pub(super) fn follow_triggers(
        &mut self,
        key: &str,
        triggers: &PandaTriggersSpec,
        positions: &BTreeMap<Name, Bus>,
        encoders: &BTreeMap<Name, EncoderSpec>,
    ) -> Result<(), BeamlineError> {
        let source = triggers.source.block();
        let counts = |axis: &Name| encoders.get(axis).map(|encoder| field(&encoder.input, "VAL"));
        match &triggers.source {
            PandaSource::Sequencer { .. } => {
                self.leave(key, OF_SEQUENCER.map(|name| field(source, name)))?;
                for (axis, bus) in positions {
                    let key = format!("{key}.positions.{axis}");
                    let input = field(source, super::triggers::position_word(*bus));
                    if let Some(counts) = counts(axis) {
                        self.follow(&key, input, counts.to_string())?;
                    }
                }
            }
            PandaSource::Comparison { axis, .. } => {
                self.leave(key, OF_COMPARISON.map(|name| field(source, name)))?;
                if let Some(counts) = counts(axis) {
                    self.follow(&format!("{key}.axis"), field(source, "INP"), counts.to_string())?;
                }
                self.outlast(&format!("{key}.compare"), &field(source, "ACTIVE"))?;
            }
        }
        for (detector, output) in &triggers.outputs {
            let key = format!("{key}.outputs.{detector}");
            let mut frames = field(source, triggers.source.frames());
            if let Some(pulse) = &output.pulse {
                self.leave(&key, OF_PULSES.map(|name| field(pulse, name)))?;
                self.follow(&key, field(pulse, "TRIG"), frames.to_string())?;
                frames = field(pulse, "OUT");
            }
            self.follow(&key, field(&output.output, "VAL"), frames.to_string())?;
        }
        Ok(())
    }

    /// A compare ends as its last pulse does. The row of the last frame, if that is taken at its end,
    /// is on its way by then, and is lost if the capture ends before it is out: so that ends later.
    fn outlast(&mut self, key: &str, active: &FieldName) -> Result<(), BeamlineError> {
        let enable = of_pcap("ENABLE");
        let delay: FieldName = "PCAP.ENABLE.DELAY".parse().expect("a literal");
        let ends_with_it = self.wire(&enable).is_some_and(|wire| {
            wire.value.parse::<FieldName>().is_ok_and(|value| same(&value, active))
        });
        if !ends_with_it {
            return Ok(());
        }
        match self.wire(&delay) {
            None => {
                let value = USUAL_DELAY.to_string();
                self.wires.push(Wire { field: delay, value, key: key.to_owned() });
                Ok(())
            }
            Some(wire) if wire.value.parse::<u32>().is_ok_and(|ticks| ticks >= ROW_LATENCY) => {
                Ok(())
            }
            Some(wire) => {
                let reason = format!(
                    "{:?}: {active} falls with the last pulse, whose row takes {ROW_LATENCY} ticks \
                     more: expected {ROW_LATENCY} to 31",
                    wire.value
                );
                Err(BeamlineError::new(wire.key.clone(), reason))
            }
        }
    }

    /// What is captured over the time of a gate has one.
    pub(super) fn gate(
        &self,
        key: &str,
        captured: &[Captured],
        frames: Option<&FieldName>,
    ) -> Result<(), BeamlineError> {
        let gate = of_pcap("GATE");
        if self.wire(&gate).is_some() {
            return Ok(());
        }
        for Captured { name, captures } in captured {
            if let Some(capture) = captures.iter().find(|capture| **capture != Capture::Value) {
                let high = frames.map_or_else(|| "TTLIN1.VAL".to_owned(), ToString::to_string);
                let reason = format!(
                    "{capture} is over the time that {gate} is high, which may be never: missing \
                     in the table wiring, such as \"{gate}\" = \"{high}\""
                );
                return Err(BeamlineError::new(format!("{key}.{name}"), reason));
            }
        }
        Ok(())
    }

    /// Refuses a capture that waits for a bit which never goes high, while what is here makes the
    /// triggers: its rows would be of nothing, or never come.
    pub(super) fn runs(
        &self,
        triggers: &PandaTriggersSpec,
        captured: &[Captured],
    ) -> Result<(), BeamlineError> {
        let (source, output) = (triggers.source.block(), triggers.source.frames());
        let is_let_go = |block: &BlockName| ["SEQ", "PCOMP"].contains(&block.name());
        // Others may set what is left out; but for what is let go by whoever runs a scan.
        let set = |input: &FieldName| {
            let waits = input.field() == "ENABLE" && is_let_go(&input.block);
            let value = self.wire(input).map(|wire| wire.value.clone());
            value.or_else(|| waits.then(|| "ZERO".to_owned()))
        };
        let are_run = |block: &BlockName| {
            let pulses = triggers.outputs.values().filter_map(|output| output.pulse.as_ref());
            pulses.chain([source]).any(|used| is_same_block(used, block))
        };
        for (name, output) in [("ENABLE", "ACTIVE"), ("GATE", output), ("TRIG", output)] {
            let matters = name != "GATE" || captured.iter().any(|one| over_time(one).is_some());
            let Some(wire) = self.wire(&of_pcap(name)).filter(|_| matters) else { continue };
            let why = match silence(&wire.value, &set, &are_run) {
                None => continue,
                Some(Silence::Zero) => "it is never high".to_owned(),
                Some(Silence::Input(input)) if self.wire(&input).is_some() => {
                    format!("{source} makes the triggers, and {input} is \"ZERO\"")
                }
                Some(Silence::Input(FieldName { block, .. })) => {
                    format!("{source} makes the triggers, and nothing in this file enables {block}")
                }
            };
            let expected = field(source, output);
            let reason = format!("\"{}\": {why}: expected \"{expected}\"", wire.value);
            return Err(BeamlineError::new(wire.key.clone(), reason));
        }
        Ok(())
    }

    /// A row is of the time since the trigger before, so its trigger is the end of a frame; what is
    /// counted in ticks is not in many of them.
    pub(super) fn follow_capture(
        &mut self,
        key: &str,
        captured: &[Captured],
        frames: Option<&FieldName>,
    ) -> Result<(), BeamlineError> {
        let trigger = self.wire(&of_pcap("TRIG")).and_then(|wire| wire.value.parse().ok());
        if let (Some(frames), Some(trigger)) = (frames, trigger)
            && same(frames, &trigger)
        {
            self.ends_frames(key, captured, frames)?;
        }
        for Captured { name, captures } in captured {
            if captures.contains(&Capture::Sum) || same(name, &of_pcap("GATE_DURATION")) {
                self.follow(&format!("{key}.{name}"), of_pcap("SHIFT_SUM"), "0".to_owned())?;
            }
        }
        Ok(())
    }

    /// Fails if rows that are triggered by `frames` would be of other frames than their own.
    fn ends_frames(
        &self,
        key: &str,
        captured: &[Captured],
        frames: &FieldName,
    ) -> Result<(), BeamlineError> {
        let over_time = captured
            .iter()
            .find_map(|captured| over_time(captured).map(|capture| (&captured.name, capture)));
        match (self.wire(&of_pcap("TRIG_EDGE")), over_time) {
            (Some(edge), _) if edge.value == "Falling" => Ok(()),
            (Some(edge), _) if edge.value == "Either" => {
                let reason = format!("\"Either\": each pulse of {frames} would have two rows");
                Err(BeamlineError::new(edge.key.clone(), reason))
            }
            (Some(edge), Some((name, capture))) => {
                let reason = format!(
                    "{:?}: {name} {capture} would be that of the frame before: expected \"Falling\"",
                    edge.value
                );
                Err(BeamlineError::new(edge.key.clone(), reason))
            }
            (None, Some((name, capture))) => {
                let reason = format!(
                    "{capture} at the beginning of {frames} would be that of the frame before: \
                     missing in the table wiring: \"PCAP.TRIG_EDGE\" = \"Falling\""
                );
                Err(BeamlineError::new(format!("{key}.{name}"), reason))
            }
            (Some(_) | None, None) => Ok(()),
        }
    }

    /// By field.
    pub(super) fn into_wires(mut self) -> Vec<Wire> {
        self.wires.sort_by(|a, b| a.field.cmp(&b.field));
        self.wires
    }

    /// Adds what follows from `key`, with which what is written has to agree.
    fn follow(&mut self, key: &str, field: FieldName, value: String) -> Result<(), BeamlineError> {
        match self.wire(&field) {
            None => self.wires.push(Wire { field, value, key: key.to_owned() }),
            Some(wire) if wire.value == value => {}
            Some(wire) => {
                let needs = format!("{:?}: {key} needs it to be {value:?}", wire.value);
                // Of two that follow, neither has the field in its key.
                let is_named = wire.key.ends_with(&field.to_string());
                let reason = if is_named { needs } else { format!("{field} = {needs}") };
                return Err(BeamlineError::new(wire.key.clone(), reason));
            }
        }
        Ok(())
    }

    /// Refuses what a scan sets itself.
    fn leave(
        &self,
        key: &str,
        fields: impl IntoIterator<Item = FieldName>,
    ) -> Result<(), BeamlineError> {
        for field in fields {
            let is_part = |wire: &&Wire| {
                is_of_block(&wire.field, &field) && wire.field.field() == field.field()
            };
            if let Some(wire) = self.wires.iter().find(is_part) {
                let reason = format!("{:?}: scans set it, as {key} says", wire.value);
                return Err(BeamlineError::new(wire.key.clone(), reason));
            }
        }
        Ok(())
    }

    fn wire(&self, field: &FieldName) -> Option<&Wire> {
        self.wires.iter().find(|wire| same(&wire.field, field))
    }
}

/// Whether two names are of one field: a block without a number may be the first.
pub(super) fn same(a: &FieldName, b: &FieldName) -> bool {
    is_of_block(a, b) && (a.field(), a.attribute()) == (b.field(), b.attribute())
}

fn is_of_block(a: &FieldName, b: &FieldName) -> bool {
    is_same_block(&a.block, &b.block)
}

fn is_same_block(a: &BlockName, b: &BlockName) -> bool {
    let number = |block: &BlockName| block.instance().unwrap_or(NonZeroU32::MIN);
    a.name() == b.name() && number(a) == number(b)
}
