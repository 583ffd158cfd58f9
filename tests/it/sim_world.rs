//! The simulated hardware: motion, triggers, frames and faults, at exact times.
use crate::{
    alone::is_alone,
    beam::{
        Beam, DEAD_TIME, LIMITS, ROW_START, arm, ms, name, plan, setup, simulate, snake,
        stage_setup,
    },
};
use bluefly_actors::{
    clock::Clock,
    logic::{
        area_detector::{AreaDetector, DetectorRecord, ImageMode},
        detector::Arm,
        trajectory::{TrajectoryLogic, TrajectoryRecord},
    },
    random::Seed,
    signal::{Backlog, Connector, LocalFuture},
};
use bluefly_protocol::{
    fault::FaultClass,
    name::Name,
    trajectory::{AxisLimits, Batch, Segment},
};
use bluefly_sim::{
    ControllerConfig, DetectorConfig, Latency, MotorConfig, World, WorldConfig,
    faults::{self, Fault, Planned},
    sink::{FrameSink, Frames, MemoryFrame, SinkFile, SinkPlan, SinkState, SinkStates},
    trace::TraceLayer,
};
use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc, time::Duration};
use tracing_subscriber::layer::SubscriberExt as _;

/// Arms the camera for `arm`, flies the snake, halts after `halt` if that is given.
async fn fly(beam: &Beam, arm: Arm, halt: Option<Duration>) -> u64 {
    fly_with(beam, &beam.camera().await.unwrap(), arm, halt).await
}

/// The same, with a logic that may have flown before.
async fn fly_with(beam: &Beam, camera: &AreaDetector, arm: Arm, halt: Option<Duration>) -> u64 {
    let stage = beam.stage().await.unwrap();
    if beam.world.open_files().is_empty() {
        camera.open(&plan("a.h5")).await.unwrap();
    }
    stage.move_to(&ROW_START).await.unwrap();
    stage.build(&snake()).await.unwrap();
    camera.arm(&arm).await.unwrap();
    let halted = async {
        match halt {
            Some(after) => {
                beam.clock.sleep(after).await;
                stage.halt().await.unwrap();
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! { biased;
        () = halted => {}
        executed = stage.execute(|_| ()) => executed.unwrap(),
    }
    camera.disarm().await.unwrap()
}

fn frames(beam: &Beam) -> BTreeMap<u64, MemoryFrame> {
    beam.sink.file("/data/a.h5".as_ref()).unwrap().frames()
}

#[test]
fn a_motor_is_where_its_trapezoid_says() {
    let check = |at: u64, expected: f64| {
        simulate(async {
            let beam = Beam::new();
            let setpoint = beam.connector.rw::<f64>("sim://x.VAL").await.unwrap();
            let readback = beam.connector.r::<f64>("sim://x.RBV").await.unwrap();
            setpoint.send(20.0).await.unwrap();
            beam.clock.sleep(ms(at)).await;
            assert_eq!(readback.get().await, Ok(expected));
            assert_eq!(beam.world.position(&name("x")), Some(expected));
        });
    };
    check(0, 0.0);
    check(250, 0.625);
    check(500, 2.5);
    check(1_250, 10.0);
    check(2_000, 17.5);
    check(2_250, 19.375);
    check(2_500, 20.0);
    check(9_000, 20.0);
}

#[test]
fn a_moving_motor_tells_its_position_ten_times_a_second() {
    simulate(async {
        let beam = Beam::new();
        let setpoint = beam.connector.rw::<f64>("sim://x.VAL").await.unwrap();
        let readback = beam.connector.r::<f64>("sim://x.RBV").await.unwrap();
        let mut observer = readback.observe(Backlog::Queue(100));
        setpoint.put(1.25).await.unwrap();
        let mut times = Vec::new();
        while times.len() < 6 {
            let reading = observer.next().await.unwrap();
            times.push(((reading.timestamp_s - 1_767_225_600.0) * 1e3).round() as u64);
        }
        assert_eq!(times, [0, 100, 200, 300, 400, 500]);
    });
}

#[test]
fn frames_carry_their_index_and_the_positions_of_their_middle() {
    simulate(async {
        let beam = Beam::new();
        assert_eq!(fly(&beam, arm(0, 20), None).await, 20);
        assert_eq!(beam.world.frames_written(&name("camera")), [1; 20]);
        let frames = frames(&beam);
        let first = frames[&0].numbers[1];
        for (index, frame) in &frames {
            let [id, time_s, total, x, y] = frame.numbers[..] else { panic!("five columns") };
            let (row, column) = (index / 10, (index % 10) as f64);
            // A quarter of a frame after its trigger.
            let expected = if row == 0 { column + 0.25 } else { 9.75 - column };
            assert_eq!(((x * 1e9).round() / 1e9, y), (expected, row as f64), "frame {index}");
            assert_eq!(id, *index as f64);
            let since_us = ((time_s - first) * 1e6).round() as u64;
            assert_eq!(since_us, index % 10 * 100_000 + row * 2_000_000, "frame {index}");
            assert_eq!(u64::from(frame.pixels[0]), *index);
            assert_eq!(total, frame.pixels.iter().map(|pixel| f64::from(*pixel)).sum::<f64>());
        }
    });
}

#[test]
fn an_abort_cuts_the_train_exactly() {
    let check = |halt_us: u64, expected: u64| {
        simulate(async {
            let beam = Beam::new();
            let taken = fly(&beam, arm(0, 20), Some(Duration::from_micros(halt_us))).await;
            assert_eq!(taken, expected, "{halt_us} us");
            beam.clock.sleep(ms(5_000)).await;
            assert_eq!(frames(&beam).len() as u64, expected, "{halt_us} us");
            assert!(!beam.world.is_anything_armed() && !beam.world.is_anything_moving());
        });
    };
    // Triggers are at 500, 600, .. 1,400 ms.
    check(499_999, 0);
    check(500_000, 0);
    check(500_001, 1);
    check(600_000, 1);
    check(600_001, 2);
    check(1_450_000, 10);
    check(2_400_000, 10);
    check(2_500_001, 11);
}

#[test]
fn a_lost_frame_leaves_a_hole_and_the_rest_lands_right() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        beam.world.fault(&Fault::LoseFrame { detector: name("camera"), index: 7 });
        assert_eq!(fly_with(&beam, &camera, arm(0, 20), None).await, 7);
        let mut written = vec![1; 20];
        written[7] = 0;
        assert_eq!(beam.world.frames_written(&name("camera")), written);
        assert_eq!(frames(&beam)[&8].pixels[0], 8);
        // The next take begins at the hole.
        assert_eq!(fly_with(&beam, &camera, arm(7, 13), None).await, 20);
        written[7..].iter_mut().for_each(|writes| *writes += 1);
        assert_eq!(beam.world.frames_written(&name("camera")), written);
    });
}

#[test]
fn configured_triggers_are_missed_once() {
    simulate(async {
        let beam = Beam::with(|config| config.detectors[0].missed_triggers = [3].into());
        let camera = beam.camera().await.unwrap();
        assert_eq!(fly_with(&beam, &camera, arm(0, 20), None).await, 3);
        assert_eq!(fly_with(&beam, &camera, arm(3, 17), None).await, 20);
    });
}

#[test]
fn a_busy_detector_ignores_triggers() {
    let check = |exposure_ms: u64, expected: usize| {
        simulate(async {
            let beam = Beam::new();
            let exposure = ms(exposure_ms).saturating_sub(DEAD_TIME);
            let slow = Arm { exposure, frame_duration: ms(1_000), ..arm(0, 20) };
            fly(&beam, slow, None).await;
            assert_eq!(frames(&beam).len(), expected, "{exposure_ms} ms");
        });
    };
    check(100, 20);
    check(101, 10);
    check(200, 10);
    check(201, 8);
}

#[test]
fn a_rewind_counts_again_from_there() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        assert_eq!(fly_with(&beam, &camera, arm(0, 20), Some(ms(1_250))).await, 8);
        camera.arm(&arm(5, 15)).await.unwrap();
        assert_eq!(camera.disarm().await, Ok(5));
        assert_eq!(fly_with(&beam, &camera, arm(5, 15), None).await, 20);
        let writes = beam.world.frames_written(&name("camera"));
        assert_eq!(writes[..9], [1, 1, 1, 1, 1, 2, 2, 2, 1]);
    });
}

#[test]
fn a_detector_takes_frames_by_itself() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        camera.open(&plan("a.h5")).await.unwrap();
        for (signal, value) in [("AcquirePeriod", 0.02), ("AcquireTime", 0.01)] {
            let address = format!("sim://camera:cam1:{signal}");
            beam.connector.w::<f64>(&address).await.unwrap().put(value).await.unwrap();
        }
        let counter = beam.connector.w::<i64>("sim://camera:cam1:ArrayCounter").await.unwrap();
        counter.put(-1).await.unwrap();
        let written = || beam.world.frames_written(&name("camera")).len();
        let image_mode = "sim://camera:cam1:ImageMode";
        let image_mode = beam.connector.w::<ImageMode>(image_mode).await.unwrap();
        image_mode.put(ImageMode::Multiple).await.unwrap();
        let num_images = beam.connector.w::<i64>("sim://camera:cam1:NumImages").await.unwrap();
        num_images.put(5).await.unwrap();
        let acquire = beam.connector.rw::<bool>("sim://camera:cam1:Acquire").await.unwrap();
        acquire.put(true).await.unwrap();
        // The fifth exposure begins at 80 ms.
        assert_eq!(beam.now(), ms(91));
        assert_eq!(acquire.get().await, Ok(false));
        assert_eq!(written(), 5);
        image_mode.put(ImageMode::Single).await.unwrap();
        acquire.put(true).await.unwrap();
        assert_eq!(beam.now(), ms(102), "one frame, whatever the number of images");
        image_mode.put(ImageMode::Continuous).await.unwrap();
        acquire.send(true).await.unwrap();
        beam.clock.sleep(ms(1_000)).await;
        assert_eq!(acquire.get().await, Ok(true));
        camera.disarm().await.unwrap();
        assert_eq!(written(), 56);
        assert_eq!(acquire.get().await, Ok(false));
    });
}

#[test]
fn a_stopped_motor_stops_the_trajectory_that_moves_it() {
    simulate(async {
        let beam = Beam::new();
        let (motor, stage) = (beam.motor().await.unwrap(), beam.stage().await.unwrap());
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let stopped = async {
            beam.clock.sleep(ms(1_000)).await;
            motor.stop().await.unwrap();
        };
        let (executed, ()) = futures_util::join!(stage.execute(|_| ()), stopped);
        let fault = executed.unwrap_err();
        assert_eq!(fault.reason, "x: stopped by its motor record");
        assert_eq!(motor.position().await, Ok(7.5));
        let fault = Fault::FollowingError { motor: name("x") };
        beam.world.fault(&fault);
        assert_eq!(motor.move_to(0.0, |_| ()).await, Ok(()), "a resting axis loses nothing");
    });
}

#[test]
fn a_disconnected_device_fails_what_is_under_way() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let fault = Fault::Disconnect { device: name("stage"), time: ms(100) };
        let start = beam.clock.now();
        beam.world.schedule(vec![Planned { after: ms(750), fault }]);
        let fault = stage.execute(|_| ()).await.unwrap_err();
        assert_eq!((fault.class, beam.clock.now() - start), (FaultClass::Disconnected, ms(750)));
        assert!(beam.world.is_anything_moving());
        beam.clock.sleep(ms(101)).await;
        stage.make_safe().await.unwrap();
        beam.assert_safe();
    });
}

#[test]
fn a_silent_controller_is_noticed() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let time = Duration::from_mins(1);
        let fault = Fault::Freeze { device: name("stage"), time };
        beam.world.schedule(vec![Planned { after: ms(1), fault }]);
        beam.clock.sleep(ms(2)).await;
        let fault = stage.execute(|_| ()).await.unwrap_err();
        assert_eq!(fault.reason, "sim://stage:ProfileExecuteMessage_RBV did not answer within 5 s");
    });
}

#[test]
fn a_slow_put_takes_longer() {
    simulate(async {
        let beam = Beam::new();
        beam.world.fault(&Fault::SlowPut { device: name("x"), delay: ms(40) });
        let velocity = beam.connector.w::<f64>("sim://x.VELO").await.unwrap();
        velocity.put(1.0).await.unwrap();
        velocity.put(2.0).await.unwrap();
        assert_eq!(beam.now(), ms(40));
    });
}

#[test]
fn a_multiplier_refuses_a_step_that_is_no_time() {
    simulate(async {
        let beam = Beam::with(|config| config.detectors[0].has_multiplier = true);
        let step = beam.connector.rw::<f64>("sim://camera:PULSE1:Step").await.unwrap();
        step.put(0.25).await.unwrap();
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            let error = step.put(wrong).await.unwrap_err().to_string();
            assert!(error.contains("a step is 0 s or longer"), "{wrong}: {error}");
            assert_eq!(step.get().await, Ok(0.25));
        }
    });
}

/// What happens in a flight with random latency and faults, line by line.
fn traced(seed: u64) -> String {
    simulate(async {
        let beam = Beam::with(|config| config.latency = Latency { least: ms(1), most: ms(20) });
        let (layer, trace) = TraceLayer::new(beam.clock.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        let guard = tracing::subscriber::set_default(subscriber);
        let victims = faults::Victims {
            motors: vec![name("x"), name("y")],
            controllers: vec![name("stage")],
            detectors: vec![name("camera")],
        };
        let mut stream = Seed(seed).stream("faults", 0);
        beam.world.schedule(faults::random(&mut stream, &victims, 20, ms(10_000)));
        let mut setpoints = Vec::new();
        for axis in ["x", "y"] {
            setpoints.push(beam.connector.rw::<f64>(&format!("sim://{axis}.VAL")).await);
        }
        for round in 0..20 {
            for (axis, setpoint) in setpoints.iter().enumerate() {
                let Ok(setpoint) = setpoint else { continue };
                let position = stream.unit() * 10.0;
                let put = beam.clock.timeout(ms(300), setpoint.put(position)).await;
                let _span = tracing::info_span!("round", round).entered();
                tracing::info!(target: "bluefly::test", axis, position, ?put, "moved");
            }
        }
        drop(guard);
        trace.text()
    })
}

#[test]
fn one_seed_gives_one_trace() {
    if !is_alone("sim_world::one_seed_gives_one_trace") {
        return;
    }
    let first = traced(7);
    assert!(first.lines().any(|line| line.contains("fault=")), "{first}");
    assert!(
        first.lines().any(|line| line.contains("INFO round{round=19} moved axis=1")),
        "{first}"
    );
    for _ in 0..10 {
        assert_eq!(traced(7), first);
    }
    assert_ne!(traced(8), first);
}

/// A disk that counts.
#[derive(Clone, Default)]
struct Counter(Rc<RefCell<u64>>);

impl FrameSink for Counter {
    fn has_directory(&self, _path: &Path, _new_parts: u32) -> bool {
        true
    }

    fn create(&self, _plan: SinkPlan) -> LocalFuture<Result<Rc<dyn SinkFile>, String>> {
        let file: Rc<dyn SinkFile> = Rc::new(self.clone());
        Box::pin(std::future::ready(Ok(file)))
    }
}

impl SinkFile for Counter {
    fn append(&self, frames: Frames) -> Result<(), String> {
        *self.0.borrow_mut() += frames.count as u64;
        Ok(())
    }
    fn rewind(&self, _first_index: u64) -> Result<(), String> {
        Ok(())
    }
    fn state(&self) -> SinkState {
        SinkState::default()
    }
    fn states(&self) -> SinkStates {
        Box::pin(futures_util::stream::pending())
    }
    fn flush(&self) -> LocalFuture<Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn close(&self) -> LocalFuture<Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Flies rows of 100 frames, all of which must reach the disk.
fn fly_rows(detectors: usize, rows: u64, expected: u64) {
    simulate(async {
        let axes = [name("x"), name("y")];
        let names: Vec<Name> = (0..detectors).map(|i| name(&format!("camera_{i}"))).collect();
        let detector = |name: &Name| DetectorConfig {
            axes: axes.to_vec(),
            ..DetectorConfig::new(name.clone(), [4, 4], DEAD_TIME)
        };
        let limits = AxisLimits { high: 200.0, ..LIMITS };
        let config = WorldConfig {
            motors: axes.iter().map(|axis| MotorConfig::new(axis.clone(), limits)).collect(),
            controllers: vec![ControllerConfig::new(name("stage"), axes.to_vec())],
            detectors: names.iter().map(detector).collect(),
            ..WorldConfig::default()
        };
        let clock = Clock::simulated();
        let counter = Counter::default();
        let disk: Rc<dyn FrameSink> = Rc::new(counter.clone());
        let world = World::new(&config, &clock, Seed(1), &disk);
        let connector = Connector::new(world.provider(), clock.clone(), Duration::from_secs(5));
        let record = TrajectoryRecord::connect(&connector, &stage_setup()).await.unwrap();
        let stage = TrajectoryLogic::new(name("stage"), record, stage_setup());
        stage.move_to(&[-5.0, 0.0]).await.unwrap();
        for camera in names {
            let (address, setup) = (format!("sim://{camera}"), setup());
            let record = DetectorRecord::connect(&connector, &address, &setup).await.unwrap();
            let camera = AreaDetector::new(camera, record, setup);
            camera.open(&plan("a.h5")).await.unwrap();
            camera.arm(&arm(0, rows * 100)).await.unwrap();
        }
        stage.build(&rows_of_a_hundred(rows)).await.unwrap();
        stage.execute(|_| ()).await.unwrap();
        assert_eq!(stage.frames_done().await, Ok(rows * 100));
        assert_eq!(clock.now().since_start(), ms(1_000) + ms(12_000) * rows as u32);
        clock.sleep(ms(100)).await;
        assert_eq!(*counter.0.borrow(), expected);
    });
}

/// Rows of 100 frames of 100 ms at 10 mm/s, forth and back.
fn rows_of_a_hundred(rows: u64) -> Batch {
    let segment = |ms: u64, frames, x: f64, velocity: f64| Segment {
        duration_us: ms * 1_000,
        frame_goes_on: false,
        frames,
        positions: [x, 0.0].into(),
        velocities: [velocity, 0.0].into(),
    };
    let row = |row: u64| {
        let (from, to) = if row.is_multiple_of(2) { (0.0, 100.0) } else { (100.0, 0.0) };
        let velocity = (to - from) / 10.0;
        // In four parts, since no time between two points may be as long as a row.
        let part = |part: u32| {
            let x = from + (to - from) * f64::from(part) / 4.0;
            segment(2_500, 25, x, velocity)
        };
        let ends = [segment(1_000, 0, from, velocity), segment(1_000, 0, to + velocity / 2.0, 0.0)];
        let [run_up, run_down] = ends;
        [run_up, part(1), part(2), part(3), part(4), run_down]
    };
    Batch { last: true, ..(0..rows).flat_map(row).collect() }
}

#[test]
fn every_frame_of_every_detector_arrives() {
    fly_rows(3, 4, 1_200);
}

#[test]
#[ignore = "a measurement: run it in release"]
fn an_hour_with_twenty_detectors() {
    fly_rows(20, 360, 720_000);
}
