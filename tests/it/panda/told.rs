//! What a beamline tells of its PandA.
use super::flight::{FRAMES, ms, setup};
use crate::run::rig::{GRID, Rig, name, with_rig};
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

#[test]
fn columns_of_a_panda_had_no_units_in_documents() {
    with_rig(setup(&[]), async |rig| {
        assert_eq!(rig.run(GRID).await, Ok(FRAMES));
        let documents = rig.documents();
        let (_, descriptor) = documents.iter().find(|(name, _)| name == "descriptor").unwrap();
        let units = |key: &str| descriptor["data_keys"][key]["units"].clone();
        assert_eq!(units("panda-x_mean"), "mm");
        assert_eq!(units("panda-y_mean"), "mm");
        assert_eq!(units("panda-pcap_gate_duration_value"), "s");
        assert!(descriptor["data_keys"]["camera"].is_object(), "{descriptor}");
        assert!(units("camera").is_null());
    });
}
