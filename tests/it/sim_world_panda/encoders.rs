//! Encoders are where their motors are.
use super::{EncoderScale, Rig, X, Y};
use crate::beam::{ROW_START, name, simulate, snake};
use std::time::Duration;

/// Between two looks; of no period that anything else has.
const LOOK_US: u64 = 7_919;

fn check_encoders(rig: &Rig) {
    for (axis, encoder) in [("x", X), ("y", Y)] {
        let EncoderScale { number, scale, offset } = encoder;
        let position = rig.beam.world.position(&name(axis)).unwrap();
        let counts = ((position - offset) / scale + 0.5).floor() as i64;
        let told = rig.value(&format!("INENC{number}.VAL"));
        assert_eq!(told, counts, "{axis} at {position}, {:?}", rig.beam.now());
    }
}

/// Looks at both encoders until `micros` are over.
async fn watch(rig: &Rig, micros: u64) {
    let end = rig.beam.clock.now() + Duration::from_micros(micros);
    while rig.beam.clock.now() < end {
        check_encoders(rig);
        let next = rig.beam.clock.now() + Duration::from_micros(LOOK_US);
        rig.beam.clock.sleep_until(next.min(end)).await;
    }
    check_encoders(rig);
}

#[test]
fn they_follow_moves_reversals_and_stops() {
    simulate(async {
        let rig = Rig::new();
        let connector = &rig.beam.connector;
        let setpoint = connector.rw::<f64>("sim://x.VAL").await.unwrap();
        let stop = connector.rw::<i64>("sim://x.STOP").await.unwrap();
        check_encoders(&rig);
        setpoint.send(20.0).await.unwrap();
        watch(&rig, 1_234_567).await;
        setpoint.send(-5.3).await.unwrap();
        watch(&rig, 2_345_678).await;
        stop.send(1).await.unwrap();
        watch(&rig, 1_000_000).await;
        assert!(!rig.beam.world.is_anything_moving());
        // A triangle, of which no phase ends at a tick.
        setpoint.send(rig.beam.world.position(&name("x")).unwrap() + 1.0).await.unwrap();
        watch(&rig, 1_000_000).await;
        assert!(!rig.beam.world.is_anything_moving());
    });
}

#[test]
fn they_follow_axes_that_a_controller_moves_and_halts() {
    simulate(async {
        let rig = Rig::new();
        let stage = rig.beam.stage().await.unwrap();
        let moved = stage.move_to(&[-2.5, 1.7]);
        tokio::join!(async { moved.await.unwrap() }, watch(&rig, 2_000_000));
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let halted = async {
            watch(&rig, 2_765_432).await;
            stage.halt().await.unwrap();
        };
        let (executed, ()) = tokio::join!(stage.execute(|_| ()), halted);
        assert!(executed.is_err());
        watch(&rig, 1_000_000).await;
        assert!(!rig.beam.world.is_anything_moving());
    });
}

#[test]
fn a_halt_in_mid_move_is_seen_as_it_happens() {
    simulate(async {
        let rig = Rig::new();
        let stage = rig.beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let halted = async {
            watch(&rig, 1_654_321).await;
            let halt = stage.halt();
            tokio::join!(async { halt.await.unwrap() }, watch(&rig, 900_000));
        };
        let (executed, ()) = tokio::join!(stage.execute(|_| ()), halted);
        assert!(executed.is_err());
    });
}

/// Where x is after `ticks` at 20 mm/s², in counts: 10,000 * 10 * (8e-9 * ticks)² - 0.13, rounded.
fn accelerated(ticks: u64) -> i64 {
    let ticks = u128::from(ticks);
    i64::try_from((ticks * ticks * 64 + 3_700_000_000_000) / 10_000_000_000_000).unwrap()
}

#[test]
fn an_encoder_moves_within_a_microsecond() {
    simulate(async {
        let rig = Rig::new();
        let setpoint = rig.beam.connector.rw::<f64>("sim://x.VAL").await.unwrap();
        setpoint.send(20.0).await.unwrap();
        rig.sleep_us(300_000).await;
        rig.panda.with(|server| {
            let fpga = server.fpga_mut();
            // 6 counts in a microsecond.
            for tick in 37_500_000..37_502_000 {
                assert_eq!(fpga.run_until(tick), tick);
                assert_eq!(fpga.get("INENC1", "VAL"), Ok(accelerated(tick)), "tick {tick}");
            }
            // 59 counts come and go between two looks.
            for tick in (37_502_000..62_500_000).step_by(12_347) {
                fpga.run_until(tick);
                assert_eq!(fpga.get("INENC1", "VAL"), Ok(accelerated(tick)), "tick {tick}");
            }
        });
    });
}

#[test]
fn an_encoder_that_was_set_goes_on_from_there() {
    simulate(async {
        let rig = Rig::new();
        let setpoint = rig.beam.connector.rw::<f64>("sim://x.VAL").await.unwrap();
        setpoint.send(20.0).await.unwrap();
        rig.sleep_us(1_250_000).await;
        rig.told("INENC1.SETP=0");
        let halted = rig.beam.connector.rw::<i64>("sim://x.STOP").await.unwrap();
        rig.sleep_us(100_000).await;
        halted.send(1).await.unwrap();
        // 1 mm until it is stopped, and 2.5 mm until it stands still; it takes a tick to set it.
        rig.sleep_us(1_000_000).await;
        assert_eq!(rig.value("INENC1.VAL"), 35_000);
    });
}
