//! Signals that may not be written, and values that nothing can be decided by.
use super::{Plant, beamline, with_plant};
use crate::{
    beam::ms,
    run::rig::{GRID, Rig, spec},
};
use bluefly_actors::{
    coordinator::{Kickoff, Prepare, Stop},
    signal::{Connector, Value},
    system::simulated_system,
};
use bluefly_protocol::run::RunPhase;

#[test]
fn a_scan_began_with_a_stop_that_may_not_be_written() {
    simulated_system().block_on(async {
        let spec = beamline(&[]);
        let plant = Plant::new(&spec);
        plant.motion.lock("ca://x.STOP");
        plant.detectors.lock("ca://camera:cam1:Acquire");
        let error = plant.start(&spec).await.map(drop).unwrap_err();
        let text = "device.x: ca://x.STOP may not be written by us; device.motion: ca://x.STOP may not \
                    be written by us; device.camera: ca://camera:cam1:Acquire may not be written by us";
        assert_eq!(error.to_string(), text);
    });
}

/// Rights may change while a run is under way.
#[test]
fn a_stop_that_is_refused_ends_the_run_and_is_named() {
    with_plant(&[], async |plant, rig| {
        rig.ready(GRID).await;
        rig.kickoff().await;
        rig.sleep(ms(1_000)).await;
        plant.motion.lock("ca://motion:ProfileAbort");
        let begun = plant.clock.now();
        let error = rig.try_step(Stop).await.unwrap_err();
        let text = "motion: cannot make safe: ca://motion:ProfileAbort may not be written by us";
        assert!(error.starts_with(text), "{error}");
        assert_eq!((plant.clock.now() - begun).as_millis(), 0, "{error}");
        // The motors were told to stop nevertheless.
        rig.sleep(ms(1_000)).await;
        assert!(!plant.world.is_anything_moving());
        plant.motion.unlock("ca://motion:ProfileAbort");
        rig.sleep(ms(2_000)).await;
        assert_eq!(rig.run(GRID).await, Ok(40));
    });
}

/// What comes of kicking a scan off, and of preparing it, once `spoil` was done.
fn refused(spoil: &impl AsyncFn(&Plant)) -> [String; 2] {
    with_plant(&[], async |plant, rig: &Rig| {
        rig.ready(GRID).await;
        spoil(plant).await;
        let flown = rig.try_step(Kickoff).await.unwrap_err();
        let prepared = rig.try_step(Prepare(spec(GRID))).await.unwrap_err();
        assert_eq!(rig.documents(), [], "nothing was begun");
        rig.assert_safe();
        [flown, prepared]
    })
}

#[test]
fn a_scan_was_flown_by_values_that_are_no_numbers() {
    for value in [f64::NAN, f64::INFINITY] {
        for field in ["RBV", "LLM", "HLM", "VELO", "VMAX", "VBAS", "ACCL", "DLY"] {
            let signal = format!("ca://y.{field}");
            let told =
                refused(&async |plant: &Plant| plant.motion.spoil(&signal, Value::Float(value)));
            let text = format!("y: cannot fly: {signal} is {value}, which is no finite number");
            assert_eq!(told, [text.clone(), text]);
        }
    }
}

#[test]
fn a_scan_began_though_a_motor_record_does_not_move() {
    for mode in ["Stop", "Pause", "Move"] {
        let told = refused(&async |plant: &Plant| {
            let side = Connector::new(plant.world.provider(), plant.clock.clone(), ms(5_000));
            let signal = side.w::<String>("ca://x.SPMG").await.unwrap();
            signal.send(mode.to_owned()).await.unwrap();
        });
        let text = format!("x: cannot fly: ca://x.SPMG is {mode}: it moves when that is Go");
        assert_eq!(told, [text.clone(), text]);
    }
}

/// Where the axes have come to is asked for as well.
#[test]
fn an_arrival_was_taken_from_a_position_that_is_no_number() {
    with_plant(&[], async |plant, rig| {
        rig.ready(GRID).await;
        let spoilt = async {
            rig.reach(RunPhase::Starting).await;
            rig.sleep(ms(10)).await;
            plant.motion.spoil("ca://x.RBV", Value::Float(f64::NAN));
        };
        let (flown, ()) = tokio::join!(rig.try_step(Kickoff), spoilt);
        let text = "ca://x.RBV is NaN, which is no finite number";
        let error = flown.unwrap_err();
        assert!(error.contains(text), "{error}");
    });
}
