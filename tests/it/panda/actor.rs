//! The owner of the connections: it begins anew for whatever reason they end, and nothing is stale.
use super::{
    MS,
    rig::{Rig, with_panda, words},
};
use crate::panda_server::new_server;
use bluefly_actors::{
    backend::panda::control::{Control, Dial as _, Loss},
    device::panda::PandaTiming,
    signal::{Absence, Backlog, SignalError, SignalRW},
};
use bluefly_protocol::panda::describe::Replaced;
use std::{sync::Arc, time::Duration};

const PEER: &str = "a box within the process";

async fn bit(rig: &Rig) -> SignalRW<bool> {
    rig.connector.rw::<bool>("panda://p/BITS.A").await.unwrap()
}

#[test]
fn an_incarnation_tells_what_it_has_reached() {
    with_panda(async |rig| {
        bit(&rig).await;
        let state = rig.look().await;
        let reached = state.reached.unwrap();
        assert_eq!((state.incarnation, reached.num_fields), (1, 257));
        assert_eq!(reached.application.as_deref(), Some("pandabox-no-fmc"));
        assert_eq!((reached.replaced, rig.panda.num_dialled()), (None, 2));
    });
}

#[test]
fn a_cut_connection_is_an_error_at_once_and_is_made_again() {
    with_panda(async |mut rig| {
        let bit = bit(&rig).await;
        let mut observed = bit.r().observe(Backlog::Latest);
        assert!(!observed.next().await.unwrap().value);
        rig.clock.sleep(1_000 * MS).await;
        bit.put(true).await.unwrap();
        assert!(observed.next().await.unwrap().value);
        let cut_at = rig.now();
        rig.panda.cut();
        let signal = "panda://p/BITS.A".to_owned();
        let absence = Box::new(Absence::Closed { server: "p".to_owned() });
        let lost = SignalError::Disconnected { signal, absence };
        assert_eq!(observed.next().await, Err(lost.clone()));
        assert_eq!(bit.get().await, Err(lost.clone()));
        assert_eq!(bit.put(false).await, Err(lost));
        assert_eq!(rig.now(), cut_at);
        // What was set is still there, and is told without being asked for.
        assert!(observed.next().await.unwrap().value);
        assert_eq!(rig.now(), cut_at + 100 * MS);
        assert_eq!(rig.look().await.incarnation, 2);
        let ended = format!("-1 failed: {PEER}: commands: the connection was closed");
        assert_eq!(rig.story(), ["+1".to_owned(), ended, "+2".to_owned()]);
    });
}

#[test]
fn a_box_that_hangs_is_an_error_within_100_ms_whoever_waits() {
    with_panda(async |mut rig| {
        let bit = bit(&rig).await;
        let mut observed = bit.r().observe(Backlog::Latest);
        assert!(!observed.next().await.unwrap().value);
        rig.clock.sleep(1_010 * MS).await;
        rig.panda.hang();
        let hung_at = rig.now();
        let (put, read) = futures_util::join!(bit.put(true), observed.next());
        let silent = "its server p was silent for 60 ms (it hangs, or is cut off)";
        let lost = "was disconnected while true was being put: what that did is unknown";
        assert_eq!(words(put), format!("panda://p/BITS.A {lost}; {silent}"));
        assert_eq!(words(read), format!("panda://p/BITS.A is disconnected; {silent}"));
        // It was heard last at 1,000 ms, and asked again at 1,030 ms.
        assert_eq!(rig.now(), hung_at + 80 * MS);
        rig.panda.go_on();
        assert!(observed.next().await.is_ok());
        let ended = format!("-1 failed: {PEER}: polling: no reply within 0.06 s");
        assert_eq!(rig.story()[..2], ["+1".to_owned(), ended]);
    });
}

#[test]
fn a_box_without_power_is_tried_again_for_ever_ever_less_often() {
    with_panda(async |mut rig| {
        bit(&rig).await;
        rig.story();
        rig.panda.switch_off();
        rig.clock.sleep(Duration::from_mins(10)).await;
        let story = rig.story();
        assert!(story.iter().all(|told| !told.starts_with('!')), "{story:?}");
        // It is dialled once each time: after 0.1, 0.2, 0.4, 0.8, 1.6 and 3.2 s, then every 5 s.
        assert_eq!(rig.panda.num_dialled(), 2 + 124);
        let refused = format!("-2 failed: {PEER}: cannot connect: connection refused");
        assert_eq!(story[1], refused);
        rig.panda.switch_on(None);
        let begun = rig.now();
        let again = rig.connector.r::<bool>("panda://p/BITS.A").await.unwrap();
        assert_eq!(again.get().await, Ok(false));
        // It was tried last 3.7 s before.
        assert_eq!(rig.now(), begun + 1_300 * MS);
    });
}

#[test]
fn a_box_that_comes_back_without_its_settings_is_read_anew() {
    with_panda(async |rig| {
        let bit = bit(&rig).await;
        bit.put(true).await.unwrap();
        rig.panda.switch_off();
        rig.panda.switch_on(Some(new_server()));
        rig.clock.sleep(1_000 * MS).await;
        // It is the same kind of box, and has lost what was set.
        assert_eq!(bit.get().await, Ok(false));
        assert_eq!(rig.look().await.reached.unwrap().replaced, None);
    });
}

#[test]
fn another_box_at_the_same_place_is_told_to_its_owner() {
    with_panda(async |rig| {
        bit(&rig).await;
        let seat = rig.signals.seat("p");
        let mut inventory = (*seat.inventory().unwrap()).clone();
        inventory.identity.fpga = "5.0.0".to_owned();
        let wire = rig.panda.dial().await.unwrap();
        let limits = PandaTiming::default().commands;
        let (control, _connection) = Control::over(wire, limits, rig.clock.clone());
        seat.claim(9).unwrap();
        let before = "4.1.0 51170001 00000000".to_owned();
        let replaced = Replaced::Fpga { before, now: "5.0.0".to_owned() };
        let attached = seat.attach(9, control, Arc::new(inventory));
        assert_eq!(attached, Ok(Some(replaced)));
    });
}

#[test]
fn an_owner_that_comes_late_is_refused() {
    with_panda(async |rig| {
        bit(&rig).await;
        rig.panda.cut();
        rig.clock.sleep(1_000 * MS).await;
        assert_eq!(rig.look().await.incarnation, 2);
        let seat = rig.signals.seat("p");
        let late = "p: incarnation 1 comes too late: 2 owns its connections";
        assert_eq!(seat.claim(1).unwrap_err().to_string(), late);
        let wire = rig.panda.dial().await.unwrap();
        let limits = PandaTiming::default().commands;
        let (control, _connection) = Control::over(wire, limits, rig.clock.clone());
        let inventory = seat.inventory().unwrap();
        let attached = seat.attach(1, control, inventory);
        assert_eq!(attached.unwrap_err().to_string(), late);
        seat.detach(1, &Loss::Closed);
        assert_eq!(bit(&rig).await.r().get().await, Ok(false));
    });
}

#[test]
fn a_stopped_owner_leaves_signals_that_are_down() {
    with_panda(async |rig| {
        let bit = bit(&rig).await;
        let mut observed = bit.r().observe(Backlog::Latest);
        assert!(!observed.next().await.unwrap().value);
        rig.tree.shutdown().await;
        assert_eq!(words(observed.next().await), "panda://p/BITS.A is disconnected");
        assert_eq!(words(bit.get().await), "panda://p/BITS.A is disconnected");
    });
}
