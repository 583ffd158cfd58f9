//! What a beamline tells of its PandA.
use super::flight::{ms, setup};
use crate::run::rig::{Rig, name, with_rig};
use bluefly_protocol::api::{Life, Reply, Request};

async fn panda(rig: &Rig) -> (Life, Option<String>) {
    let request = Request::Device(name("panda"));
    let Reply::Device(panda) = rig.process.desk.dispatch(request).await.unwrap() else { panic!() };
    (panda.state, panda.error)
}

#[test]
fn a_panda_that_was_away_did_not_say_why() {
    with_rig(setup(&[]), async |rig| {
        assert_eq!(panda(rig).await, (Life::Up, None));
        rig.process.world.panda(&name("panda")).unwrap().switch_off();
        rig.sleep(ms(1_000)).await;
        let why = "panda: is not running: failed: a box within the process: cannot connect: connection refused";
        assert_eq!(panda(rig).await, (Life::Backoff, Some(why.to_owned())));
    });
}
