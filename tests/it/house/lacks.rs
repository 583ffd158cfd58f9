//! A detector that has not what the beamline file asks for.
use super::{Plant, beamline, with_plant};
use crate::run::rig::{GRID, spec};
use bluefly_actors::{
    coordinator::{Prepare, Stage},
    signal::Value,
    system::simulated_system,
};

const DEAD_TIME: &str = "dead_time = \"1 ms\"";

/// Why hardware with `has` in the table of its camera does not start as one without.
fn refused(has: &str, asked: &str) -> String {
    let camera = |line: &str| beamline(&[(DEAD_TIME, &format!("{DEAD_TIME}\n{line}"))]);
    simulated_system().block_on(async {
        let plant = Plant::new(&camera(has));
        plant.start(&camera(asked)).await.map(drop).unwrap_err().to_string()
    })
}

#[test]
fn a_start_told_nothing_of_words_that_a_camera_lacks() {
    let words = "camera = \"generic\"\ntrigger_words = { internal = \"Internal\", edge = \"TTL\" }";
    let text = "device.camera: ca://camera:cam1:TriggerMode lacks the choices TTL: it has Internal, \
                External";
    assert_eq!(refused("", words), text);
}

#[test]
fn a_start_told_nothing_of_positions_that_no_file_has() {
    let text =
        "device.camera: there is no signal ca://camera:HDF1:Positions_RBV; set positions = false";
    assert_eq!(refused("positions = false", ""), text);
}

#[test]
fn a_dataset_was_announced_that_no_file_had() {
    with_plant(&[], async |plant, rig| {
        let signal = "ca://camera:HDF1:Positions_RBV";
        plant.detectors.spoil(signal, Value::Text("x y2".to_owned()));
        rig.try_step(Stage::default()).await.unwrap();
        let error = rig.try_step(Prepare(spec(GRID))).await.unwrap_err();
        let text = "camera: cannot describe its file: its file has no positions of y: \
                    ca://camera:HDF1:Positions_RBV is \"x y2\"";
        assert_eq!(error, text);
    });
}
