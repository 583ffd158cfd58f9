//! A PandA that cannot be reached, says nothing, or is another one.
use super::Rig;
use crate::{
    beam::{ms, name, simulate},
    panda_server::new_server,
};
use bluefly_actors::backend::panda::control::{Dial as _, Wire};
use bluefly_sim::faults::Fault;
use std::{io::ErrorKind, time::Duration};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What comes on a wire within 10 ms of a command; nothing once it was closed.
async fn said(rig: &Rig, wire: &mut Box<dyn Wire>, line: &str) -> Option<String> {
    let mut bytes = vec![0; 256];
    if !line.is_empty() {
        wire.write_all(format!("{line}\n").as_bytes()).await.ok()?;
    }
    let read = rig.beam.clock.timeout(ms(10), wire.read(&mut bytes)).await;
    let Ok(length) = read else { return Some(String::new()) };
    let length = length.unwrap();
    (length > 0).then(|| String::from_utf8_lossy(&bytes[..length]).into_owned())
}

#[test]
fn a_box_that_is_cut_off_cannot_be_dialled_and_is_the_same_afterwards() {
    simulate(async {
        let rig = Rig::new();
        rig.told("BITS.A=1");
        let mut wire = rig.panda.dial().await.unwrap();
        assert_eq!(said(&rig, &mut wire, "BITS.A?").await.as_deref(), Some("OK =1\n"));
        let fault = Fault::Disconnect { device: name("panda"), time: ms(100) };
        rig.beam.world.fault(&fault);
        assert_eq!(said(&rig, &mut wire, "").await, None);
        rig.sleep_us(80_000).await;
        let refused = rig.panda.dial().await.map(|_| ()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        rig.sleep_us(20_001).await;
        let mut wire = rig.panda.dial().await.unwrap();
        assert_eq!(said(&rig, &mut wire, "BITS.A?").await.as_deref(), Some("OK =1\n"));
    });
}

#[test]
fn a_frozen_box_answers_once_it_goes_on() {
    simulate(async {
        let rig = Rig::new();
        let mut wire = rig.panda.dial().await.unwrap();
        rig.beam.world.fault(&Fault::Freeze { device: name("panda"), time: ms(100) });
        assert_eq!(said(&rig, &mut wire, "BITS.A?").await.as_deref(), Some(""));
        rig.sleep_us(90_001).await;
        assert_eq!(said(&rig, &mut wire, "").await.as_deref(), Some("OK =0\n"));
        rig.beam.world.fault(&Fault::Freeze { device: name("panda"), time: ms(100) });
        rig.beam.world.calm();
        assert_eq!(said(&rig, &mut wire, "BITS.A?").await.as_deref(), Some("OK =0\n"));
    });
}

#[test]
fn a_box_that_lost_its_power_forgets_what_was_set_and_sees_its_encoders() {
    simulate(async {
        let rig = Rig::new();
        rig.wire();
        rig.told("BITS.A=1");
        let setpoint = rig.beam.connector.rw::<f64>("sim://x.VAL").await.unwrap();
        setpoint.send(20.0).await.unwrap();
        rig.sleep_us(1_000_000).await;
        let wire = rig.panda.dial().await.unwrap();
        let power_cut = Fault::PowerCycle { panda: name("panda"), time: ms(100) };
        rig.beam.world.fault(&power_cut);
        rig.sleep_us(100_001).await;
        let mut new = rig.panda.dial().await.unwrap();
        // The old connection has the number that the new one has.
        drop(wire);
        rig.sleep_us(149_999).await;
        assert_eq!(said(&rig, &mut new, "BITS.A?").await.as_deref(), Some("OK =0\n"));
        assert_eq!(said(&rig, &mut new, "SEQ1.ENABLE?").await.as_deref(), Some("OK =ZERO\n"));
        assert_eq!(said(&rig, &mut new, "INENC1.VAL?").await.as_deref(), Some("OK =100000\n"));
        rig.beam.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(said(&rig, &mut new, "INENC1.VAL?").await.as_deref(), Some("OK =200000\n"));
    });
}

#[test]
fn the_end_of_a_connection_to_the_old_box_ends_none_to_the_new_one() {
    simulate(async {
        let rig = Rig::new();
        // The second connection of the old box, and then that of the new one.
        let _old = rig.panda.dial().await.unwrap();
        rig.panda.switch_on(Some(new_server()));
        let _first = rig.panda.dial().await.unwrap();
        let mut second = rig.panda.dial().await.unwrap();
        rig.sleep_us(1).await;
        assert_eq!(said(&rig, &mut second, "BITS.A?").await.as_deref(), Some("OK =0\n"));
    });
}

#[test]
fn a_link_that_drops_at_a_command_leaves_it_done_and_unanswered() {
    simulate(async {
        let rig = Rig::new();
        let (device, time) = (name("panda"), ms(100));
        rig.beam.world.fault(&Fault::DropRequest { device: device.clone(), after: 2, time });
        let mut wire = rig.panda.dial().await.unwrap();
        assert_eq!(said(&rig, &mut wire, "BITS.A=1").await.as_deref(), Some("OK\n"));
        assert_eq!(said(&rig, &mut wire, "BITS.B=1").await.as_deref(), Some("OK\n"));
        assert_eq!(said(&rig, &mut wire, "BITS.C=1").await, None);
        assert_eq!(rig.beam.world.requests(&device), 3);
        assert!(rig.panda.dial().await.is_err());
        rig.sleep_us(100_001).await;
        let mut wire = rig.panda.dial().await.unwrap();
        assert_eq!(said(&rig, &mut wire, "BITS.C?").await.as_deref(), Some("OK =1\n"));
    });
}

#[test]
fn a_box_that_captures_is_armed() {
    simulate(async {
        let rig = Rig::new();
        rig.wire();
        assert!(!rig.beam.world.is_anything_armed());
        rig.told("*PCAP.ARM=");
        assert!(rig.beam.world.is_anything_armed());
        rig.told("*PCAP.DISARM=");
        assert!(!rig.beam.world.is_anything_armed());
    });
}
