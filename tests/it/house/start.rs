//! How a beamline of real devices comes up, or does not.
use super::{Plant, beamline, with_plant};
use crate::{
    beam::ms,
    cli::{ROOT, bluefly, ended},
    run::rig::GRID,
};
use bluefly_actors::system::simulated_system;
use std::{fs, path::Path};

#[test]
fn real_devices_fly_as_simulated_ones_do() {
    with_plant(&[], async |_, rig| {
        assert_eq!(rig.run(GRID).await, Ok(40));
        rig.assert_complete(GRID, 40);
        rig.assert_safe();
    });
}

/// What is said if some devices cannot be reached, and after how long.
fn check_missing(cut: impl FnOnce(&Plant), error: &str) {
    simulated_system().block_on(async {
        let spec = beamline(&[]);
        let plant = Plant::new(&spec);
        cut(&plant);
        let started = plant.start(&spec).await.map(drop).unwrap_err();
        let devices: Vec<String> = started
            .to_string()
            .split("; ")
            .map(|device| {
                let few = device.split(" and ").next().unwrap();
                few.split(", ").next().unwrap().to_owned()
            })
            .collect();
        assert_eq!(devices.join("; "), error);
        assert_eq!(plant.clock.now().since_start(), ms(2_000));
    });
}

#[test]
fn every_device_that_does_not_answer_is_named_at_once() {
    let silent = |devices: &[(&str, &str)]| {
        let each = devices.iter().map(|(device, first)| {
            format!("device.{device}: none of its signals answers: ca://{first}")
        });
        each.collect::<Vec<_>>().join("; ")
    };
    let detectors = [("camera", "camera:cam1:Acquire"), ("diode", "diode:cam1:Acquire")];
    check_missing(|plant| plant.detectors.cut(), &silent(&detectors));
    let motion = [("x", "x.VAL"), ("y", "y.VAL"), ("motion", "x:CsPort_RBV")];
    check_missing(|plant| plant.motion.cut(), &silent(&motion));
}

#[test]
fn what_cannot_move_together_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mixed.toml");
    let text = fs::read_to_string(Path::new(ROOT).join("etc/example.toml")).unwrap();
    fs::write(&file, text.replace("\"sim://motion\"", "\"ca://motion\"")).unwrap();
    let file = file.to_str().unwrap();
    let ended = ended(&mut bluefly(&["serve", file, "--listen", "127.0.0.1:0"]));
    let rule =
        "\"x\" is \"sim://x\", which \"ca://motion\" cannot move; --sim simulates every device";
    assert_eq!(ended.err, format!("error: {file}: device.motion.axes: {rule}\n"));
    assert_eq!(ended.status, 2);
}
