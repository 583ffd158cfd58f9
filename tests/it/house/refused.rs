//! What a controller cannot fly ends the run with its reason, and leaves everything at rest.
use super::{Plant, with_plant};
use crate::{
    beam::ms,
    run::rig::{GRID, Rig},
};
use bluefly_actors::{
    coordinator::Kickoff,
    signal::{Connector, SignalValue},
};
use bluefly_protocol::run::RunPhase;

/// Puts to a signal as an operator at another screen does.
async fn put<T: SignalValue>(plant: &Plant, signal: &str, value: T) {
    let side = Connector::new(plant.world.provider(), plant.clock.clone(), ms(5_000));
    side.w::<T>(signal).await.unwrap().put(value).await.unwrap();
}

/// A scan is kicked off after `spoil`: the run fails with `text`. After `mend` the next one is complete.
fn check(spoil: &impl AsyncFn(&Plant), mend: &impl AsyncFn(&Plant), text: &str) {
    with_plant(&[], async |plant, rig: &Rig| {
        rig.ready(GRID).await;
        spoil(plant).await;
        let error = rig.try_step(Kickoff).await.unwrap_err();
        assert_eq!(error, text);
        assert_eq!(rig.assert_failed(GRID).await.as_deref(), Some(text));
        assert_eq!(rig.progress().phase, RunPhase::Idle);
        mend(plant).await;
        assert_eq!(rig.run(GRID).await, Ok(40));
        rig.assert_complete(GRID, 40);
    });
}

#[test]
fn an_axis_of_another_co_ordinate_system_ends_the_run() {
    let to =
        async |plant: &Plant, port: &str| put(plant, "ca://y:CsPort_RBV", port.to_owned()).await;
    let text = "y: cannot move to [0.0, -1.5]: ca://y:CsPort_RBV is \"CS2\": it must be in \"CS1\"";
    check(&async |plant| to(plant, "CS2").await, &async |plant| to(plant, "CS1").await, text);
}

#[test]
fn a_trajectory_that_the_controller_does_not_take_ends_the_run() {
    let to = async |plant: &Plant, version: f64| {
        put(plant, "ca://motion:ProgramVersion_RBV", version).await;
    };
    let text = "motion: cannot build a trajectory: its trajectory program has version 3, and its driver \
                expects 4 (ProgramVersion_RBV, DriverVersion_RBV)";
    check(&async |plant| to(plant, 3.0).await, &async |plant| to(plant, 4.0).await, text);
}
