//! The rules of a PandA.
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod triggers;
mod wiring;

pub use spec::{EncoderSpec, PandaOutput, PandaSource, PandaSpec, PandaStart, PandaTriggersSpec};
pub(super) use table::quoted;
pub use table::{EncoderTable, PandaOutputTable, PandaTable, PandaTriggersTable};

use super::{
    Address, BeamlineError, DeviceSpec, Scheme,
    check::{at, duration},
    devices::{HOUR, provider},
    quantity,
};
use crate::{
    name::Name,
    panda::{
        Capture,
        describe::{BlockName, Captured, FieldName},
    },
};
use std::{collections::BTreeMap, time::Duration};
use wiring::Wiring;

/// The devices of the file, each of them no PandA.
type Others = BTreeMap<Name, DeviceSpec>;

pub(super) fn panda(
    key: &str,
    name: Name,
    table: &PandaTable,
    others: &Others,
) -> Result<PandaSpec, BeamlineError> {
    let provider = provider(key, &table.provider)?;
    let encoders = encoders(&format!("{key}.encoders"), &table.encoders, others)?;
    let triggers = table.triggers.as_ref();
    let triggers = triggers
        .map(|table| triggers::triggers(&format!("{key}.triggers"), table, &encoders, others))
        .transpose()?;
    let mut wiring = Wiring::of(key, &table.wiring)?;
    wiring.follow_encoders(&format!("{key}.encoders"), &encoders)?;
    if let Some((triggers, positions)) = &triggers {
        wiring.follow_triggers(&format!("{key}.triggers"), triggers, positions, &encoders)?;
    }
    let capture = capture(&format!("{key}.capture"), table.capture.as_ref())?;
    let capture_key = format!("{key}.capture");
    let source = triggers.as_ref().map(|(triggers, _)| &triggers.source);
    let frames = source.map(|source| field(source.block(), source.frames()));
    wiring.gate(&capture_key, &capture, frames.as_ref())?;
    if let (Some((triggers, _)), false) = (&triggers, capture.is_empty()) {
        wiring.runs(triggers, &capture)?;
    }
    wiring.follow_capture(&capture_key, &capture, frames.as_ref())?;
    let seconds = Duration::from_secs(1)..=HOUR;
    let connection_key = format!("{key}.connection_timeout");
    let frame_key = format!("{key}.frame_timeout");
    let milliseconds = Duration::from_millis(1)..=HOUR;
    Ok(PandaSpec {
        place: place(key, &provider)?,
        provider,
        connection_timeout: duration(&connection_key, &table.connection_timeout, seconds)?,
        frame_timeout: duration(&frame_key, &table.frame_timeout, milliseconds)?,
        wiring: wiring.into_wires(),
        encoders,
        triggers: triggers.map(|(triggers, _)| triggers),
        capture,
        name,
    })
}

/// No box is two devices, and no detector is triggered by two.
pub(super) fn keep_apart(devices: &BTreeMap<Name, DeviceSpec>) -> Result<(), BeamlineError> {
    let pandas = devices.values().filter_map(|device| match device {
        DeviceSpec::Panda(panda) => Some(panda),
        DeviceSpec::Motor(_)
        | DeviceSpec::TrajectoryController(_)
        | DeviceSpec::Detector(_)
        | DeviceSpec::Generator(_) => None,
    });
    let mut before: Vec<&PandaSpec> = Vec::new();
    for panda in pandas {
        let PandaSpec { name, provider, place, triggers, .. } = panda;
        for other in &before {
            if place.is_some() && *place == other.place {
                let reason = format!("\"{provider}\" already belongs to device.{}", other.name);
                return Err(BeamlineError::new(format!("device.{name}.provider"), reason));
            }
            let mut detectors = triggers.iter().flat_map(|triggers| triggers.outputs.keys());
            let triggered = |detector: &&Name| {
                other.triggers.as_ref().is_some_and(|other| other.outputs.contains_key(*detector))
            };
            if let Some(detector) = detectors.find(triggered) {
                let reason = format!("device.{} already triggers it", other.name);
                let key = format!("device.{name}.triggers.outputs.{detector}");
                return Err(BeamlineError::new(key, reason));
            }
        }
        before.push(panda);
    }
    Ok(())
}

fn place(key: &str, provider: &Address) -> Result<Option<crate::panda::Address>, BeamlineError> {
    let key = format!("{key}.provider");
    match provider.scheme {
        Scheme::Sim => Ok(None),
        Scheme::Panda => provider.path.parse().map(Some).map_err(at(key)),
        Scheme::Ca | Scheme::Pva | Scheme::Soft => {
            let reason = format!("\"{provider}\" is no PandA: expected panda:// or sim://");
            Err(BeamlineError::new(key, reason))
        }
    }
}

/// `text` as the name of a block of a PandA.
fn block(key: &str, text: &str) -> Result<BlockName, BeamlineError> {
    text.parse().map_err(at(key))
}

/// The field `field` of a block. A block has a name that can stand before a dot.
fn field(block: &BlockName, field: &str) -> FieldName {
    format!("{block}.{field}").parse().expect("a block and a literal")
}

fn encoders(
    key: &str,
    table: &BTreeMap<String, EncoderTable>,
    others: &Others,
) -> Result<BTreeMap<Name, EncoderSpec>, BeamlineError> {
    let mut encoders: BTreeMap<Name, EncoderSpec> = BTreeMap::new();
    for (axis, table) in table {
        let key = format!("{key}.{axis}");
        let Some(DeviceSpec::Motor(motor)) = others.get(axis.as_str()) else {
            return Err(BeamlineError::new(key, format!("{axis:?} is no device of type motor")));
        };
        let input_key = format!("{key}.input");
        let input = block(&input_key, &table.input)?;
        if let Some((other, _)) = encoders.iter().find(|(_, other)| other.input == input) {
            let reason = format!("\"{input}\" is already the encoder of {other}");
            return Err(BeamlineError::new(input_key, reason));
        }
        let quantity =
            |key: &str, value: &str| quantity::in_unit(value, &motor.units).map_err(at(key));
        let (scale_key, scale) = (format!("{key}.scale"), &table.scale.0);
        let encoder = EncoderSpec {
            scale: quantity(&scale_key, scale)?,
            offset: quantity(&format!("{key}.offset"), &table.offset.0)?,
            units: motor.units.clone(),
            input,
        };
        if encoder.scale == 0.0 {
            return Err(at(scale_key)(quantity::out_of_range(scale, "other than 0")));
        }
        encoders.insert(motor.name.clone(), encoder);
    }
    Ok(encoders)
}

fn capture(
    key: &str,
    table: Option<&BTreeMap<String, Vec<String>>>,
) -> Result<Vec<Captured>, BeamlineError> {
    let Some(table) = table else { return Ok(Vec::new()) };
    if table.is_empty() {
        let reason =
            "{} captures nothing: expected a field, such as \"PCAP.TS_TRIG\" = [\"Value\"]";
        return Err(BeamlineError::new(key, reason));
    }
    let mut captured: Vec<Captured> = Vec::new();
    for (field, words) in table {
        let key = format!("{key}.{field}");
        let name: FieldName = field.parse().map_err(at(&*key))?;
        if name.attribute().is_some() {
            let reason = format!("{field:?} is an attribute: expected BLOCK.FIELD");
            return Err(BeamlineError::new(key, reason));
        }
        if captured.iter().any(|other| wiring::same(&other.name, &name)) {
            return Err(BeamlineError::new(key, format!("{field:?} is captured twice")));
        }
        captured.push(Captured { name, captures: captures(&key, words)? });
    }
    Ok(captured)
}

fn captures(key: &str, words: &[String]) -> Result<Vec<Capture>, BeamlineError> {
    const EXPECTED: &str = "expected some of Value, Diff, Sum, Min, Max, Mean, StdDev";
    let mut captures: Vec<Capture> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let refused = |reason| Err(BeamlineError::new(format!("{key}[{i}]"), reason));
        match Capture::from(word.as_str()) {
            Capture::Other(_) => return refused(format!("{word:?} is unknown: {EXPECTED}")),
            capture if captures.contains(&capture) => {
                return refused(format!("{word:?} stands there twice"));
            }
            capture => captures.push(capture),
        }
    }
    if captures.is_empty() {
        return Err(BeamlineError::new(key, format!("[] captures nothing: {EXPECTED}")));
    }
    Ok(captures)
}
