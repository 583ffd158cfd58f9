//! The rules of each type of device.
use super::{
    BeamlineError, DeviceSpec, DeviceTable, GeneratorSpec, GeneratorTable, MotorSpec, MotorTable,
    TrajectoryControllerSpec, TrajectoryControllerTable,
    address::Address,
    check::{at, count, duration, word},
    detector::detector,
    panda::panda,
    quantity,
};
use crate::{
    name::Name,
    trajectory::{AxisLimits, PointMode, TriggerBits, TriggerSource},
};
use std::{collections::BTreeMap, time::Duration};

pub(super) const MICROSECOND: Duration = Duration::from_micros(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
/// The driver of a PMAC takes no longer time between two points.
const PMAC_LONGEST: Duration = Duration::from_millis(4_095);

/// The device `name`, whose table stands at `key`; a PandA may be about the `others`.
pub(super) fn device_spec(
    key: &str,
    name: Name,
    table: &DeviceTable,
    others: &BTreeMap<Name, DeviceSpec>,
) -> Result<DeviceSpec, BeamlineError> {
    match table {
        DeviceTable::Motor(table) => motor(key, name, table).map(DeviceSpec::Motor),
        DeviceTable::TrajectoryController(table) => {
            controller(key, name, table).map(DeviceSpec::TrajectoryController)
        }
        DeviceTable::Detector(table) => detector(key, name, table).map(DeviceSpec::Detector),
        DeviceTable::Generator(table) => generator(key, name, table).map(DeviceSpec::Generator),
        DeviceTable::Panda(table) => panda(key, name, table, others).map(DeviceSpec::Panda),
    }
}

pub(super) fn provider(key: &str, text: &str) -> Result<Address, BeamlineError> {
    text.parse().map_err(at(format!("{key}.provider")))
}

fn motor(key: &str, name: Name, table: &MotorTable) -> Result<MotorSpec, BeamlineError> {
    let units = units(&format!("{key}.units"), &table.units)?;
    let settle_key = format!("{key}.settle_time");
    let settle_time = duration(&settle_key, &table.settle_time, Duration::ZERO..=HOUR)?;
    let [low, high] = limits(&format!("{key}.limits"), table, &units)?;
    let rate = |field: &str, value: &str, unit: &str| {
        let key = format!("{key}.{field}");
        let rate = quantity::in_unit(value, unit).map_err(at(&*key))?;
        let rule = || at(&*key)(quantity::out_of_range(value, "more than 0"));
        if rate > 0.0 { Ok(rate) } else { Err(rule()) }
    };
    let max_velocity = rate("velocity", &table.velocity.0, &format!("{units}/s"))?;
    let max_acceleration = rate("acceleration", &table.acceleration.0, &format!("{units}/s^2"))?;
    let settle_s = settle_time.as_secs_f64();
    Ok(MotorSpec {
        provider: provider(key, &table.provider)?,
        limits: AxisLimits { low, high, max_velocity, max_acceleration, settle_s },
        precision: count(&format!("{key}.precision"), table.precision, 0..=15)?,
        is_compound: table.compound,
        units,
        name,
    })
}

fn units(key: &str, text: &str) -> Result<String, BeamlineError> {
    let fits = |c: char| c.is_alphabetic() || matches!(c, '°' | '%');
    if (1..=16).contains(&text.chars().count()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        let reason = format!("{text:?} is no unit: expected 1 to 16 letters, such as \"mm\"");
        Err(BeamlineError::new(key, reason))
    }
}

fn limits(key: &str, table: &MotorTable, units: &str) -> Result<[f64; 2], BeamlineError> {
    let [low, high] = &table.limits;
    let position =
        |i: usize, value: &str| quantity::in_unit(value, units).map_err(at(format!("{key}[{i}]")));
    let positions = [position(0, &low.0)?, position(1, &high.0)?];
    if positions[0] < positions[1] {
        return Ok(positions);
    }
    let reason = format!("{:?} is not below {:?}: expected [lowest, highest]", low.0, high.0);
    Err(BeamlineError::new(key, reason))
}

fn controller(
    key: &str,
    name: Name,
    table: &TrajectoryControllerTable,
) -> Result<TrajectoryControllerSpec, BeamlineError> {
    let axes = table
        .axes
        .iter()
        .enumerate()
        .map(|(i, axis)| axis.parse().map_err(at(format!("{key}.axes[{i}]"))));
    let axes: Vec<Name> = axes.collect::<Result<_, _>>()?;
    if axes.is_empty() {
        let reason = "[] has no axis: expected at least one motor";
        return Err(BeamlineError::new(format!("{key}.axes"), reason));
    }
    let time = |field: &str, value, range| duration(&format!("{key}.{field}"), value, range);
    let longest = Duration::from_millis(1)..=PMAC_LONGEST;
    let longest = time("max_segment_duration", &table.max_segment_duration, longest)?;
    // Segments last whole microseconds.
    let shortest = MICROSECOND..=Duration::from_micros(longest.as_micros() as u64);
    let (points, trigger_bits) = modes(key, table)?;
    let address = provider(key, &table.provider)?;
    Ok(TrajectoryControllerSpec {
        cs: port(&format!("{key}.cs"), &table.cs)?,
        cs_provider: cs_provider(key, table, &address)?,
        trigger_source: trigger_source(key, table, trigger_bits)?,
        provider: address,
        axes,
        max_segments: count(&format!("{key}.max_segments"), table.max_segments, 100..=1_000_000)?,
        min_segment_duration: time("min_segment_duration", &table.min_segment_duration, shortest)?,
        max_segment_duration: longest,
        min_turnaround: time("min_turnaround", &table.min_turnaround, Duration::ZERO..=HOUR)?,
        points,
        trigger_bits,
        name,
    })
}

/// The name of a port, as asyn takes it.
fn port(key: &str, text: &str) -> Result<String, BeamlineError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=39).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    let reason =
        format!("{text:?} is no port: expected 1 to 39 letters and digits, such as \"CS1\"");
    Err(BeamlineError::new(key, reason))
}

/// Where the signals of the co-ordinate system are: below those of the controller, unless it is said.
fn cs_provider(
    key: &str,
    table: &TrajectoryControllerTable,
    controller: &Address,
) -> Result<Address, BeamlineError> {
    let path = format!("{}:{}", controller.path, table.cs);
    let usual = Address { scheme: controller.scheme, path };
    let key = format!("{key}.cs_provider");
    let Some(text) = &table.cs_provider else { return Ok(usual) };
    text.parse().map_err(at(key))
}

fn trigger_source(
    key: &str,
    table: &TrajectoryControllerTable,
    bits: TriggerBits,
) -> Result<TriggerSource, BeamlineError> {
    let key = format!("{key}.triggers");
    let sources = TriggerSource::ALL.map(|source| (source.as_str(), source));
    let source = word(&key, &table.triggers, &sources)?;
    if (source, bits) == (TriggerSource::UserPrograms, TriggerBits::None) {
        let reason = "\"user_programs\" needs programs that are called: expected trigger_bits = \
                      \"row_gate\" or \"every_point\"";
        return Err(BeamlineError::new(key, reason));
    }
    Ok(source)
}

/// Points and trigger bits that go together.
fn modes(
    key: &str,
    table: &TrajectoryControllerTable,
) -> Result<(PointMode, TriggerBits), BeamlineError> {
    let bits = TriggerBits::ALL.map(|bits| (bits.as_str(), bits));
    let bits = word(&format!("{key}.trigger_bits"), &table.trigger_bits, &bits)?;
    let key = format!("{key}.points");
    let points = PointMode::ALL.map(|mode| (mode.as_str(), mode));
    let points = table.points.as_ref().map(|value| word(&key, value, &points)).transpose()?;
    match (points, bits) {
        (Some(PointMode::Sparse), TriggerBits::EveryPoint) => {
            let reason = "\"sparse\" leaves out points that trigger_bits = \"every_point\" are \
                          about: expected \"every\"";
            Err(BeamlineError::new(key, reason))
        }
        (None, TriggerBits::EveryPoint) => Ok((PointMode::EveryPoint, bits)),
        (Some(points), _) => Ok((points, bits)),
        (None, TriggerBits::None | TriggerBits::RowGate) => Ok((PointMode::Sparse, bits)),
    }
}

fn generator(
    key: &str,
    name: Name,
    table: &GeneratorTable,
) -> Result<GeneratorSpec, BeamlineError> {
    Ok(GeneratorSpec { provider: provider(key, &table.provider)?, name })
}
