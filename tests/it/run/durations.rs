//! Frames of awkward durations.
use super::rig::{Setup, name, with_rig};
use bluefly_actors::{
    coordinator::{Pause, Resume},
    status::Outcome,
};
use bluefly_protocol::run::RunPhase;
use std::time::Duration;

fn line(num: u64, duration: &str) -> String {
    format!(
        r#"{{"type": "Fly", "spec": {{"type": "ConstantDuration", "constant_duration": {duration},
        "spec": {{"type": "Linspace", "axis": "x", "start": 0, "stop": 9, "num": {num}}}}}}}"#
    )
}

/// A detector whose exposure fits the frame: there is no time to spare.
fn tight() -> Setup {
    Setup { edits: vec![("exposure = \"5 ms\"\n", "")], ..Setup::default() }
}

fn check(setup: Setup, num: u64, duration: &str) {
    with_rig(setup, async |rig| {
        let text = line(num, duration);
        rig.ready(&text).await;
        let flown = rig.kickoff().await.finished().await;
        assert_eq!(flown, Ok(Outcome::Done(num)), "{num} frames of {duration} s");
        assert_eq!(rig.progress().recoveries, 0, "{num} frames of {duration} s");
        rig.unstage().await.unwrap();
        rig.assert_complete(&text, num);
    });
}

#[test]
fn frames_of_a_fraction_of_a_microsecond_were_lost() {
    for duration in ["0.016666666666666666", "0.03333333333333333", "0.0123456789", "0.0333335"] {
        check(tight(), 300, duration);
    }
}

#[test]
fn frames_longer_than_a_segment_were_lost() {
    for (num, duration) in [(2, "12"), (1, "60"), (3, "4.1"), (2, "3600")] {
        check(tight(), num, duration);
        check(Setup::default(), num, duration);
    }
}

#[test]
fn a_frame_longer_than_a_segment_counted_before_it_was_over() {
    with_rig(Setup::default(), async |rig| {
        let text = line(2, "12");
        rig.ready(&text).await;
        let status = rig.kickoff().await;
        rig.sleep(Duration::from_secs(6)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        assert_eq!(rig.progress().frames_done, 0);
        rig.ask(Resume::default()).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(2)));
        rig.unstage().await.unwrap();
        rig.assert_complete(&text, 2);
        assert_eq!(rig.process.world.frames_written(&name("camera")), [2, 1]);
    });
}

#[test]
fn a_simulated_detector_waited_for_ever_after_a_pause_in_a_long_frame() {
    for wait in [100, 1_000, 2_000, 3_000, 3_800] {
        with_rig(Setup::default(), async |rig| {
            let text = line(2, "3.9");
            rig.ready(&text).await;
            let status = rig.kickoff().await;
            rig.reach(RunPhase::Running).await;
            rig.sleep(Duration::from_millis(wait)).await;
            rig.ask(Pause).await.unwrap();
            rig.reach(RunPhase::Paused).await;
            rig.ask(Resume::default()).await.unwrap();
            assert_eq!(status.finished().await, Ok(Outcome::Done(2)), "{wait} ms");
            rig.unstage().await.unwrap();
            rig.assert_complete(&text, 2);
            assert_eq!(rig.progress().recoveries, 0, "{wait} ms");
        });
    }
}
