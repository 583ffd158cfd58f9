//! A world whose tasks wake late moves, triggers and exposes as one whose tasks wake in time.
use super::{BITA_HIGH, BITA_LOW, POSA_ABOVE, Rig, Row};
use crate::beam::{ROW_START, arm, busy, ms, plan, segment, simulate, stage_setup};
use bluefly_actors::logic::trajectory::TrajectorySetup;
use bluefly_protocol::trajectory::{Batch, Mark, TriggerBits};

/// How many stretches of 25 ms there are, in which x goes now slower and now faster.
const STRETCHES: usize = 40;

/// x from 0 to 9.8 mm; a gate is high in every other stretch.
fn ragged() -> Batch {
    let mut segments = vec![segment(500, 0, [0.0, 10.0], [0.0, 0.0])];
    let mut marks = vec![Mark::RowStart];
    for i in 1..=STRETCHES {
        let (velocity, mark) =
            if i % 2 == 1 { (9.6, Mark::RowEnd) } else { (10.0, Mark::RowStart) };
        segments.push(segment(25, 0, [0.245 * i as f64, velocity], [0.0, 0.0]));
        marks.push(mark);
    }
    segments.push(segment(500, 0, [12.3, 0.0], [0.0, 0.0]));
    marks.push(Mark::RunDown);
    Batch { marks, last: true, ..segments.into_iter().collect() }
}

/// What was captured and taken of a flight: x and time of each row, x of each frame.
#[derive(Debug, PartialEq)]
struct Flown {
    rows: Vec<(i32, u64)>,
    frames: Vec<f64>,
}

/// Flies with this table, in a world that wakes late or one that does not.
fn flown(table: &[Row], is_busy: bool) -> Flown {
    simulate(async {
        let rig = Rig::new();
        let setup = TrajectorySetup { trigger_bits: TriggerBits::RowGate, ..stage_setup() };
        let stage = rig.beam.stage_with(&setup).await.unwrap();
        let camera = rig.beam.camera().await.unwrap();
        rig.wire();
        rig.write_table(table);
        camera.open(&plan("a.h5")).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&ragged()).await.unwrap();
        camera.arm(&arm(0, 10)).await.unwrap();
        let reader = rig.reader();
        rig.told("*PCAP.ARM=");
        rig.told("BITS.A=1");
        let load = is_busy.then(|| tokio::task::spawn_local(busy(rig.beam.clock.clone())));
        stage.execute(|_| ()).await.unwrap();
        rig.beam.clock.sleep(ms(200)).await;
        if let Some(load) = load {
            load.abort();
        }
        camera.disarm().await.unwrap();
        let frames = rig.beam.sink.file("/data/a.h5".as_ref()).unwrap().frames();
        let frames = frames.into_values().map(|frame| frame.numbers[3]);
        Flown { rows: rig.rows(reader), frames: frames.collect() }
    })
}

#[test]
fn a_world_that_woke_late_triggered_where_its_encoders_had_jumped_to() {
    let row = |i| Row {
        repeats: 1,
        trigger: POSA_ABOVE,
        position: 9_000 * i + 777,
        times: [50 * 125_000, 125_000],
    };
    let table: Vec<Row> = (0..10).map(row).collect();
    let fine = flown(&table, false);
    let positions: Vec<i32> = fine.rows.iter().map(|(x, _)| *x).collect();
    assert_eq!(positions, (0..10).map(|i| 9_000 * i + 777).collect::<Vec<_>>());
    assert_eq!(fine.frames.len(), positions.len());
    assert_eq!(flown(&table, true), fine);
}

#[test]
fn a_world_that_woke_late_raised_its_gates_late() {
    let row = |i: usize| Row {
        repeats: 1,
        trigger: if i.is_multiple_of(2) { BITA_HIGH } else { BITA_LOW },
        position: 0,
        times: [125_000, 125_000],
    };
    let table: Vec<Row> = (0..STRETCHES).map(row).collect();
    let fine = flown(&table, false);
    let periods: Vec<u64> = fine.rows.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert_eq!(periods, [25 * 125_000; STRETCHES - 1]);
    assert_eq!(flown(&table, true), fine);
}
