//! Lost frames are taken again, and documents keep their distance.
use super::rig::{GRID, Rig, Setup, documented, name, with_rig};
use bluefly_actors::{
    coordinator::{Abort, Stop},
    status::Outcome,
};
use bluefly_sim::faults::Fault;
use std::time::Duration;

fn lose(rig: &Rig, detector: &str, index: u64) {
    rig.process.world.fault(&Fault::LoseFrame { detector: name(detector), index });
}

#[test]
fn each_lost_frame_is_taken_again() {
    for index in 0..40 {
        for detector in super::rig::DETECTORS {
            with_rig(Setup::default(), async |rig| {
                eprintln!("{detector} loses frame {index}");
                lose(rig, detector, index);
                assert_eq!(rig.run(GRID).await, Ok(40), "{detector} {index}");
                assert_eq!(rig.progress().recoveries, 1, "{detector} {index}");
                rig.assert_complete(GRID, 40);
                rig.assert_safe();
            });
        }
    }
}

#[test]
fn frames_that_the_beamline_file_loses_are_taken_again() {
    let edits = vec![(
        "[device.generator]",
        "[sim.device.camera]\nlose_frames = [3, 17]\n[device.generator]",
    )];
    with_rig(Setup { edits, ..Setup::default() }, async |rig| {
        assert_eq!(rig.run(GRID).await, Ok(40));
        assert_eq!(rig.progress().recoveries, 2);
        rig.assert_complete(GRID, 40);
    });
}

#[test]
fn more_lost_frames_than_allowed_fail_the_run() {
    let edits = vec![("retries_for_lost_frames = 3", "retries_for_lost_frames = 1")];
    with_rig(Setup { edits, ..Setup::default() }, async |rig| {
        lose(rig, "camera", 5);
        lose(rig, "camera", 25);
        let error = rig.run(GRID).await.unwrap_err();
        assert!(error.contains("camera") && error.contains("25"), "{error}");
        let reason = rig.assert_failed(GRID).await.unwrap();
        assert_eq!(reason, error);
        assert_eq!(documented(&rig.documents()), 25);
    });
}

/// Watches a run with `lag`: what is documented at every moment, and what was complete.
async fn watch(rig: &Rig, mut look: impl FnMut(Duration, u64, u64)) {
    let clock = &rig.process.clock;
    let start = clock.now();
    let mut before = 0;
    loop {
        rig.sleep(Duration::from_millis(20)).await;
        let rows = documented(&rig.documents());
        assert!(rows >= before, "{rows} after {before}: documents were taken back");
        before = rows;
        let progress = rig.progress();
        assert!(rows <= progress.frames_done, "{rows} documented of {}", progress.frames_done);
        if progress.phase == bluefly_protocol::run::RunPhase::Completed {
            return;
        }
        look(clock.now() - start, progress.frames_done, rows);
    }
}

fn lagging(lag: &'static str) -> Setup {
    Setup { edits: vec![("collect_period = \"1 s\"", lag)], ..Setup::default() }
}

#[test]
fn documents_lag_by_frames() {
    with_rig(lagging("collect_period = \"200 ms\", lag = \"5 frames\""), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        let mut most = 0;
        watch(rig, |_, done, rows| {
            // The last of all are published at the end, with nothing left to take again.
            assert!(rows + 5 <= done.max(5) || done == 40, "{rows} documented of {done}");
            most = most.max(rows);
        })
        .await;
        assert!(most >= 20, "{most}");
        assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        rig.assert_complete(GRID, 40);
    });
}

#[test]
fn documents_lag_by_time() {
    with_rig(lagging("collect_period = \"200 ms\", lag = \"1 s\""), async |rig| {
        rig.ready(GRID).await;
        rig.kickoff().await;
        let mut history = Vec::new();
        watch(rig, |now, done, rows| {
            history.push((now, done));
            // Complete a second ago at least; the look is every 20 ms.
            let old =
                history.iter().rev().find(|(then, _)| *then + Duration::from_millis(980) <= now);
            let allowed = old.map_or(0, |(_, done)| *done);
            assert!(rows <= allowed || done == 40, "{now:?}: {rows}, {allowed} were complete");
        })
        .await;
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        rig.assert_complete(GRID, 40);
    });
}

#[test]
fn what_is_complete_is_documented_after_abort_and_stop() {
    let lags = ["lag = \"eager\"", "lag = \"5 frames\"", "lag = \"10 s\""];
    for lag in lags {
        for is_abort in [true, false] {
            with_rig(lagging(lag), async |rig| {
                rig.ready(GRID).await;
                rig.kickoff().await;
                rig.sleep(Duration::from_millis(1_500)).await;
                let end =
                    if is_abort { rig.ask(Abort::default()).await } else { rig.ask(Stop).await };
                end.unwrap().finished().await.unwrap();
                let rows = documented(&rig.documents());
                assert_eq!(rows, rig.progress().frames_done, "{lag}");
                assert!(rows > 10, "{lag}: {rows}");
                rig.assert_safe();
            });
        }
    }
}
