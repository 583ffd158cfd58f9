//! [`DetectorSetup`]: what the beamline file says of a detector.
use super::camera::trigger_word;
use bluefly_protocol::{
    beamline::{CameraSpec, PathsSpec, Trigger},
    exposures::ExposuresPerFrame,
    name::Name,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What is known of a detector before it is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectorSetup {
    pub camera: CameraSpec,
    /// What starts its exposures in a scan.
    pub trigger: Trigger,
    pub exposures_per_frame: ExposuresPerFrame,
    /// Whether a PandA makes its pulses, which is set up there.
    pub pulses_come_from_panda: bool,
    /// Least time between the end of an exposure and the next trigger.
    pub dead_time: Duration,
    /// The axes whose positions its file has.
    pub axes: Vec<Name>,
    /// Whether it has `:STAT1:`, and its file the sum of each frame.
    pub statistics: bool,
    /// Longest time for which frames are written but not known to be on disk.
    pub flush_period: Duration,
    /// Where its computer has the directories that are known by another path here.
    pub paths: Option<PathsSpec>,
    /// What must be free in the directory of its file, if that directory can be seen from here.
    /// None: what can be seen from here is not the disk that it writes to.
    pub min_free_bytes: Option<u64>,
    /// The longest path of a file that is asked for, if that is known.
    pub longest_path: Option<PathBuf>,
}

/// Characters of the longest names that are told to the file writer; 0 where nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    /// With the slash that the file writer adds.
    pub(super) directory: usize,
    pub(super) file_name: usize,
    pub(super) path: usize,
}

impl DetectorSetup {
    /// An `ADSimDetector` that takes one exposure at each edge, with statistics and no positions.
    pub fn new(dead_time: Duration) -> Self {
        Self {
            camera: CameraSpec::SimDetector,
            trigger: Trigger::Edge,
            exposures_per_frame: ExposuresPerFrame::ONE,
            pulses_come_from_panda: false,
            dead_time,
            axes: Vec::new(),
            statistics: true,
            flush_period: Duration::from_millis(100),
            paths: None,
            min_free_bytes: None,
            longest_path: None,
        }
    }

    /// Whether a pulse block of its own stands before it: it makes several pulses of one, and gives
    /// them their length.
    pub fn has_multiplier(&self) -> bool {
        let is_alone = !self.pulses_come_from_panda;
        match self.trigger {
            Trigger::Gate => is_alone,
            Trigger::Edge => is_alone && self.exposures_per_frame != ExposuresPerFrame::ONE,
            Trigger::Internal | Trigger::Software => false,
        }
    }

    /// The camera's word for this trigger, or why it has none.
    ///
    /// What a command starts is an acquisition, whose exposures the camera starts itself.
    pub(super) fn word(&self, trigger: Trigger) -> Result<&str, String> {
        let trigger = match trigger {
            Trigger::Software => Trigger::Internal,
            Trigger::Internal | Trigger::Edge | Trigger::Gate => trigger,
        };
        trigger_word(&self.camera, trigger).ok_or_else(|| {
            let (camera, trigger) = (self.camera.as_str(), trigger.as_str());
            format!("camera {camera:?} has no trigger {trigger:?}")
        })
    }

    /// The camera's words for what starts an exposure: in a scan, and of a single frame, whose sum is
    /// taken from the statistics.
    pub(super) fn words(&self) -> Vec<String> {
        let by_hand = self.statistics.then_some(Trigger::Internal);
        let triggers = [self.trigger].into_iter().chain(by_hand);
        let mut words: Vec<String> =
            triggers.filter_map(|trigger| self.word(trigger).ok()).map(str::to_owned).collect();
        words.dedup();
        words
    }

    /// What its names come to. A directory that it cannot reach is refused when a file is opened.
    pub(super) fn lengths(&self) -> Lengths {
        let names = self.longest_path.as_ref().and_then(|path| {
            let file_name = path.file_name()?.to_string_lossy().len();
            Some((self.to_ioc(path.parent()?).ok()?.len() + 1, file_name))
        });
        let Some((directory, file_name)) = names else { return Lengths::default() };
        Lengths { directory, file_name, path: directory + file_name }
    }

    /// A directory as the computer of the detector calls it.
    pub(super) fn to_ioc(&self, directory: &Path) -> Result<String, String> {
        let Some(PathsSpec { here, ioc }) = &self.paths else {
            return Ok(directory.to_string_lossy().into_owned());
        };
        let below = directory.strip_prefix(here).map_err(|_| {
            format!("{} is not below {here}, all that it can reach", directory.display())
        })?;
        let parts = below.iter().map(|part| part.to_string_lossy());
        let start = ioc.trim_end_matches(['/', '\\']).to_owned();
        Ok(parts.fold(start, |path, part| format!("{path}/{part}")))
    }

    /// A path of the computer of the detector as it is called here.
    pub(super) fn as_seen_here(&self, path: &str) -> PathBuf {
        let Some(PathsSpec { here, ioc }) = &self.paths else { return PathBuf::from(path) };
        let below = path.strip_prefix(ioc.trim_end_matches(['/', '\\']));
        let below = below.filter(|below| below.is_empty() || below.starts_with(['/', '\\']));
        below.map_or_else(
            || PathBuf::from(path),
            |below| {
                let parts = below.split(['/', '\\']).filter(|part| !part.is_empty());
                parts.fold(PathBuf::from(here), |path, part| path.join(part))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(here: &str, ioc: &str) -> DetectorSetup {
        let paths = PathsSpec { here: here.to_owned(), ioc: ioc.to_owned() };
        DetectorSetup { paths: Some(paths), ..DetectorSetup::new(Duration::ZERO) }
    }

    #[test]
    fn a_path_is_told_as_the_other_computer_knows_it_and_comes_back() {
        let check = |here: &str, ioc: &str, path: &str, told: &str| {
            let setup = setup(here, ioc);
            assert_eq!(setup.to_ioc(Path::new(path)), Ok(told.to_owned()));
            assert_eq!(setup.as_seen_here(told), PathBuf::from(path));
        };
        check("/data", "X:/data", "/data/run/1", "X:/data/run/1");
        check("/data/", "X:/data/", "/data", "X:/data");
        check("/data", "X:", "/data/run", "X:/run");
        let plain = DetectorSetup::new(Duration::ZERO);
        assert_eq!(plain.to_ioc(Path::new("/data/run")), Ok("/data/run".to_owned()));
        assert_eq!(plain.as_seen_here("/data/run"), PathBuf::from("/data/run"));
    }

    #[test]
    fn names_are_as_long_as_the_other_computer_writes_them() {
        let check =
            |here: &str, path: Option<&str>, [directory, file_name, path_length]: [usize; 3]| {
                let setup =
                    DetectorSetup { longest_path: path.map(PathBuf::from), ..setup(here, "X:/d") };
                let expected = Lengths { directory, file_name, path: path_length };
                assert_eq!(setup.lengths(), expected, "{path:?}");
            };
        // "X:/d/run/" and "a.h5".
        check("/data", Some("/data/run/a.h5"), [9, 4, 13]);
        check("/data", Some("/data/a.h5"), [5, 4, 9]);
        check("/data", Some("/database/a.h5"), [0, 0, 0]);
        check("/data", None, [0, 0, 0]);
    }

    #[test]
    fn the_words_that_are_needed_are_those_of_the_trigger_and_of_a_single_frame() {
        let check = |camera: CameraSpec, trigger, statistics, expected: &[&str]| {
            let setup =
                DetectorSetup { camera, trigger, statistics, ..DetectorSetup::new(Duration::ZERO) };
            assert_eq!(setup.words(), expected);
        };
        check(CameraSpec::SimDetector, Trigger::Edge, true, &["External", "Internal"]);
        check(CameraSpec::SimDetector, Trigger::Edge, false, &["External"]);
        check(CameraSpec::Andor, Trigger::Gate, false, &["External Exposure"]);
        check(CameraSpec::SimDetector, Trigger::Gate, false, &[]);
    }

    #[test]
    fn who_starts_its_exposures_itself_has_no_pulse_block() {
        let check = |trigger, exposures: u32, panda: bool, expected: bool| {
            let exposures_per_frame = ExposuresPerFrame::try_from(exposures).expect("it is not 0");
            let setup = DetectorSetup {
                trigger,
                exposures_per_frame,
                pulses_come_from_panda: panda,
                ..DetectorSetup::new(Duration::ZERO)
            };
            assert_eq!(setup.has_multiplier(), expected, "{trigger:?} {exposures} {panda}");
        };
        for (exposures, pulses) in [(1, false), (5, true)] {
            check(Trigger::Internal, exposures, false, false);
            check(Trigger::Software, exposures, false, false);
            check(Trigger::Edge, exposures, false, pulses);
            check(Trigger::Gate, exposures, false, true);
            check(Trigger::Edge, exposures, true, false);
            check(Trigger::Gate, exposures, true, false);
        }
    }

    #[test]
    fn a_path_that_it_cannot_reach_is_refused_and_a_strange_one_comes_back_as_it_is() {
        let setup = setup("/data", "X:/data");
        let refused = setup.to_ioc(Path::new("/database/run")).unwrap_err();
        assert_eq!(refused, "/database/run is not below /data, all that it can reach");
        assert_eq!(setup.as_seen_here("X:/database/a.h5"), PathBuf::from("X:/database/a.h5"));
        assert_eq!(setup.as_seen_here(r"X:/data\run\a.h5"), PathBuf::from("/data/run/a.h5"));
    }
}
