//! What each kind of camera calls the things that start an exposure.
mod andor;
mod generic;
mod sim_detector;

use bluefly_protocol::beamline::{CameraSpec, Trigger};

/// The choice of `TriggerMode` for this trigger, if the camera has one.
pub fn trigger_word(camera: &CameraSpec, trigger: Trigger) -> Option<&str> {
    match camera {
        CameraSpec::SimDetector => sim_detector::trigger_word(trigger),
        CameraSpec::Andor => Some(andor::trigger_word(trigger)),
        CameraSpec::Generic(words) => generic::trigger_word(words, trigger),
    }
}

/// Every choice of `TriggerMode`, in the order of the record.
pub fn trigger_choices(camera: &CameraSpec) -> Vec<&str> {
    match camera {
        CameraSpec::SimDetector => sim_detector::CHOICES.to_vec(),
        CameraSpec::Andor => andor::CHOICES.to_vec(),
        CameraSpec::Generic(words) => generic::choices(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_protocol::beamline::TriggerWords;

    fn check(camera: &CameraSpec, words: [Option<&str>; 4]) {
        let all = [Trigger::Internal, Trigger::Edge, Trigger::Gate, Trigger::Software];
        assert_eq!(all.map(|trigger| trigger_word(camera, trigger)), words);
        let choices = trigger_choices(camera);
        assert!(words.into_iter().flatten().all(|word| choices.contains(&word)), "{choices:?}");
    }

    #[test]
    fn each_camera_has_words_of_its_own() {
        check(&CameraSpec::SimDetector, [Some("Internal"), Some("External"), None, None]);
        check(
            &CameraSpec::Andor,
            [Some("Internal"), Some("External"), Some("External Exposure"), Some("Software")],
        );
        let words = TriggerWords {
            internal: "Free Run".to_owned(),
            edge: Some("TTL".to_owned()),
            gate: None,
        };
        check(&CameraSpec::Generic(words), [Some("Free Run"), Some("TTL"), None, None]);
    }
}
