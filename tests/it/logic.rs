//! Device logic against simulated hardware, and after a failure at each of its requests in turn.
use crate::beam::{Beam, ROW_START, arm, ms, name, plan, row, row_back, setup, simulate, snake};
use bluefly_actors::{
    logic::{
        area_detector::{AreaDetector, DetectorRecord, DetectorSetup},
        detector::{Arm, DatasetKind, Dtype, OpenFile, Summary},
        trajectory::Buffer,
    },
    signal::SignalError,
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    trajectory::Batch,
};
use bluefly_sim::faults;
use std::{cell::RefCell, time::Duration};

/// What a fault says, with its class.
fn check_fault<T: std::fmt::Debug>(result: Result<T, Fault>, class: FaultClass, text: &str) {
    let fault = result.unwrap_err();
    assert_eq!((fault.class, fault.to_string().as_str()), (class, text));
}

#[test]
fn a_motor_tells_its_progress_and_resolves_when_it_is_there() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        let heard = RefCell::new(Vec::new());
        motor.move_to(1.25, |position| heard.borrow_mut().push(position)).await.unwrap();
        assert_eq!(beam.now(), ms(500));
        let expected = [0.0, 0.1, 0.4, 0.85, 1.15, 1.25];
        let heard: Vec<f64> = heard.into_inner();
        let rounded: Vec<f64> = heard.iter().map(|at| (at * 1e9).round() / 1e9).collect();
        assert_eq!(rounded, expected);
        assert_eq!(motor.position().await, Ok(1.25));
    });
}

#[test]
fn a_motor_stops_in_mid_move() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        let stopped = async {
            beam.clock.sleep(ms(1_000)).await;
            motor.stop().await.unwrap();
            assert_eq!(beam.now(), ms(1_500));
        };
        let (moved, ()) = futures_util::join!(motor.move_to(20.0, |_| ()), stopped);
        let text = "x: cannot move to 20: it stopped at 10 with its setpoint at 10";
        check_fault(moved, FaultClass::Failed, text);
    });
}

#[test]
fn a_motor_refuses_what_is_no_position() {
    let check = |position: f64, text: &str| {
        simulate(async {
            let beam = Beam::new();
            let motor = beam.motor().await.unwrap();
            check_fault(motor.move_to(position, |_| ()).await, FaultClass::Rejected, text);
            assert_eq!(beam.now(), ms(0));
        });
    };
    check(100.5, "x: cannot move to 100.5: 100.5 is not within the soft limits -100 to 100");
    check(-101.0, "x: cannot move to -101: -101 is not within the soft limits -100 to 100");
    check(f64::NAN, "x: cannot move to NaN: the position NaN is not a finite number");
    check(f64::INFINITY, "x: cannot move to inf: the position inf is not a finite number");
}

#[test]
fn a_following_error_is_a_failed_move() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        let fault = faults::Fault::FollowingError { motor: name("x") };
        beam.world.schedule(vec![faults::Planned { after: ms(1_000), fault }]);
        let moved = motor.move_to(20.0, |_| ()).await;
        check_fault(moved, FaultClass::Failed, "x: cannot move to 20: following error at 10");
        assert_eq!(motor.move_to(20.0, |_| ()).await, Ok(()));
    });
}

/// A controller with so many points in each half of its buffer.
fn halves_of(points: usize) -> Beam {
    Beam::with(|config| config.controllers[0].buffer_length = points)
}

#[test]
fn a_snake_is_built_appended_and_executed() {
    simulate(async {
        let beam = halves_of(3);
        let stage = beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        let start = beam.clock.now();
        stage.build(&row()).await.unwrap();
        let last = RefCell::new(0);
        let executed = stage.execute(|frames| *last.borrow_mut() = frames);
        let appended = async {
            beam.clock.sleep(ms(700)).await;
            assert_eq!(stage.buffer().await, Ok(Buffer { half: 3, queued: 2 }));
            stage.append(&row_back()).await.unwrap();
            assert_eq!(stage.buffer().await.map(Buffer::free), Ok(7));
            beam.clock.sleep(ms(50)).await;
            // Between two points the controller knows no more.
            assert_eq!(stage.frames_done().await, Ok(0));
            beam.clock.sleep(ms(751)).await;
            assert_eq!(stage.frames_done().await, Ok(10));
        };
        let (executed, ()) = futures_util::join!(executed, appended);
        executed.unwrap();
        assert_eq!(beam.clock.now() - start, ms(4_000));
        assert_eq!(last.into_inner(), 20);
        assert_eq!(stage.positions().await.unwrap(), [-2.5, 1.0]);
    });
}

#[test]
fn a_halt_decelerates_and_ends_the_trajectory() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        let start = beam.clock.now();
        stage.build(&snake()).await.unwrap();
        let halted = async {
            beam.clock.sleep(ms(1_050)).await;
            stage.halt().await.unwrap();
            assert_eq!(beam.clock.now() - start, ms(1_550));
        };
        let (executed, ()) = futures_util::join!(stage.execute(|_| ()), halted);
        let text = "stage: cannot execute the trajectory: Trajectory scan aborted";
        check_fault(executed, FaultClass::Failed, text);
        assert_eq!(stage.positions().await.unwrap(), [8.0, 0.0]);
        assert_eq!(stage.frames_done().await, Ok(0));
        let again = stage.execute(|_| ()).await;
        let text = "stage: cannot execute the trajectory: Trajectory profile was not built \
                    successfully";
        check_fault(again, FaultClass::Failed, text);
    });
}

#[test]
fn a_controller_refuses_what_it_cannot_follow() {
    let check = |change: fn(&mut Batch), text: &str| {
        simulate(async {
            let beam = Beam::new();
            let stage = beam.stage().await.unwrap();
            stage.move_to(&ROW_START).await.unwrap();
            let mut batch = snake();
            change(&mut batch);
            let done = match stage.build(&batch).await {
                Ok(()) => stage.execute(|_| ()).await,
                Err(fault) => Err(fault),
            };
            assert_eq!(done.unwrap_err().reason, text);
            stage.make_safe().await.unwrap();
            beam.assert_safe();
        });
    };
    check(|b| b.positions[0][0] = f64::NAN, "x cannot go to NaN");
    check(|b| b.positions.truncate(1), "1 values for 2 axes");
    check(|b| b.durations_us[0] = 0, "segment 0 takes no time");
    let text = "Invalid profile time value (> 4095000 microseconds)";
    check(|b| b.durations_us[0] = 4_095_001, text);
    // 2 mm further within the second at 10 mm/s: by 12 mm/s^2 at both ends, and at 13 mm/s between.
    check(|b| b.positions[0][1] = 12.0, "Scan failed, x cannot go at 13");
    // 2.5 mm from rest to 10 mm/s in 50 ms: from 5600 to -5200 mm/s^2, fastest after 28/54 of it.
    let text = "Scan failed, x cannot go at 72.5925925925926";
    check(|b| b.durations_us[0] = 50_000, text);
    // 2.5 mm from rest to 10 mm/s in 0.1 ms less than at 20 mm/s^2.
    let text = "Scan failed, x cannot accelerate at 20.01600560160042";
    check(|b| b.durations_us[0] = 499_900, text);
    check(
        |b| {
            let two: Batch = b.segments().take(2).collect();
            *b = Batch { last: true, ..two };
        },
        "the trajectory ends in motion, with x at 10",
    );
}

#[test]
fn a_controller_refuses_wrong_positions() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        let text = "stage: cannot move to [1.0]: 1 values for 2 axes";
        check_fault(stage.move_to(&[1.0]).await, FaultClass::Rejected, text);
        let text = "y: cannot move to [1.0, 101.0]: 101 is not within the soft limits -100 to 100 \
                    (sim://y.LLM, sim://y.HLM)";
        check_fault(stage.move_to(&[1.0, 101.0]).await, FaultClass::Rejected, text);
        // Beyond the limit by a rounding.
        assert_eq!(stage.move_to(&[1.0, 100.0 + 1e-8]).await, Ok(()));
        let motor = beam.motor().await.unwrap();
        let stopped = async {
            beam.clock.sleep(ms(1_000)).await;
            motor.stop().await.unwrap();
        };
        let (moved, ()) = futures_util::join!(stage.move_to(&[50.0, 100.0]), stopped);
        let text = "stage: cannot move to [50.0, 100.0]: x stopped at 11";
        check_fault(moved, FaultClass::Failed, text);
    });
}

#[test]
fn a_detector_describes_opens_arms_and_writes() {
    simulate(async {
        let beam = Beam::new();
        let (stage, camera) = (beam.stage().await.unwrap(), beam.camera().await.unwrap());
        assert_eq!(camera.dead_time(), ms(1));
        let frame = camera.frame_shape().await.unwrap();
        assert_eq!((frame.shape, frame.dtype), (vec![2, 2], Dtype::UInt16));
        let described = camera.describe().await.unwrap();
        let file = camera.open(&plan("a.h5")).await.unwrap();
        assert_eq!(file.path.to_str(), Some("/data/a.h5"));
        assert_eq!(described.datasets, file.datasets);
        assert_eq!(described.exposures_per_frame, file.exposures_per_frame);
        let kinds: Vec<_> = file.datasets.iter().map(|dataset| dataset.kind).collect();
        let (pixels, number, position) =
            (DatasetKind::Detector, DatasetKind::Monitor, DatasetKind::Position);
        assert_eq!(kinds, [pixels, number, number, number, position, position]);
        camera.arm(&arm(0, 20)).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let start = beam.clock.now();
        let progress = RefCell::new(Vec::new());
        let on_disk = async {
            camera.on_disk(|frames| progress.borrow_mut().push(frames)).await.unwrap();
            // The last trigger is at 3,400 ms; 50 ms exposure and 1 ms dead time follow.
            assert_eq!(beam.clock.now() - start, ms(3_451));
        };
        let (executed, ()) = futures_util::join!(stage.execute(|_| ()), on_disk);
        executed.unwrap();
        assert_eq!(progress.into_inner().len(), 21);
        assert_eq!(camera.disarm().await, Ok(20));
        camera.close().await.unwrap();
        beam.assert_safe();
    });
}

#[test]
fn a_summary_comes_from_memory_while_it_lasts() {
    simulate(async {
        let beam = Beam::with(|config| config.detectors[0].ring = 4);
        let (stage, camera) = (beam.stage().await.unwrap(), beam.camera().await.unwrap());
        camera.open(&plan("a.h5")).await.unwrap();
        camera.arm(&arm(0, 10)).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let start = beam.clock.now();
        let (executed, on_disk) =
            futures_util::join!(stage.execute(|_| ()), camera.on_disk(|_| ()));
        executed.and(on_disk).unwrap();
        let summary = camera.summary(8..10).await.unwrap();
        let timestamp_s = [1_300, 1_400].map(|at| beam.clock.unix_s(start + ms(at))).to_vec();
        let file = beam.sink.file("/data/a.h5".as_ref()).unwrap();
        let sum = |index| file.frames()[&index].pixels.iter().map(|p| f64::from(*p)).sum();
        let total = vec![sum(8), sum(9)];
        assert_eq!(summary, Summary { first_index: 8, total, timestamp_s });
        let text = "camera: cannot summarise frames 5..7: frame 5 is not in a ring of 4";
        check_fault(camera.summary(5..7).await, FaultClass::Lost, text);
        // As many as it has.
        assert_eq!(camera.summary(9..11).await.unwrap().total, [sum(9)]);
        let text = "camera: cannot summarise frames 10..11: frame 10 is not in a ring of 4";
        check_fault(camera.summary(10..11).await, FaultClass::Lost, text);
    });
}

#[test]
fn a_detector_refuses_what_it_cannot_take() {
    let check = |arm: Arm, text: &str| {
        simulate(async {
            let beam = Beam::new();
            let camera = beam.camera().await.unwrap();
            camera.open(&plan("a.h5")).await.unwrap();
            let fault = camera.arm(&arm).await.unwrap_err();
            assert_eq!((fault.class, fault.reason.as_str()), (FaultClass::Rejected, text));
            assert!(!beam.world.is_anything_armed());
        });
    };
    check(arm(0, 0), "there are no frames");
    let short = Arm { frame_duration: ms(50), ..arm(0, 1) };
    check(
        short,
        "50ms exposure and 1ms dead time exceed 50ms, which a frame of 50ms has for each \
         exposure",
    );
}

#[test]
fn a_detector_is_armed_for_every_exposure_of_a_frame() {
    simulate(async {
        let beam = Beam::with(|config| config.detectors[0].has_multiplier = true);
        let thrice = DetectorSetup { exposures_per_frame: 3.try_into().unwrap(), ..setup() };
        let connect = || DetectorRecord::connect(&beam.connector, "sim://camera", &thrice);
        let camera = AreaDetector::new(name("camera"), connect().await.unwrap(), thrice.clone());
        camera.open(&plan("a.h5")).await.unwrap();
        let text = "camera: cannot arm for frames 10 to 29: 50ms exposure and 1ms dead time exceed \
                    33.333333ms, which a frame of 100ms has for each exposure";
        check_fault(camera.arm(&arm(10, 20)).await, FaultClass::Rejected, text);
        camera.arm(&Arm { exposure: ms(32), ..arm(10, 20) }).await.unwrap();
        let DetectorRecord { driver, writer, multiplier, .. } = connect().await.unwrap();
        let multiplier = multiplier.unwrap();
        assert_eq!(driver.num_images.get().await, Ok(60));
        assert_eq!(driver.array_counter.get().await, Ok(29));
        assert_eq!(writer.array_counter_readback.get().await, Ok(29));
        assert_eq!(driver.acquire_period_s.get().await, Ok(0.033_333_333));
        assert_eq!(multiplier.enable.get().await, Ok(true));
        assert_eq!(multiplier.pulses.get().await, Ok(3));
        assert_eq!(multiplier.step_s.get().await, Ok(0.033_333_333));
        assert_eq!(multiplier.width_s.get().await, Ok(0.032));
        assert_eq!(camera.disarm().await, Ok(0));
        camera.close().await.unwrap();
        beam.assert_safe();
    });
}

#[test]
fn several_exposures_per_frame_need_a_multiplier() {
    simulate(async {
        let beam = Beam::new();
        let thrice = DetectorSetup { exposures_per_frame: 3.try_into().unwrap(), ..setup() };
        let record = DetectorRecord::connect(&beam.connector, "sim://camera", &thrice).await;
        let error = record.err().unwrap().to_string();
        assert!(error.contains("sim://camera:PULSE1:Enable"), "{error}");
    });
}

#[test]
fn a_detector_needs_a_file_and_only_one() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        let text = "camera: cannot arm for frames 0 to 9: no file is open";
        check_fault(camera.arm(&arm(0, 10)).await, FaultClass::Failed, text);
        camera.open(&plan("a.h5")).await.unwrap();
        let text = "camera: cannot open /data/b.h5: /data/a.h5 is still open";
        check_fault(camera.open(&plan("b.h5")).await, FaultClass::Failed, text);
        camera.close().await.unwrap();
        camera.close().await.unwrap();
        let text =
            "camera: cannot open /data/a.h5: /data/a.h5 exists (sim://camera:HDF1:WriteMessage)";
        check_fault(camera.open(&plan("a.h5")).await, FaultClass::Failed, text);
        beam.assert_safe();
    });
}

#[test]
fn an_open_file_is_told_to_whoever_makes_safe() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        assert_eq!(camera.make_safe().await, Ok(None));
        let opened = camera.open(&plan("a.h5")).await.unwrap();
        camera.arm(&arm(0, 10)).await.unwrap();
        let other: Option<OpenFile> = beam.camera().await.unwrap().make_safe().await.unwrap();
        assert_eq!(other, Some(opened));
        assert!(!beam.world.is_anything_armed());
    });
}

#[test]
fn faults_of_a_detector_are_told_in_its_words() {
    let check = |fault: faults::Fault, class: FaultClass, text: &str| {
        simulate(async {
            let beam = Beam::new();
            beam.world.fault(&fault);
            let (stage, camera) = (beam.stage().await.unwrap(), beam.camera().await.unwrap());
            camera.open(&plan("a.h5")).await.unwrap();
            let outcome = async {
                camera.arm(&arm(0, 20)).await?;
                stage.move_to(&ROW_START).await?;
                stage.build(&snake()).await?;
                let (on_disk, executed) =
                    futures_util::join!(camera.on_disk(|_| ()), stage.execute(|_| ()));
                on_disk.and(executed)
            };
            check_fault(outcome.await, class, text);
            camera.make_safe().await.unwrap();
            // A write error closes the file, and is reported once more.
            assert_eq!(camera.close().await.is_err(), text.contains("space"));
            beam.assert_safe();
        });
    };
    let camera = || name("camera");
    let lost = faults::Fault::LoseFrame { detector: camera(), index: 7 };
    let text = "camera: cannot bring its frames to disk: 1 exposures were dropped (sim://camera:HDF1:DroppedArrays_RBV) with 7 of 20 on disk";
    check(lost, FaultClass::Lost, text);
    let fault = faults::Fault::FailArm { detector: camera() };
    let text = "camera: cannot arm for frames 0 to 19: the detector failed to arm (sim://camera:cam1:StatusMessage_RBV)";
    check(fault, FaultClass::Failed, text);
    let fault = faults::Fault::FailWrite { detector: camera() };
    let text = "camera: cannot bring its frames to disk: no space left on device (sim://camera:HDF1:WriteMessage)";
    check(fault, FaultClass::Failed, text);
}

/// How long the link stays down after it dropped at a request.
const OUTAGE: Duration = Duration::from_millis(30);

/// The whole life of a motor, a controller and a detector.
async fn fly(beam: &Beam) -> Result<(), Fault> {
    let connect = |device| move |error: SignalError| error.into_fault(&name(device), "connect");
    let motor = beam.motor().await.map_err(connect("x"))?;
    let stage = beam.stage().await.map_err(connect("stage"))?;
    let camera = beam.camera().await.map_err(connect("camera"))?;
    motor.move_to(1.0, |_| ()).await?;
    motor.limits().await?;
    camera.open(&plan("a.h5")).await?;
    camera.arm(&arm(0, 10)).await?;
    stage.move_to(&ROW_START).await?;
    stage.build(&row()).await?;
    let taken = async {
        stage.append(&row_back()).await?;
        camera.on_disk(|_| ()).await?;
        camera.summary(0..10).await?;
        stage.buffer().await?;
        stage.halt().await
    };
    tokio::select! { biased;
        taken = taken => taken?,
        executed = stage.execute(|_| ()) => executed?,
    }
    camera.disarm().await?;
    camera.close().await
}

async fn make_safe(beam: &Beam) -> Result<(), Fault> {
    let camera = beam.camera().await.unwrap();
    beam.motor().await.unwrap().make_safe().await?;
    beam.stage().await.unwrap().make_safe().await?;
    if camera.make_safe().await?.is_some() {
        camera.close().await?;
    }
    Ok(())
}

/// Drops the link of `device` at each request of a flight in turn.
fn fail_each_request(device: &str) {
    for request in 0.. {
        let is_through = simulate(async {
            let beam = Beam::new();
            let (device, time) = (name(device), OUTAGE);
            // What it takes to connect is another test's business.
            let before = beam.world.requests(&device);
            beam.world.fault(&faults::Fault::DropRequest {
                device: device.clone(),
                after: request,
                time,
            });
            let flown = fly(&beam).await;
            let was_reached = beam.world.requests(&device) - before > request;
            if was_reached {
                let fault = flown.unwrap_err();
                assert_eq!(fault.class, FaultClass::Disconnected, "{request}: {fault}");
                assert_eq!(fault.device, device, "{request}: {fault}");
            } else {
                flown.unwrap();
                beam.assert_safe();
                assert_eq!(beam.world.requests(&device) - before, request, "each was failed once");
                return true;
            }
            beam.clock.sleep(OUTAGE + ms(1)).await;
            make_safe(&beam).await.unwrap();
            beam.assert_safe();
            false
        });
        if is_through {
            break;
        }
    }
}

#[test]
fn after_a_failure_at_any_request_make_safe_suffices() {
    fail_each_request("x");
    fail_each_request("stage");
    fail_each_request("camera");
}

#[test]
fn after_a_drop_at_any_moment_make_safe_suffices() {
    for micros in (0..4_500_000).step_by(37_003) {
        simulate(async {
            let latency = bluefly_sim::Latency { least: ms(1), most: ms(20) };
            let beam = Beam::with(|config| config.latency = latency);
            let flown = Box::pin(fly(&beam));
            let cut = beam.clock.timeout(Duration::from_micros(micros), flown).await;
            assert!(cut.is_err(), "the flight takes longer than {micros} us");
            make_safe(&beam).await.unwrap();
            beam.assert_safe();
        });
    }
}
