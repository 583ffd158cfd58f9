//! Detectors that wait for no pulse: they take frame after frame where nothing moves.
use super::{
    rates::numbers,
    rig::{GRID, Rig, Setup, name, with_rig},
};
use bluefly_actors::{
    coordinator::{Kickoff, Pause, Resume},
    signal::Connector,
    status::Outcome,
};
use bluefly_protocol::run::RunPhase;
use bluefly_sim::faults::{Fault, Planned};
use std::time::Duration;

/// 40 frames of 50 ms at one place.
const SERIES: &str = r#"{"type": "ConstantDuration", "constant_duration": 0.05,
    "spec": {"type": "Static", "axis": "x", "value": 3, "num": 40}}"#;

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// The camera starts its exposures itself.
fn own_pace() -> Setup {
    let edits = vec![("dead_time = \"1 ms\"", "dead_time = \"1 ms\"\ntrigger = \"internal\"")];
    Setup { edits, ..Setup::default() }
}

/// When each exposure of the camera began, from the first on, in microseconds.
fn times_us(rig: &Rig) -> Vec<i64> {
    let times = numbers(rig, "camera", "/NDArrayTimeStamp");
    times.iter().map(|time| ((time - times[0]) * 1e6).round() as i64).collect()
}

#[test]
fn a_time_series_is_taken_at_the_pace_of_its_frames() {
    with_rig(own_pace(), async |rig| {
        assert_eq!(rig.run(SERIES).await, Ok(40));
        rig.assert_complete(SERIES, 40);
        rig.assert_safe();
        assert_eq!(times_us(rig), (0..40).map(|frame| frame * 50_000).collect::<Vec<_>>());
    });
}

#[test]
fn exposures_of_a_frame_need_no_pulse_block() {
    let edits = vec![(
        "dead_time = \"1 ms\"",
        "dead_time = \"1 ms\"\ntrigger = \"internal\"\nexposures_per_frame = 5",
    )];
    with_rig(Setup { edits, ..Setup::default() }, async |rig| {
        assert_eq!(rig.run(SERIES).await, Ok(40));
        rig.assert_complete(SERIES, 40);
        assert_eq!(times_us(rig), (0..200).map(|row| row * 10_000).collect::<Vec<_>>());
    });
}

#[test]
fn a_time_series_is_paused_and_gone_on_with() {
    with_rig(own_pace(), async |rig| {
        rig.ready(SERIES).await;
        let status = rig.kickoff().await;
        rig.reach(RunPhase::Running).await;
        rig.sleep(ms(730)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        let done = rig.progress().frames_done;
        assert!((1..40).contains(&done), "{done}");
        assert!(!rig.process.world.is_anything_armed());
        rig.ask(Resume::default()).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        rig.assert_complete(SERIES, 40);
        let written = rig.process.world.frames_written(&name("camera"));
        assert!(written.iter().all(|times| (1..=2).contains(times)), "{written:?}");
    });
}

#[test]
fn what_breaks_a_time_series_costs_only_what_was_not_on_disk() {
    let camera = || name("camera");
    for fault in [
        Fault::LoseFrame { detector: camera(), index: 7 },
        Fault::Disconnect { device: camera(), time: ms(3_000) },
    ] {
        with_rig(own_pace(), async |rig| {
            rig.ready(SERIES).await;
            let status = rig.kickoff().await;
            rig.reach(RunPhase::Running).await;
            rig.process.world.schedule(vec![Planned { after: ms(230), fault: fault.clone() }]);
            assert_eq!(status.finished().await, Ok(Outcome::Done(40)), "{fault:?}");
            assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)), "{fault:?}");
            assert_eq!(rig.progress().recoveries, 1, "{fault:?}");
            rig.assert_complete(SERIES, 40);
            rig.assert_safe();
        });
    }
}

#[test]
fn a_scan_that_moves_is_refused_before_it_begins() {
    with_rig(own_pace(), async |rig| {
        let error = rig.run(GRID).await.unwrap_err();
        let told = "detector camera takes one frame after the other at its own pace (trigger = \
                    \"internal\"), where nothing moves or changes";
        assert!(error.ends_with(told), "{error}");
        assert_eq!(rig.documents(), []);
    });
}

#[test]
fn a_camera_that_takes_longer_than_its_frames_was_late() {
    with_rig(own_pace(), async |rig| {
        let (provider, clock) = (rig.process.world.provider(), rig.process.clock.clone());
        let connector = Connector::new(provider, clock, ms(5_000));
        let period = connector.rw::<f64>("sim://camera:cam1:AcquirePeriod").await.unwrap();
        rig.ready(SERIES).await;
        let slower = async {
            period.r().wait_for(ms(5_000), |period_s| *period_s == 0.05).await.unwrap();
            period.put(0.15).await.unwrap();
        };
        let (flown, ()) = tokio::join!(rig.try_step(Kickoff), slower);
        assert_eq!(flown, Ok(40));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.progress().recoveries, 0);
        rig.assert_complete(SERIES, 40);
        assert_eq!(times_us(rig), (0..40).map(|frame| frame * 150_000).collect::<Vec<_>>());
    });
}

#[test]
fn a_camera_of_its_own_pace_that_takes_no_frame_is_missed() {
    with_rig(own_pace(), async |rig| {
        let (provider, clock) = (rig.process.world.provider(), rig.process.clock.clone());
        let connector = Connector::new(provider, clock, ms(5_000));
        let period = connector.rw::<f64>("sim://camera:cam1:AcquirePeriod").await.unwrap();
        rig.ready(SERIES).await;
        // Beyond the time in which a frame must be there.
        let slower = async {
            period.r().wait_for(ms(5_000), |period_s| *period_s == 0.05).await.unwrap();
            period.put(9.0).await.unwrap();
        };
        let (flown, ()) = tokio::join!(rig.try_step(Kickoff), slower);
        assert_eq!(flown, Ok(40));
        let text = "camera: cannot take frames: frame 1 is not on disk 5s after the motion went through it";
        assert_eq!(rig.progress().trouble.unwrap(), text);
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.progress().recoveries, 1);
        rig.assert_complete(SERIES, 40);
    });
}
