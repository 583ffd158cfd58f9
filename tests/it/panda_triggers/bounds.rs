//! How much a PandA takes: rows at a time, tables ahead, triggers of a PULSE block.
use super::{
    edges::LINE,
    rig::{GATE, Rig, SECOND, from_frame, name, plan, setup, with_panda},
};
use bluefly_actors::logic::{
    panda::triggers::{TriggerOutput, TriggerSetup},
    triggers::TriggerLogic as _,
};
use bluefly_protocol::{
    exposures::ExposuresPerFrame,
    fault::FaultClass,
    sequencer::{PulsePlace, TableLimits},
};
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

/// How many rows the sequencer holds.
async fn held(rig: &Rig) -> u64 {
    rig.get("SEQ1.TABLE.QUEUED_LINES").await.parse().unwrap()
}

/// Rows that the sequencer reads ahead by itself, and rows of a table here.
const TABLE: u64 = 4_096;

/// 7,000 windows of 3 rows each.
fn long() -> String {
    LONG.replace("1400", "7000")
}

#[test]
fn two_tables_wait_behind_the_one_that_is_run() {
    with_panda(async |rig| {
        let tables = TableLimits::new(TABLE as usize, Duration::from_secs(1_000)).unwrap();
        let triggers = rig.triggers(TriggerSetup { tables, ..setup(GATE) });
        let plan = Arc::new(plan(&long()));
        triggers.make_safe().await.unwrap();
        rig.park(&plan, 0);
        triggers.load(&from_frame(&plan, 0)).await.unwrap();
        let loaded = held(rig).await;
        triggers.enable().await.unwrap();
        rig.fly(&plan, 0);
        let seen = RefCell::new(Vec::new());
        let watched = async {
            loop {
                rig.clock.sleep(Duration::from_millis(990)).await;
                let rows = held(rig).await;
                seen.borrow_mut().push(rows);
            }
        };
        let followed = async {
            tokio::select! { biased;
                followed = triggers.follow(&|_| {}) => followed.unwrap(),
                () = watched => {}
            }
        };
        assert!(rig.clock.timeout(400 * SECOND, followed).await.is_err(), "it is over");
        let mut held = seen.into_inner();
        held.dedup();
        // The second table was read to its end, and the next was given.
        assert_eq!((loaded, held), (3 * TABLE, [3, 2, 3].map(|tables| tables * TABLE).to_vec()));
        triggers.make_safe().await.unwrap();
    });
}

#[test]
fn pulses_that_were_dropped_are_told() {
    with_panda(async |rig| {
        let camera = TriggerOutput {
            detector: name("camera"),
            pulse: Some("PULSE1".parse().unwrap()),
            exposures_per_frame: ExposuresPerFrame::try_from(4).unwrap(),
            dead_time: Duration::from_micros(10),
            place: PulsePlace::Beginning,
        };
        let triggers = rig.triggers(TriggerSetup { outputs: vec![camera], ..setup(GATE) });
        let plan = Arc::new(plan(LINE));
        triggers.make_safe().await.unwrap();
        rig.park(&plan, 0);
        triggers.load(&from_frame(&plan, 0)).await.unwrap();
        // The pulses of the first frame last longer than the three after it, which find it busy.
        rig.set("PULSE1.STEP.RAW", "1500000").await;
        triggers.enable().await.unwrap();
        rig.fly(&plan, 0);
        let last = Cell::new(0);
        let fault = triggers.follow(&|frames| last.set(frames)).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Lost);
        let text = "panda: cannot trigger the frames: PULSE1 has dropped 3 frames";
        assert_eq!((fault.to_string().as_str(), last.get()), (text, 5));
    });
}

/// 1,400 rows of 2 frames each.
const LONG: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.005, "spec": {"type": "Product",
        "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 7, "num": 1400},
        "inner": {"type": "Snake", "spec":
            {"type": "Linspace", "axis": "x", "start": 0, "stop": 0.1, "num": 2}}}}}"#;

#[test]
fn more_rows_than_an_old_server_takes_are_refused() {
    with_panda(async |rig| {
        let session = rig.seat.session().unwrap();
        let mut inventory = (*session.inventory).clone();
        inventory.identity = inventory_of("3.0");
        rig.seat.attach(1, session.control, Arc::new(inventory)).unwrap();
        let triggers = rig.triggers(setup(GATE));
        let long = from_frame(&Arc::new(plan(LONG)), 0);
        let rule = "the frames need 4201 rows, and SEQ1.TABLE takes 4096 at a time: server 3.0 cannot \
                    append to it while it runs, which 4.0 can";
        let checked = triggers.check(&long).await.unwrap_err();
        assert_eq!(checked.class, FaultClass::Rejected);
        assert_eq!(checked.to_string(), format!("panda: cannot trigger the scan: {rule}"));
        let loaded = triggers.load(&long).await.unwrap_err();
        assert_eq!(loaded.to_string(), format!("panda: cannot load triggers: {rule}"));
        // It takes what fits, from any frame on.
        triggers.load(&from_frame(&Arc::new(plan(LONG)), 100)).await.unwrap();
        assert_eq!(rig.get("SEQ1.TABLE.MODE").await, "FIXED");
    });
}

fn inventory_of(software: &str) -> bluefly_protocol::panda::describe::Identity {
    format!("PandA SW: {software} FPGA: 3.0.0 deadbeef 00000000 rootfs: old").parse().unwrap()
}
