//! What goes wrong with a detector is told with its name, the signal and the cause.
use crate::beam::{Beam, ROW_START, arm, ms, name, plan, setup, simulate, snake};
use bluefly_actors::{
    logic::{
        area_detector::{AreaDetector, DetectorRecord, DetectorSetup},
        detector::{Arm, FilePlan},
    },
    signal::SignalValue,
};
use bluefly_protocol::{
    beamline::{CameraSpec, PathsSpec, Trigger},
    fault::{Fault, FaultClass},
};
use bluefly_sim::{WorldConfig, faults::Fault as Trouble};
use std::path::Path;

async fn camera(beam: &Beam, setup: DetectorSetup) -> AreaDetector {
    let record = DetectorRecord::connect(&beam.connector, "sim://camera", &setup).await.unwrap();
    AreaDetector::new(name("camera"), record, setup)
}

async fn put<T: SignalValue>(beam: &Beam, pv: &str, value: T) {
    let signal = beam.connector.w::<T>(&format!("sim://camera:{pv}")).await.unwrap();
    signal.send(value).await.unwrap();
}

/// Flies the snake, with `trouble` 1 s after its start.
async fn fly(
    beam: &Beam,
    camera: &AreaDetector,
    arm: &Arm,
    trouble: impl AsyncFnOnce(&Beam),
) -> Result<(), Fault> {
    let stage = beam.stage().await.unwrap();
    stage.move_to(&ROW_START).await?;
    stage.build(&snake()).await?;
    camera.arm(arm).await?;
    let later = async {
        beam.clock.sleep(ms(1_000)).await;
        trouble(beam).await;
        std::future::pending::<()>().await;
    };
    let taken = async {
        // What is lost is told while the motion goes on.
        tokio::select! { biased;
            taken = camera.on_disk(|_| ()) => taken,
            _ = futures_util::future::join(stage.execute(|_| ()), later) => unreachable!("it waits"),
        }
    };
    let taken = taken.await;
    stage.halt().await?;
    taken
}

/// Opens a file, flies with trouble, and checks what is told of it; afterwards all is at rest, with
/// so many frames on disk.
fn check(
    change: impl FnOnce(&mut WorldConfig),
    trouble: impl AsyncFnOnce(&Beam),
    (class, text): (FaultClass, &str),
    on_disk: Result<u64, &str>,
) {
    simulate(async {
        let beam = Beam::with(change);
        let camera = beam.camera().await.unwrap();
        camera.open(&plan("a.h5")).await.unwrap();
        let fault = fly(&beam, &camera, &arm(0, 20), trouble).await.unwrap_err();
        assert_eq!((fault.class, fault.to_string().as_str()), (class, text));
        let disarmed = camera.disarm().await.map_err(|fault| fault.to_string());
        assert_eq!(disarmed, on_disk.map_err(str::to_owned));
        camera.make_safe().await.unwrap();
        assert_eq!(camera.close().await.is_err(), on_disk.is_err());
        beam.assert_safe();
    });
}

#[test]
fn exposures_that_have_no_frame_are_named() {
    let told = |first: u64, last: u64, text: &str, on_disk: u64| {
        check(
            |config| config.detectors[0].missed_triggers = (first..=last).collect(),
            async |_| (),
            (FaultClass::Lost, text),
            Ok(on_disk),
        );
    };
    told(
        7,
        9,
        "camera: cannot bring its frames to disk: exposures 7 to 9 were lost \
         (sim://camera:HDF1:UniqueId_RBV) with 7 of 20 on disk",
        7,
    );
    told(
        0,
        0,
        "camera: cannot bring its frames to disk: exposure 0 was lost \
         (sim://camera:HDF1:UniqueId_RBV) with 0 of 20 on disk",
        0,
    );
    told(
        18,
        19,
        "camera: cannot bring its frames to disk: the acquisition ended \
         (sim://camera:cam1:Acquire_RBV) with 18 of 20 exposures",
        18,
    );
}

#[test]
fn many_exposures_at_once_hide_no_gap() {
    simulate(async {
        let beam = Beam::with(|config| {
            config.detectors[0].missed_triggers = [57, 58, 59].into();
            config.detectors[0].dead_time = ms(0);
        });
        let camera = camera(&beam, DetectorSetup { dead_time: ms(0), ..setup() }).await;
        camera.open(&plan("a.h5")).await.unwrap();
        let thousand = Arm { frame_duration: ms(1), exposure: ms(1), ..arm(0, 1_000) };
        camera.arm(&thousand).await.unwrap();
        put(&beam, "cam1:Acquire", false).await;
        // The same, started by itself: 50 frames come at a time.
        put(&beam, "cam1:TriggerMode", "Internal".to_owned()).await;
        put(&beam, "cam1:ArrayCounter", -1_i64).await;
        put(&beam, "cam1:Acquire", true).await;
        let fault = camera.on_disk(|_| ()).await.unwrap_err();
        let text = "exposures 57 to 59 were lost (sim://camera:HDF1:UniqueId_RBV) with";
        assert!(fault.reason.starts_with(text), "{fault}");
        assert_eq!(camera.disarm().await, Ok(57));
    });
}

#[test]
fn an_acquisition_that_ends_early_is_told() {
    // Five frames are on disk 1 s after the start: the first is ready at 551 ms.
    let text = "camera: cannot bring its frames to disk: the acquisition ended \
                (sim://camera:cam1:Acquire_RBV) with 5 of 20 exposures";
    let stop = async |beam: &Beam| put(beam, "cam1:Acquire", false).await;
    check(|_| (), stop, (FaultClass::Lost, text), Ok(5));
    let text = "camera: cannot bring its frames to disk: the detector failed \
                (sim://camera:cam1:StatusMessage_RBV)";
    let fail = async |beam: &Beam| {
        beam.world.fault(&Trouble::FailAcquisition { detector: name("camera") });
    };
    check(|_| (), fail, (FaultClass::Failed, text), Ok(5));
}

#[test]
fn a_file_that_somebody_closes_is_told() {
    let text = "camera: cannot bring its frames to disk: its file was closed \
                (sim://camera:HDF1:Capture_RBV) after 5 exposures";
    let close = async |beam: &Beam| put(beam, "HDF1:Capture", false).await;
    check(|_| (), close, (FaultClass::Failed, text), Ok(5));
}

#[test]
fn frames_that_somebody_kept_from_the_file_were_told_as_an_acquisition_that_ended() {
    for pv in ["HDF1:EnableCallbacks", "cam1:ArrayCallbacks"] {
        let text = format!(
            "camera: cannot bring its frames to disk: sim://camera:{pv} is Disable: someone keeps \
             its frames from its file"
        );
        let disable = async |beam: &Beam| put(beam, pv, false).await;
        check(|_| (), disable, (FaultClass::Failed, &text), Ok(5));
    }
}

#[test]
fn a_disk_that_is_full_is_told_again_by_whoever_disarms() {
    let full = "no space left on device (sim://camera:HDF1:WriteMessage)";
    let fails_to_write = async |beam: &Beam| {
        beam.world.fault(&Trouble::FailWrite { detector: name("camera") });
    };
    let (taking, disarming) = (
        format!("camera: cannot bring its frames to disk: {full}"),
        format!("camera: cannot disarm: {full}"),
    );
    check(|_| (), fails_to_write, (FaultClass::Failed, &taking), Err(&disarming));
}

/// Opens a file that cannot be opened; nothing is left open.
fn refused(
    change: impl FnOnce(&mut WorldConfig),
    setup: DetectorSetup,
    file: &FilePlan,
    text: &str,
) {
    simulate(async {
        let beam = Beam::with(change);
        beam.sink.lacks(Path::new("/no/such"));
        let camera = camera(&beam, setup).await;
        let fault = camera.open(file).await.unwrap_err();
        assert_eq!((fault.class, fault.to_string().as_str()), (FaultClass::Failed, text));
        camera.make_safe().await.unwrap();
        beam.assert_safe();
        // It is none the worse for it.
        camera.open(&plan("b.h5")).await.unwrap();
        camera.close().await.unwrap();
    });
}

#[test]
fn a_directory_that_is_not_there_is_refused_unless_it_may_be_made() {
    let missing = FilePlan { directory: "/no/such/run".into(), ..plan("a.h5") };
    let text = "camera: cannot open /no/such/run/a.h5: sim://camera:HDF1:FilePathExists_RBV is No: \
                there is no /no/such/run where the file is written";
    refused(|_| (), setup(), &missing, text);
    simulate(async {
        let beam = Beam::new();
        beam.sink.lacks(Path::new("/no/such"));
        let camera = beam.camera().await.unwrap();
        let file = camera.open(&FilePlan { new_directories: 2, ..missing }).await.unwrap();
        assert_eq!(file.path, Path::new("/no/such/run/a.h5"));
    });
}

#[test]
fn a_file_that_is_there_already_is_not_overwritten() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = FilePlan { directory: here.to_owned(), ..plan("Cargo.toml") };
    let path = here.join("Cargo.toml");
    let path = path.display();
    // As it is for a detector of another computer, whose disk can be seen from here.
    let elsewhere = DetectorSetup { min_free_bytes: Some(0), ..setup() };
    let text = format!("camera: cannot open {path}: {path} exists");
    refused(|_| (), elsewhere, &manifest, &text);
}

#[test]
fn a_path_that_the_detector_cannot_reach_is_refused_and_another_is_translated() {
    let paths = PathsSpec { here: "/data".to_owned(), ioc: "X:/raw".to_owned() };
    let windows = DetectorSetup { paths: Some(paths), ..setup() };
    let outside = FilePlan { directory: "/tmp".into(), ..plan("a.h5") };
    let text = "camera: cannot open /tmp/a.h5: /tmp is not below /data, all that it can reach";
    refused(|_| (), windows.clone(), &outside, text);
    simulate(async {
        let beam = Beam::new();
        let camera = camera(&beam, windows).await;
        let file = FilePlan { directory: "/data/run".into(), ..plan("a.h5") };
        assert_eq!(camera.open(&file).await.unwrap().path, Path::new("/data/run/a.h5"));
        assert_eq!(beam.world.open_files(), [Path::new("X:/raw/run/a.h5")]);
        camera.close().await.unwrap();
    });
}

#[test]
fn a_file_without_room_is_told_before_it_is_armed() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        camera.open(&plan("a.h5")).await.unwrap();
        put(&beam, "HDF1:NumCapture", 20_i64).await;
        let fault = camera.arm(&arm(5, 15)).await.unwrap_err();
        let text = "camera: cannot arm for frames 5 to 19: sim://camera:HDF1:NumCapture is 20: its \
                    file has no room for 15 more exposures from 5 on, with 0 written";
        assert_eq!((fault.class, fault.to_string().as_str()), (FaultClass::Failed, text));
        assert!(!beam.world.is_anything_armed());
        camera.arm(&arm(5, 14)).await.unwrap();
    });
}

#[test]
fn a_writer_that_saw_no_frame_opens_its_file_at_the_first() {
    simulate(async {
        let beam = Beam::with(|config| config.detectors[0].has_taken_a_frame = false);
        let camera = beam.camera().await.unwrap();
        let file = camera.open(&plan("a.h5")).await.unwrap();
        assert_eq!(file.path, Path::new("/data/a.h5"));
        assert_eq!(beam.sink.paths(), Vec::<std::path::PathBuf>::new());
        let again = beam.camera().await.unwrap().make_safe().await.unwrap();
        assert_eq!(again, Some(file));
        fly(&beam, &camera, &arm(0, 20), async |_| ()).await.unwrap();
        assert_eq!(camera.disarm().await, Ok(20));
        camera.close().await.unwrap();
        assert_eq!(beam.world.frames_written(&name("camera")), [1; 20]);
        beam.assert_safe();
    });
}

#[test]
fn a_gated_exposure_is_as_long_as_its_pulse() {
    simulate(async {
        let beam = Beam::with(|config| {
            let camera = &mut config.detectors[0];
            camera.has_multiplier = true;
            camera.triggers = vec![
                ("Internal".to_owned(), Trigger::Internal),
                ("External Exposure".to_owned(), Trigger::Gate),
            ];
        });
        let (camera_spec, trigger) = (CameraSpec::Andor, Trigger::Gate);
        let gated = DetectorSetup { camera: camera_spec, trigger, ..setup() };
        let camera = camera(&beam, gated).await;
        let stage = beam.stage().await.unwrap();
        camera.open(&plan("a.h5")).await.unwrap();
        camera.arm(&arm(0, 20)).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        // Whatever the driver was told: the pulse decides.
        put(&beam, "PULSE1:Width", 0.02).await;
        let start = beam.clock.now();
        let taken = async {
            camera.on_disk(|_| ()).await.unwrap();
            // The last trigger is at 3,400 ms; 20 ms of pulse and 1 ms of dead time follow.
            assert_eq!(beam.clock.now() - start, ms(3_421));
        };
        let (executed, ()) = futures_util::join!(stage.execute(|_| ()), taken);
        executed.unwrap();
        assert_eq!(camera.disarm().await, Ok(20));
    });
}

#[test]
fn a_camera_without_the_trigger_is_not_armed() {
    simulate(async {
        let beam = Beam::with(|config| config.detectors[0].has_multiplier = true);
        let camera = camera(&beam, DetectorSetup { trigger: Trigger::Gate, ..setup() }).await;
        camera.open(&plan("a.h5")).await.unwrap();
        let fault = camera.arm(&arm(0, 20)).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Rejected);
        assert_eq!(fault.reason, "camera \"sim_detector\" has no trigger \"gate\"");
        assert!(!beam.world.is_anything_armed());
    });
}
