//! Where detectors write that are on another computer.
use super::{refused, right};
use crate::beamline::{BeamlineError, BeamlineFile, BeamlineSpec};
use serde_json::json;

fn camera(directory: &str) -> Result<BeamlineSpec, BeamlineError> {
    let camera = json!({
        "type": "detector", "provider": "ca://CAM", "shape": [48, 64], "dtype": "uint16",
        "dead_time": "500 us", "paths": {"here": "/dls/data", "ioc": "X:/data"},
    });
    let mut file = right();
    file["data"]["directory"] = json!(directory);
    file["device"]["camera"] = camera;
    BeamlineSpec::try_from(BeamlineFile::from_value(file)?)
}

#[test]
fn files_that_a_detector_cannot_reach_were_found_out_by_the_first_run() {
    for directory in ["/dls/data", "/dls/data/2026", "data"] {
        assert_eq!(camera(directory).map(drop), Ok(()), "{directory}");
    }
    for directory in ["/dls", "/dls/data2", "/tmp"] {
        let expected = format!(
            "device.camera.paths.here: \"/dls/data\" does not contain data.directory, \
             {directory:?}: expected that directory or one above it"
        );
        assert_eq!(camera(directory).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_relative_path_was_given_to_an_ioc() {
    let with = |ioc: &str| {
        let mut file = right();
        file["device"]["camera"]["paths"] = json!({"here": "/dls/data", "ioc": ioc});
        file["data"]["directory"] = json!("/dls/data");
        BeamlineSpec::try_from(BeamlineFile::from_value(file)?).map(drop)
    };
    for ioc in ["/data", "X:/data", "x:\\data", "\\\\server\\data"] {
        assert_eq!(with(ioc), Ok(()), "{ioc}");
    }
    for ioc in ["data", "~/data", "./data", ":/data", ""] {
        let expected = format!(
            "device.camera.paths.ioc: {ioc:?} is no absolute path: expected one that starts with /, \
             with \\ or with a drive such as C:"
        );
        assert_eq!(with(ioc).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_list_was_taken_for_a_table() {
    let reason = "invalid type: sequence, expected a table";
    refused("device.camera.paths", json!(["/dls/data", "X:/data"]), reason);
    refused("device.camera.trigger_words", json!(["Internal", "External", "Gate"]), reason);
    refused("publish", json!(["eager", "1 s"]), reason);
    refused("sim.device.camera", json!([[3, 5]]), reason);
}

#[test]
fn a_prefix_and_the_co_ordinate_system_have_no_last_colon() {
    let reason = "\"ca://PM:BRICK1:\": expected it without the last colon: the record adds it";
    refused("device.motion.provider", json!("ca://PM:BRICK1:"), reason);
    refused("device.motion.cs_provider", json!("ca://PM:BRICK1:"), reason);
}
