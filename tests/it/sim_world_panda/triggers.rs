//! Pulses of outputs are triggers of detectors.
use super::{BITA_HIGH, BITA_LOW, IMMEDIATE, Rig, Row, line};
use crate::beam::{DEAD_TIME, ROW_START, arm, ms, name, plan, setup, simulate, snake, stage_setup};
use bluefly_actors::{
    clock::Instant,
    logic::{
        area_detector::{AreaDetector, DetectorRecord, DetectorSetup},
        detector::{Arm, FilePlan},
        trajectory::{TrajectoryLogic, TrajectorySetup},
    },
};
use bluefly_protocol::{
    beamline::Trigger,
    trajectory::{Mark, TriggerBits},
};
use bluefly_sim::sink::MemoryFrame;
use std::{collections::BTreeMap, time::Duration};

fn frames(rig: &Rig) -> BTreeMap<u64, MemoryFrame> {
    rig.beam.sink.file("/data/a.h5".as_ref()).unwrap().frames()
}

/// Pulses of so many milliseconds, one every 100 ms.
const fn pulses(repeats: u32, high_ms: u32) -> Row {
    let times = [high_ms * 125_000, (100 - high_ms) * 125_000];
    Row { repeats, trigger: IMMEDIATE, position: 0, times }
}

const fn since_start(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// The exposures of the frames: when each began, and where x was in its middle, with x at 10 mm/s
/// from 500 ms on.
fn check_frames(rig: &Rig, starts: &[Duration], exposure: Duration) {
    let expected: Vec<Vec<f64>> = starts
        .iter()
        .map(|start| {
            let middle = (*start + exposure / 2).saturating_sub(ms(500));
            let timestamp_s = rig.beam.clock.unix_s(Instant::default() + *start);
            vec![timestamp_s, 2.5 + 10.0 * middle.as_secs_f64()]
        })
        .collect();
    let found: Vec<Vec<f64>> =
        frames(rig).into_values().map(|frame| vec![frame.numbers[1], frame.numbers[3]]).collect();
    assert_eq!(found, expected);
}

/// Takes ten frames of pulses that begin at 700 ms, with x on its way.
async fn take(rig: &Rig, high_ms: u32) {
    let camera = rig.beam.camera().await.unwrap();
    rig.wire();
    rig.write_table(&[pulses(10, high_ms)]);
    camera.open(&plan("a.h5")).await.unwrap();
    camera.arm(&arm(0, 10)).await.unwrap();
    assert_eq!(rig.beam.now(), Duration::ZERO);
    let setpoint = rig.beam.connector.rw::<f64>("sim://x.VAL").await.unwrap();
    setpoint.send(20.0).await.unwrap();
    rig.sleep_us(700_000).await;
    rig.told("BITS.A=1");
    let acquiring = rig.beam.connector.r::<bool>("sim://camera:cam1:Acquire_RBV").await.unwrap();
    acquiring.wait_for(ms(2_000), |acquiring| !acquiring).await.unwrap();
}

/// BITS takes a tick, SEQ1 one, the way to SEQ1 two, and that to TTLOUT1.
const LATENCY_NS: u64 = 6 * 8;

#[test]
fn every_edge_is_a_frame_at_its_moment() {
    simulate(async {
        let rig = Rig::new();
        take(&rig, 30).await;
        let starts: Vec<_> =
            (0..10).map(|i| since_start(700_000_000 + LATENCY_NS + i * 100_000_000)).collect();
        check_frames(&rig, &starts, ms(50));
        // It tells of its end when its last frame is there: that was at 49 ns.
        let last = starts[9] + ms(50) + DEAD_TIME;
        assert_eq!(rig.beam.now(), last + Duration::from_nanos(1_000 - LATENCY_NS));
    });
}

#[test]
fn a_gate_is_as_long_as_its_pulse() {
    simulate(async {
        let rig = Rig::with(|config| config.detectors[0].triggers[1].1 = Trigger::Gate);
        take(&rig, 30).await;
        let starts: Vec<_> =
            (0..10).map(|i| since_start(700_000_000 + LATENCY_NS + i * 100_000_000)).collect();
        check_frames(&rig, &starts, ms(30));
        let last = starts[9] + ms(30) + DEAD_TIME;
        assert_eq!(rig.beam.now(), last + Duration::from_nanos(1_000 - LATENCY_NS));
    });
}

#[test]
fn a_pulse_that_began_before_arming_is_none() {
    simulate(async {
        let rig = Rig::new();
        let camera = rig.beam.camera().await.unwrap();
        rig.wire();
        rig.write_table(&[pulses(10, 30)]);
        camera.open(&plan("a.h5")).await.unwrap();
        rig.sleep_us(1_000).await;
        rig.told("BITS.A=1");
        rig.sleep_us(210_000).await;
        camera.arm(&arm(0, 20)).await.unwrap();
        rig.sleep_us(230_000).await;
        // Those of 301 and 401 ms; the latter is being exposed.
        assert_eq!(camera.disarm().await, Ok(1));
        assert_eq!(frames(&rig).len(), 1);
        rig.sleep_us(1_000_000).await;
        assert_eq!(frames(&rig).len(), 1);
        assert!(!rig.beam.world.is_anything_armed());
    });
}

#[test]
fn a_detector_that_hangs_on_an_output_has_no_triggers_from_the_controller() {
    simulate(async {
        let rig = Rig::new();
        let (camera, stage) = (rig.beam.camera().await.unwrap(), rig.beam.stage().await.unwrap());
        camera.open(&plan("a.h5")).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        camera.arm(&arm(0, 20)).await.unwrap();
        stage.execute(|_| ()).await.unwrap();
        assert_eq!(camera.disarm().await, Ok(0));
        assert_eq!(rig.beam.world.frames_written(&name("camera")), [0; 0]);
    });
}

#[test]
fn ten_thousand_frames_at_1_khz_all_arrive() {
    simulate(async {
        let short = Duration::from_micros(100);
        let rig = Rig::with(|config| config.detectors[0].dead_time = short);
        let setup = DetectorSetup { dead_time: short, ..setup() };
        let record = DetectorRecord::connect(&rig.beam.connector, "sim://camera", &setup).await;
        let camera = AreaDetector::new(name("camera"), record.unwrap(), setup);
        rig.wire();
        let times = [100_000, 25_000];
        rig.write_table(&[Row { repeats: 10_000, trigger: IMMEDIATE, position: 0, times }]);
        camera.open(&FilePlan { frames: 10_000, ..plan("a.h5") }).await.unwrap();
        let (frame_duration, exposure) = (ms(1), ms(1) / 2);
        let arm = Arm { first_index: 0, frames: 10_000, frame_duration, exposure };
        camera.arm(&arm).await.unwrap();
        let reader = rig.reader();
        rig.told("*PCAP.ARM=");
        rig.told("BITS.A=1");
        rig.sleep_us(10_100_000).await;
        assert_eq!(camera.disarm().await, Ok(10_000));
        assert_eq!(rig.beam.world.frames_written(&name("camera")), vec![1; 10_000]);
        let times: Vec<u64> = rig.rows(reader).iter().map(|(_, time)| *time).collect();
        assert_eq!(times, (0..10_000).map(|i| i * 125_000).collect::<Vec<_>>());
    });
}

/// A row between two of its output bits, as a gate.
async fn gated(rig: &Rig) -> TrajectoryLogic {
    let bits = TriggerBits::RowGate;
    let setup = TrajectorySetup { trigger_bits: bits, ..stage_setup() };
    let stage = rig.beam.stage_with(&setup).await.unwrap();
    stage.move_to(&ROW_START).await.unwrap();
    let mut batch = line();
    batch.marks = vec![Mark::RowStart, Mark::RowEnd, Mark::RunDown];
    stage.build(&batch).await.unwrap();
    stage
}

#[test]
fn a_gate_is_high_during_a_row() {
    simulate(async {
        let rig = Rig::new();
        let stage = gated(&rig).await;
        // A pulse where the gate rises, and one where it falls.
        let edge = |trigger| Row { repeats: 1, trigger, position: 0, times: [125_000, 125_000] };
        rig.wire();
        rig.write_table(&[edge(BITA_HIGH), edge(BITA_LOW)]);
        let reader = rig.reader();
        rig.told("*PCAP.ARM=");
        rig.told("BITS.A=1");
        stage.execute(|_| ()).await.unwrap();
        let [(x_start, start), (x_end, end)] = rig.rows(reader)[..] else { panic!("two rows") };
        assert_eq!([x_start, x_end], [0, 100_000]);
        assert_eq!(end - start, 125_000_000);
        assert_eq!(rig.value("TTLIN1.VAL"), 0);
    });
}

#[test]
fn a_gate_stays_as_it_is_when_the_axes_are_halted() {
    simulate(async {
        let rig = Rig::new();
        let stage = gated(&rig).await;
        let levels = async {
            rig.sleep_us(499_999).await;
            assert_eq!(rig.value("TTLIN1.VAL"), 0);
            rig.sleep_us(2).await;
            assert_eq!(rig.value("TTLIN1.VAL"), 1);
            rig.sleep_us(500_000).await;
            stage.halt().await.unwrap();
            rig.sleep_us(1_000_000).await;
            assert_eq!(rig.value("TTLIN1.VAL"), 1);
        };
        let (executed, ()) = tokio::join!(stage.execute(|_| ()), levels);
        assert!(executed.is_err());
    });
}
