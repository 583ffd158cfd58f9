//! The rules of a detector.
mod spec;
pub use spec::{CameraSpec, DetectorSpec, Dtype, PathsSpec, Trigger, TriggerWords};

use super::{
    BeamlineError, DetectorTable, PathsTable, TriggerWordsTable,
    check::{at, count, duration, word},
    devices::{HOUR, MICROSECOND, provider},
};
use crate::name::Name;
use std::time::Duration;

/// Longest word of an enum of EPICS.
const LONGEST_WORD: usize = 25;
/// Longest path that areaDetector keeps.
const LONGEST_PATH: usize = 255;

pub(super) fn detector(
    key: &str,
    name: Name,
    table: &DetectorTable,
) -> Result<DetectorSpec, BeamlineError> {
    for (i, length) in table.shape.into_iter().enumerate() {
        count(&format!("{key}.shape[{i}]"), length, 1..=65_536)?;
    }
    let exposure = |value| duration(&format!("{key}.exposure"), value, MICROSECOND..=HOUR);
    let dead_time_key = format!("{key}.dead_time");
    let timeout_key = format!("{key}.frame_timeout");
    let dtypes = Dtype::ALL.map(|dtype| (dtype.as_str(), dtype));
    let camera = camera(key, table)?;
    Ok(DetectorSpec {
        provider: provider(key, &table.provider)?,
        shape: table.shape,
        dtype: word(&format!("{key}.dtype"), &table.dtype, &dtypes)?,
        trigger: trigger(key, table, &camera)?,
        camera,
        dead_time: duration(&dead_time_key, &table.dead_time, Duration::ZERO..=HOUR)?,
        exposure: table.exposure.as_ref().map(exposure).transpose()?,
        exposures_per_frame: (table.exposures_per_frame.try_into())
            .map_err(at(format!("{key}.exposures_per_frame")))?,
        frame_timeout: duration(
            &timeout_key,
            &table.frame_timeout,
            Duration::from_millis(1)..=HOUR,
        )?,
        statistics: table.statistics,
        positions: table.positions,
        paths: table
            .paths
            .as_ref()
            .map(|table| paths(&format!("{key}.paths"), table))
            .transpose()?,
        name,
    })
}

#[derive(Clone, Copy)]
enum Driver {
    SimDetector,
    Andor,
    Generic,
}

fn camera(key: &str, table: &DetectorTable) -> Result<CameraSpec, BeamlineError> {
    let drivers = [
        ("sim_detector", Driver::SimDetector),
        ("andor", Driver::Andor),
        ("generic", Driver::Generic),
    ];
    let driver = word(&format!("{key}.camera"), &table.camera, &drivers)?;
    let key = format!("{key}.trigger_words");
    match (driver, &table.trigger_words) {
        (Driver::SimDetector, None) => Ok(CameraSpec::SimDetector),
        (Driver::Andor, None) => Ok(CameraSpec::Andor),
        (Driver::Generic, Some(words)) => trigger_words(&key, words).map(CameraSpec::Generic),
        (Driver::Generic, None) => {
            let reason = "missing: camera = \"generic\" needs the choices of its TriggerMode";
            Err(BeamlineError::new(key, reason))
        }
        (Driver::SimDetector | Driver::Andor, Some(_)) => {
            let reason = format!("camera = {:?} has words of its own: expected none", table.camera);
            Err(BeamlineError::new(key, reason))
        }
    }
}

fn trigger_words(key: &str, table: &TriggerWordsTable) -> Result<TriggerWords, BeamlineError> {
    let check = |field: &str, word: &str| {
        if (1..=LONGEST_WORD).contains(&word.len()) {
            return Ok(word.to_owned());
        }
        let reason = format!("{word:?}: expected 1 to {LONGEST_WORD} bytes, as an enum has");
        Err(BeamlineError::new(format!("{key}.{field}"), reason))
    };
    let optional = |field: &str, word: &Option<String>| {
        word.as_ref().map(|word| check(field, word)).transpose()
    };
    Ok(TriggerWords {
        internal: check("internal", &table.internal)?,
        edge: optional("edge", &table.edge)?,
        gate: optional("gate", &table.gate)?,
    })
}

/// Whoever writes a trigger expects that a scan uses it.
fn trigger(
    key: &str,
    table: &DetectorTable,
    camera: &CameraSpec,
) -> Result<Trigger, BeamlineError> {
    let key = format!("{key}.trigger");
    let triggers = Trigger::ALL.map(|trigger| (trigger.as_str(), trigger));
    let trigger = word(&key, &table.trigger, &triggers)?;
    let refused = |reason: String| Err(BeamlineError::new(&*key, reason));
    match (trigger, camera) {
        (Trigger::Gate, CameraSpec::SimDetector) => {
            refused("camera = \"sim_detector\" has no \"gate\": expected \"edge\"".to_owned())
        }
        (Trigger::Edge, CameraSpec::Generic(TriggerWords { edge: None, .. }))
        | (Trigger::Gate, CameraSpec::Generic(TriggerWords { gate: None, .. })) => {
            refused(format!("{:?}: trigger_words has no word for it", table.trigger))
        }
        (Trigger::Internal | Trigger::Edge | Trigger::Gate | Trigger::Software, _) => Ok(trigger),
    }
}

/// Whether it is an absolute path on the computer of an IOC, which may be one with drives.
fn is_absolute_somewhere(path: &str) -> bool {
    let mut characters = path.chars();
    match (characters.next(), characters.next()) {
        (Some('/' | '\\'), _) => true,
        (Some(drive), Some(':')) => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

fn paths(key: &str, table: &PathsTable) -> Result<PathsSpec, BeamlineError> {
    let PathsTable { here, ioc } = table;
    if !here.starts_with('/') {
        let reason = format!("{here:?} is no absolute path: expected one that starts with /");
        return Err(BeamlineError::new(format!("{key}.here"), reason));
    }
    if !is_absolute_somewhere(ioc) {
        let reason = format!(
            "{ioc:?} is no absolute path: expected one that starts with /, with \\ or with a drive \
             such as C:"
        );
        return Err(BeamlineError::new(format!("{key}.ioc"), reason));
    }
    if !(1..=LONGEST_PATH).contains(&ioc.len()) {
        let reason = format!("{ioc:?}: expected 1 to {LONGEST_PATH} bytes, as areaDetector has");
        return Err(BeamlineError::new(format!("{key}.ioc"), reason));
    }
    Ok(PathsSpec { here: here.clone(), ioc: ioc.clone() })
}
