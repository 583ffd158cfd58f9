//! Somebody else sets the counters of a detector while it takes frames.
use crate::{
    beam::{Beam, ROW_START, arm, ms, plan, simulate, snake},
    run::rig::{GRID, Rig, Setup, name, with_rig},
};
use bluefly_actors::{
    coordinator::{Kickoff, Unstage},
    signal::{Connector, SignalValue},
    status::Outcome,
};
use bluefly_protocol::fault::FaultClass;
use std::{cell::RefCell, time::Duration};

async fn put<T: SignalValue>(connector: &Connector, pv: &str, value: T) {
    let signal = connector.w::<T>(&format!("sim://camera:{pv}")).await.unwrap();
    signal.send(value).await.unwrap();
}

/// What is told of 20 frames, and how many are on disk then, if `pv` is set so many milliseconds
/// after their start: the first is ready at 551 ms, the last at 3,451 ms.
fn check(
    [at_ms, first]: [u64; 2],
    (pv, value): (&str, i64),
    text: &str,
    [told_last, on_disk]: [u64; 2],
) {
    simulate(async {
        let beam = Beam::new();
        let (camera, stage) = (beam.camera().await.unwrap(), beam.stage().await.unwrap());
        camera.open(&plan("a.h5")).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        camera.arm(&arm(first, 20)).await.unwrap();
        let later = async {
            beam.clock.sleep(ms(at_ms)).await;
            put(&beam.connector, pv, value).await;
        };
        let told = std::cell::Cell::new(0);
        let taking = camera.on_disk(|frames| told.set(frames));
        let (taken, _, ()) = futures_util::join!(taking, stage.execute(|_| ()), later);
        let fault = taken.unwrap_err();
        let reason = format!("camera: cannot bring its frames to disk: {text}");
        assert_eq!((fault.class, fault.to_string()), (FaultClass::Lost, reason));
        assert_eq!((told.get(), camera.disarm().await), (told_last, Ok(on_disk)));
        camera.close().await.unwrap();
        beam.assert_safe();
    });
}

#[test]
fn a_unique_id_that_goes_back_was_flown_on_with_into_a_wrong_file() {
    let told = |before: i64, after: i64| {
        format!(
            "unique id went back from {before} to {after} (sim://camera:HDF1:UniqueId_RBV): someone \
             set the counter"
        )
    };
    let counter = "cam1:ArrayCounter";
    // At the first frame, in the middle, at the last.
    check([450, 5], (counter, 1), &told(4, 2), [0, 0]);
    check([720, 0], (counter, -1), &told(1, 0), [0, 0]);
    check([1_490, 0], (counter, 3), &told(9, 4), [4, 4]);
    check([3_420, 0], (counter, 11), &told(18, 12), [12, 12]);
}

#[test]
fn a_unique_id_that_is_told_twice_was_found_at_the_end() {
    // The next frame has the id of the one before: no signal tells of it.
    let text = "sim://camera:HDF1:UniqueId_RBV is 8 of exposure 9: someone set the counter at \
                exposure 9 or later with 9 of 20 on disk";
    check([1_430, 0], ("cam1:ArrayCounter", 7), text, [9, 9]);
}

#[test]
fn a_unique_id_that_goes_forward_is_a_gap() {
    let text = "exposures 9 to 41 were lost (sim://camera:HDF1:UniqueId_RBV) with 9 of 20 on disk";
    check([1_430, 0], ("cam1:ArrayCounter", 41), text, [9, 9]);
}

#[test]
fn a_count_that_goes_back_is_no_loss_of_all_frames_before() {
    let text = "count of frames taken in went back from 9 to 3 (sim://camera:HDF1:ArrayCounter_RBV): \
                someone set the counter";
    check([1_490, 0], ("HDF1:ArrayCounter", 3), text, [9, 10]);
}

#[test]
fn a_unique_id_that_was_told_twice_is_found_when_it_is_disarmed() {
    simulate(async {
        let beam = Beam::new();
        let (camera, stage) = (beam.camera().await.unwrap(), beam.stage().await.unwrap());
        camera.open(&plan("a.h5")).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        camera.arm(&arm(0, 20)).await.unwrap();
        // Nobody follows the frames.
        let meanwhile = async {
            beam.clock.sleep(ms(1_430)).await;
            put(&beam.connector, "cam1:ArrayCounter", 7_i64).await;
            beam.clock.sleep(ms(90)).await;
        };
        tokio::select! { biased;
            _ = stage.execute(|_| ()) => unreachable!("it takes 4 s"),
            () = meanwhile => {}
        }
        stage.halt().await.unwrap();
        let fault = camera.disarm().await.unwrap_err();
        let text = "camera: cannot disarm: sim://camera:HDF1:UniqueId_RBV is 8 of exposure 9: someone \
                    set the counter";
        assert_eq!((fault.class, fault.to_string().as_str()), (FaultClass::Failed, text));
        // It is told once.
        assert_eq!(camera.disarm().await, Ok(0));
        camera.close().await.unwrap();
        beam.assert_safe();
    });
}

/// A detector without statistics, and one with.
const EDITS: [&[(&str, &str)]; 2] =
    [&[("dead_time = \"1 ms\"", "dead_time = \"1 ms\"\nstatistics = false")], &[]];

/// Flies the grid with documents that lag, while somebody sets the counter of the camera.
fn fly_with_setback(lag: &'static str, check: impl Fn(&Rig, Result<u64, String>)) {
    for edits in EDITS {
        let lag = ("collect_period = \"1 s\"", lag);
        let edits = edits.iter().copied().chain([lag]).collect();
        with_rig(Setup { edits, ..Setup::default() }, async |rig| {
            rig.ready(GRID).await;
            let connector = Connector::new(
                rig.process.world.provider(),
                rig.process.clock.clone(),
                Duration::from_secs(5),
            );
            let setback = async {
                let mut progress = rig.process.bulletin.progress();
                progress.wait_for(|progress| progress.frames_done >= 20).await.unwrap();
                put(&connector, "cam1:ArrayCounter", 3_i64).await;
            };
            let (flown, ()) = tokio::join!(rig.try_step(Kickoff), setback);
            drop(rig.try_step(Unstage).await);
            rig.assert_safe();
            check(rig, flown);
        });
    }
}

#[test]
fn frames_that_are_overwritten_are_taken_again() {
    fly_with_setback("collect_period = \"1 s\", lag = \"1000 frames\"", |rig, flown| {
        assert_eq!(flown, Ok(40));
        assert_eq!(rig.progress().recoveries, 1);
        // Row 4 was overwritten by the frame after the setback: it was taken three times.
        let expected = [&[1; 4][..], &[3], &[2; 15], &[1; 20]].concat();
        assert_eq!(rig.process.world.frames_written(&name("camera")), expected);
        assert_eq!(rig.stop_document()["exit_status"], "success");
    });
}

#[test]
fn frames_that_are_overwritten_after_their_documents_are_out_fail_the_run() {
    fly_with_setback("collect_period = \"100 ms\"", |rig, flown| {
        let error = flown.unwrap_err();
        for told in
            ["unique id went back from ", "(sim://camera:HDF1:UniqueId_RBV)", "documents tell"]
        {
            assert!(error.contains(told), "{error}");
        }
        let stop = rig.stop_document();
        assert_eq!((&stop["exit_status"], &stop["reason"]), (&"fail".into(), &error.into()));
    });
}

/// 3,000 frames of 1 ms.
const FAST: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.001, "spec":
        {"type": "Linspace", "axis": "x", "start": 0, "stop": 9, "num": 3000}}}"#;

#[test]
fn an_id_that_stayed_behind_by_one_was_hidden_by_frames_that_came_fast() {
    let edits = vec![
        ("collect_period = \"1 s\"", "collect_period = \"1 s\", lag = \"1000 frames\""),
        ("dead_time = \"1 ms\"\nexposure = \"5 ms\"", "dead_time = \"100 us\""),
        ("dead_time = \"500 us\"\nexposure = \"5 ms\"", "dead_time = \"100 us\""),
    ];
    with_rig(Setup { edits, ..Setup::default() }, async |rig| {
        rig.ready(FAST).await;
        let connector = Connector::new(
            rig.process.world.provider(),
            rig.process.clock.clone(),
            Duration::from_secs(5),
        );
        let counter = connector.r::<i64>("sim://camera:cam1:ArrayCounter_RBV").await.unwrap();
        let setting = async {
            let mut progress = rig.process.bulletin.progress();
            progress.wait_for(|progress| progress.frames_done >= 300).await.unwrap();
            // One frame is being exposed: it has this id, and so has the next.
            put(&connector, "cam1:ArrayCounter", counter.get().await.unwrap()).await;
            rig.sleep(Duration::from_millis(1_200)).await;
            let forward = counter.get().await.unwrap() + 100;
            put(&connector, "cam1:ArrayCounter", forward).await;
        };
        let told = RefCell::new(Vec::new());
        let listening = async {
            let mut progress = rig.process.bulletin.progress();
            while progress.changed().await.is_ok() {
                let trouble = progress.borrow().trouble.clone();
                let is_new = told.borrow().last() != Some(&trouble);
                if is_new && trouble.is_some() {
                    told.borrow_mut().push(trouble);
                }
            }
        };
        let flying = async { tokio::join!(rig.try_step(Kickoff), setting).0 };
        let flown = tokio::select! { biased;
            flown = flying => flown,
            () = listening => panic!("nobody tells of the run"),
        };
        assert_eq!(flown, Ok(3_000), "{told:?}");
        let told: Vec<String> = told.into_inner().into_iter().flatten().collect();
        let expected = [": someone set the counter at exposure ", " were lost ("];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(3_000)));
        rig.assert_complete(FAST, 3_000);
        assert_eq!(rig.progress().recoveries, 2);
        rig.assert_safe();
    });
}
