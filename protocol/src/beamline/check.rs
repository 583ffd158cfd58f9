//! From a [`BeamlineFile`] to a [`BeamlineSpec`]: everything that can be known without hardware.
use super::{
    Address, AfterFailure, AfterRestart, BeamlineError, BeamlineFile, BeamlineSpec, DataSpec,
    DataTable, DeviceSpec, DeviceTable, DeviceType, Lag, OnCrash, PathTemplate, PublishSpec,
    PublishTable, Quantity, QuantityError, QueueSpec, QueueTable, Scheme, SimDeviceSpec, SimSpec,
    SimTable, SupervisionSpec, SupervisionTable, api::api, ca::ca, devices::device_spec,
    panda::keep_apart, quantity,
};
use crate::name::Name;
use std::{collections::BTreeMap, ops::RangeInclusive, path::Path, time::Duration};

/// Names that a document stream gives a meaning of its own.
const RESERVED_NAMES: [&str; 3] = ["time", "seq_num", "frame"];
/// The shortest period of anything that repeats.
const MIN_PERIOD: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_hours(1);

impl TryFrom<BeamlineFile> for BeamlineSpec {
    type Error = BeamlineError;
    fn try_from(file: BeamlineFile) -> Result<Self, BeamlineError> {
        let devices = devices(&file)?;
        let data = data(&file.data)?;
        reach(&devices, &data)?;
        Ok(Self {
            name: name("beamline.name", &file.beamline.name)?,
            data,
            publish: publish(&file.publish)?,
            supervision: supervision(&file.supervision)?,
            queue: queue(&file.queue)?,
            api: api(file.api)?,
            ca: ca(file.ca)?,
            sim: sim(&file.sim, &devices)?,
            devices,
        })
    }
}

/// Makes an error at `key` of whatever is wrong there.
pub(super) fn at<E: ToString>(key: impl Into<String>) -> impl FnOnce(E) -> BeamlineError {
    let key = key.into();
    move |reason| BeamlineError { key, reason: reason.to_string() }
}

/// The value at `key` as a duration within `range`.
pub(super) fn duration(
    key: &str,
    value: &Quantity,
    range: RangeInclusive<Duration>,
) -> Result<Duration, BeamlineError> {
    let duration = quantity::duration(&value.0).map_err(at(key))?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let rule = format!("{:?} to {:?}", range.start(), range.end());
    Err(at(key)(quantity::out_of_range(&value.0, rule)))
}

/// The count at `key`, if it is within `range`.
pub(super) fn count<N: PartialOrd + std::fmt::Display + Copy>(
    key: &str,
    value: N,
    range: RangeInclusive<N>,
) -> Result<N, BeamlineError> {
    if range.contains(&value) {
        return Ok(value);
    }
    let reason = format!("{value} is out of range: must be {} to {}", range.start(), range.end());
    Err(BeamlineError::new(key, reason))
}

/// The value at `key` as one of the words of `known`.
pub(super) fn word<T: Copy>(
    key: &str,
    value: &str,
    known: &[(&str, T)],
) -> Result<T, BeamlineError> {
    let found = known.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<String> = known.iter().map(|(word, _)| format!("{word:?}")).collect();
        BeamlineError::new(key, format!("{value:?} is unknown; expected {}", words.join(" or ")))
    })
}

fn name(key: &str, text: &str) -> Result<Name, BeamlineError> {
    text.parse().map_err(at(key))
}

fn devices(file: &BeamlineFile) -> Result<BTreeMap<Name, DeviceSpec>, BeamlineError> {
    let mut devices = BTreeMap::new();
    let mut owners: BTreeMap<Address, Name> = BTreeMap::new();
    let is_panda = |(_, table): &(_, &DeviceTable)| matches!(table, DeviceTable::Panda(_));
    let others = file.device.iter().filter(|device| !is_panda(device));
    // A PandA is about other devices.
    for (text, table) in others.chain(file.device.iter().filter(is_panda)) {
        let key = format!("device.{text}");
        let name = name(&key, text)?;
        if RESERVED_NAMES.contains(&name.as_str()) {
            let reason = format!("{text:?} is reserved: documents have a column of that name");
            return Err(BeamlineError::new(key, reason));
        }
        let spec = device_spec(&key, name.clone(), table, &devices)?;
        let provider = spec.provider();
        let refused = match (provider.scheme, spec.device_type()) {
            (Scheme::Soft, DeviceType::Generator)
            | (Scheme::Panda, DeviceType::Panda)
            | (Scheme::Sim | Scheme::Ca | Scheme::Pva, _) => None,
            (Scheme::Soft, _) => Some("is no hardware: expected sim:// or ca://"),
            (Scheme::Panda, _) => Some("is for devices of type panda: expected sim:// or ca://"),
        };
        if let Some(reason) = refused {
            let reason = format!("\"{provider}\" {reason}");
            return Err(BeamlineError::new(format!("{key}.provider"), reason));
        }
        if let Some(owner) = owners.insert(spec.provider().clone(), name.clone()) {
            let address = spec.provider().to_string();
            let reason = format!("{address:?} already belongs to device.{owner}");
            return Err(BeamlineError::new(format!("{key}.provider"), reason));
        }
        devices.insert(name, spec);
    }
    resolve_axes(&devices)?;
    keep_apart(&devices)?;
    Ok(devices)
}

/// Every axis of a controller is a motor, and every motor is an axis of exactly one controller.
fn resolve_axes(devices: &BTreeMap<Name, DeviceSpec>) -> Result<(), BeamlineError> {
    let mut controllers: BTreeMap<&Name, &Name> = BTreeMap::new();
    for spec in devices.values() {
        let DeviceSpec::TrajectoryController(controller) = spec else { continue };
        for (i, axis) in controller.axes.iter().enumerate() {
            let key = format!("device.{}.axes[{i}]", controller.name);
            if !matches!(devices.get(axis), Some(DeviceSpec::Motor(_))) {
                let reason = format!("{:?} is no device of type motor", axis.as_str());
                return Err(BeamlineError::new(key, reason));
            }
            if let Some(other) = controllers.insert(axis, &controller.name) {
                let axis = axis.as_str();
                let reason = format!("{axis:?} is already an axis of device.{other}");
                return Err(BeamlineError::new(key, reason));
            }
        }
    }
    let is_free = |spec: &&DeviceSpec| matches!(spec, DeviceSpec::Motor(motor) if !controllers.contains_key(&motor.name));
    match devices.values().find(is_free) {
        None => Ok(()),
        Some(motor) => Err(BeamlineError::new(
            format!("device.{}", motor.name()),
            "the motor is an axis of no trajectory_controller: add it to the axes of one",
        )),
    }
}

/// Every detector that knows its files by another path reaches those of `data`. Of a relative
/// directory nobody knows here where it is, and a simulated detector writes to this computer.
fn reach(devices: &BTreeMap<Name, DeviceSpec>, data: &DataSpec) -> Result<(), BeamlineError> {
    let directory = Path::new(&data.directory);
    for device in devices.values() {
        let DeviceSpec::Detector(detector) = device else { continue };
        if directory.is_absolute() && !detector.reaches(directory) {
            let here = detector.paths.as_ref().map_or("", |paths| &paths.here);
            let key = format!("device.{}.paths.here", detector.name);
            let reason = format!(
                "{here:?} does not contain data.directory, {:?}: expected that directory or one \
                 above it",
                data.directory
            );
            return Err(BeamlineError::new(key, reason));
        }
    }
    Ok(())
}

fn data(table: &DataTable) -> Result<DataSpec, BeamlineError> {
    if table.directory.is_empty() {
        return Err(BeamlineError::new("data.directory", "\"\" is no directory"));
    }
    let bytes = |key, value: &Quantity| quantity::bytes(&value.0).map_err(at(key));
    let second = Duration::from_secs(1);
    let queue_bytes = bytes("data.queue_size", &table.queue_size)?;
    Ok(DataSpec {
        directory: table.directory.clone(),
        path_template: PathTemplate::parse(&table.path_template)
            .map_err(at("data.path_template"))?,
        min_free_bytes: bytes("data.min_free", &table.min_free)?,
        flush_period: duration("data.flush_period", &table.flush_period, MIN_PERIOD..=second)?,
        queue_bytes: count("data.queue_size", queue_bytes, 1_048_576..=1 << 40)?,
        queue_duration: duration("data.queue_duration", &table.queue_duration, MIN_PERIOD..=HOUR)?,
    })
}

fn publish(table: &PublishTable) -> Result<PublishSpec, BeamlineError> {
    Ok(PublishSpec {
        lag: lag("publish.lag", &table.lag)?,
        collect_period: duration(
            "publish.collect_period",
            &table.collect_period,
            MIN_PERIOD..=HOUR,
        )?,
    })
}

fn lag(key: &str, text: &str) -> Result<Lag, BeamlineError> {
    let expected = || {
        let reason = format!(
            "{text:?} is no lag: expected \"eager\", a number of frames such as \"100 frames\", \
             or a time such as \"2 s\""
        );
        BeamlineError::new(key, reason)
    };
    if text == "eager" {
        return Ok(Lag::Eager);
    }
    if let Some(frames) = text.strip_suffix("frames").or_else(|| text.strip_suffix("frame")) {
        return frames.trim().parse().map(Lag::Frames).map_err(|_| expected());
    }
    match quantity::duration(text) {
        Ok(time) => Ok(Lag::Time(time)),
        Err(error @ (QuantityError::OutOfRange { .. } | QuantityError::NotFinite { .. })) => {
            Err(at(key)(error))
        }
        Err(
            QuantityError::NoNumber { .. }
            | QuantityError::NoUnit { .. }
            | QuantityError::WrongUnit { .. },
        ) => Err(expected()),
    }
}

fn supervision(table: &SupervisionTable) -> Result<SupervisionSpec, BeamlineError> {
    let on_crash = [("resume", OnCrash::Resume), ("stop", OnCrash::Stop)];
    let millisecond = Duration::from_millis(1);
    let restart_delay =
        duration("supervision.restart_delay", &table.restart_delay, millisecond..=HOUR)?;
    Ok(SupervisionSpec {
        on_crash: word("supervision.on_crash", &table.on_crash, &on_crash)?,
        max_crashes_per_run: table.max_crashes_per_run,
        retries_for_lost_frames: table.retries_for_lost_frames,
        restart_delay,
        max_restart_delay: duration(
            "supervision.max_restart_delay",
            &table.max_restart_delay,
            restart_delay..=HOUR,
        )?,
        max_restarts: table.max_restarts,
        restart_window: duration(
            "supervision.restart_window",
            &table.restart_window,
            millisecond..=HOUR,
        )?,
    })
}

fn queue(table: &QueueTable) -> Result<QueueSpec, BeamlineError> {
    let failure = [("hold", AfterFailure::Hold), ("go_on", AfterFailure::GoOn)];
    let restart = [("hold", AfterRestart::Hold), ("go_on", AfterRestart::GoOn)];
    Ok(QueueSpec {
        after_failure: word("queue.after_failure", &table.after_failure, &failure)?,
        after_restart: word("queue.after_restart", &table.after_restart, &restart)?,
        max_queued: count("queue.max_queued", table.max_queued, 1..=10_000)?,
    })
}

fn sim(table: &SimTable, devices: &BTreeMap<Name, DeviceSpec>) -> Result<SimSpec, BeamlineError> {
    let mut faults = BTreeMap::new();
    for (text, device) in &table.device {
        let key = format!("sim.device.{text}");
        let name = name(&key, text)?;
        if !matches!(devices.get(&name), Some(DeviceSpec::Detector(_))) {
            return Err(BeamlineError::new(key, format!("{text:?} is no device of type detector")));
        }
        let falls = |pair: &&[u64]| pair[0] >= pair[1];
        if let Some(&[first, second]) = device.lose_frames.windows(2).find(falls) {
            let reason = format!("{second} after {first}: must rise");
            return Err(BeamlineError::new(format!("{key}.lose_frames"), reason));
        }
        faults.insert(name, SimDeviceSpec { lose_frames: device.lose_frames.clone() });
    }
    Ok(SimSpec { seed: table.seed, devices: faults })
}
