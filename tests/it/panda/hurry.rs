//! A process that is told twice to end while nothing answers: all is waited for at the same time.
use super::flight::{ms, setup, taken};
use crate::run::rig::{GRID, Rig, name};
use bluefly_actors::system::simulated_system;
use bluefly_sim::faults::Fault;
use std::{future::ready, time::Duration};

#[test]
fn what_hung_was_waited_for_one_after_the_other() {
    simulated_system().block_on(async {
        let rig = Rig::new(setup(&[])).await;
        rig.ready(GRID).await;
        let flight = rig.kickoff().await;
        taken(&rig, 5).await;
        let devices = ["camera", "diode", "motion", "panda", "x", "y"].map(name);
        for device in devices.clone() {
            rig.process.world.fault(&Fault::Freeze { device, time: Duration::from_hours(1) });
        }
        let Rig { process, directory, memory: _ } = rig;
        let clock = process.clock.clone();
        let begun = clock.now();
        // As it is told for the second time a second later.
        clock.timeout(ms(1_000), process.close("a test")).await.unwrap_err();
        let halted = process.halt_unless(ready(())).await;
        assert_eq!((clock.now() - begun).as_millis(), 6_000);
        assert_eq!(halted.may_not_be_safe, devices);
        drop((directory, flight));
    });
}
