//! Scans that a PandA triggers and captures: every frame and every row, whatever happens meanwhile.
use crate::{
    beam::busy,
    run::rig::{GRID, Rig, Setup, name, spec, with_rig},
};
use bluefly_actors::{
    coordinator::{Abort, Pause, Prepare, Resume, Stage},
    status::Outcome,
    storage::{ColumnData, ColumnsLink},
};
use bluefly_protocol::{run::RunPhase, scan::Stack};
use bluefly_sim::faults::Fault;
use std::time::Duration;

/// Beside the devices of the rig. The counts are fine, so that frames begin where they should.
const PANDA: &str = r#"
[device.panda]
type = "panda"
provider = "sim://panda"
[device.panda.encoders]
x = { input = "INENC1", scale = "0.0000001 mm", offset = "0 mm" }
y = { input = "INENC2", scale = "-0.0000001 mm", offset = "2.5 mm" }
[device.panda.triggers]
sequencer = "SEQ1"
start_on = "position"
positions = { x = "POSA", y = "POSB" }
gate = "BITA"
[device.panda.triggers.outputs]
camera = { output = "TTLOUT1" }
diode = { output = "TTLOUT2" }
[device.panda.wiring]
"PCAP.ENABLE" = "SEQ1.ACTIVE"
"PCAP.GATE" = "SEQ1.OUTA"
"PCAP.TRIG" = "SEQ1.OUTA"
"PCAP.TRIG_EDGE" = "Falling"
"SEQ1.BITA" = "TTLIN1.VAL"
[device.panda.capture]
"INENC1.VAL" = ["Mean"]
"INENC2.VAL" = ["Mean"]
"PCAP.GATE_DURATION" = ["Value"]
[device.generator]"#;

pub(super) const FRAMES: u64 = 40;
/// Part of each frame that is live: all of 50 ms but the millisecond that the camera needs.
const LIVE_S: f64 = 0.049;
const FRAME_S: f64 = 0.05;

pub(super) fn setup(edits: &[(&'static str, &'static str)]) -> Setup {
    let mut all = vec![("\n[device.generator]", PANDA)];
    all.extend(edits);
    Setup { edits: all, ..Setup::default() }
}

pub(super) const fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

fn uid(rig: &Rig) -> String {
    let documents = rig.documents();
    let start = documents.iter().rev().find(|(name, _)| name == "start").unwrap();
    start.1["uid"].as_str().unwrap().to_owned()
}

/// What the PandA captured, column by column.
fn columns(rig: &Rig) -> Vec<Vec<f64>> {
    let file = rig.memory.file(&rig.directory.path().join(format!("{}-panda.h5", uid(rig))));
    let values = file.unwrap().columns.into_iter().map(|column| {
        let ColumnData::F64(values) = column else { panic!("all are f64") };
        values
    });
    values.collect()
}

/// The rows of the PandA are those of the frames, each at its own index.
fn assert_rows(rig: &Rig) {
    // Ticks are exact, whatever the motion did.
    for (index, live_s) in assert_means(rig, GRID).into_iter().enumerate() {
        assert!((live_s - LIVE_S).abs() < 1e-9, "frame {index} was live for {live_s} s");
    }
}

/// The means of the PandA are those of the frames of a scan; for how long each was live.
pub(super) fn assert_means(rig: &Rig, text: &str) -> Vec<f64> {
    let uid = uid(rig);
    let file = rig.memory.file(&rig.directory.path().join(format!("{uid}-panda.h5"))).unwrap();
    assert!(file.is_closed);
    let master = rig.memory.master(&rig.directory.path().join(format!("{uid}.nxs"))).unwrap();
    let columns = file.plan.columns.iter().map(|column| column.dataset.clone());
    let link = ColumnsLink {
        name: "panda".to_owned(),
        file: format!("{uid}-panda.h5"),
        datasets: columns.collect(),
    };
    assert_eq!(master.columns, [link]);
    let column = |dataset: &str| {
        let columns = &file.plan.columns;
        let found = columns.iter().position(|column| column.dataset.ends_with(dataset)).unwrap();
        let ColumnData::F64(values) = &file.columns[found] else { panic!("{dataset} is f64") };
        values[..FRAMES as usize].to_vec()
    };
    assert_eq!(file.committed, FRAMES);
    let stack = Stack::new(&spec(text)).unwrap();
    let frames = stack.frames(0..FRAMES);
    for (axis, name) in stack.axes().iter().enumerate() {
        let dataset = if name.as_str() == "x" { "/INENC1.VAL.Mean" } else { "/INENC2.VAL.Mean" };
        let bounds = frames.lower()[axis].iter().zip(&frames.upper()[axis]);
        for (index, ((lower, upper), mean)) in bounds.zip(column(dataset)).enumerate() {
            let wanted = lower + (upper - lower) * LIVE_S / FRAME_S / 2.0;
            let is_there = (wanted - mean).abs() < 1e-6;
            assert!(is_there, "frame {index}: {name} was {mean} in the mean, not {wanted}");
        }
    }
    column("/PCAP.GATE_DURATION.Value")
}

pub(super) async fn land(rig: &Rig) {
    assert_eq!(rig.unstage().await, Ok(Outcome::Done(FRAMES)));
    rig.assert_complete(GRID, FRAMES);
    assert_rows(rig);
    rig.assert_safe();
}

/// Flies the grid while `meanwhile` happens.
fn check(edits: &[(&'static str, &'static str)], meanwhile: impl AsyncFnOnce(&Rig)) {
    with_rig(setup(edits), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        meanwhile(rig).await;
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        land(rig).await;
    });
}

pub(super) async fn taken(rig: &Rig, frames: u64) {
    let mut progress = rig.process.bulletin.progress();
    let panda = name("panda");
    let reached = progress
        .wait_for(|progress| progress.detectors.get(&panda).is_some_and(|taken| *taken >= frames));
    reached.await.unwrap();
}

/// Pauses for a while once so many frames are taken.
pub(super) async fn pause(rig: &Rig, frames: u64) {
    taken(rig, frames).await;
    rig.ask(Pause).await.unwrap();
    rig.reach(RunPhase::Paused).await;
    rig.assert_still();
    rig.sleep(ms(1_234)).await;
    rig.ask(Resume::default()).await.unwrap();
}

#[test]
fn a_panda_triggers_and_captures_every_frame_of_a_grid() {
    check(&[], async |_| {});
}

/// Rows begin with the gate that the controller holds.
const GATED: [(&str, &str); 2] = [
    ("start_on = \"position\"", "start_on = \"gate\""),
    ("axes = [\"x\", \"y\"]", "axes = [\"x\", \"y\"]\ntrigger_bits = \"row_gate\""),
];

#[test]
fn rows_begin_with_a_gate() {
    check(&GATED, async |_| {});
}

#[test]
fn a_scan_that_a_panda_cannot_trigger_was_refused_once_files_were_open() {
    let without_x = ("x = \"POSA\", y = \"POSB\"", "y = \"POSB\"");
    with_rig(setup(&[without_x]), async |rig| {
        rig.step(Stage::default()).await.unwrap();
        let refused = rig.try_step(Prepare(spec(GRID))).await.unwrap_err();
        let told = "panda: cannot trigger the scan: frame 0: no axis moves by a count between lower \
                    bound and midpoint, of those with a position input (y): a position compare \
                    needs one";
        assert_eq!(refused, told);
        assert_eq!(rig.progress().phase, RunPhase::Staged);
        assert_eq!(rig.documents(), []);
    });
}

#[test]
fn frames_that_begin_by_time_were_taken_wherever_the_motion_was() {
    with_rig(setup(&[("start_on = \"position\"", "start_on = \"time\"")]), async |rig| {
        rig.step(Stage::default()).await.unwrap();
        let refused = rig.try_step(Prepare(spec(GRID))).await.unwrap_err();
        let told = "panda: cannot trigger the scan: axis x moves, and start_on = \"time\" begins \
                    frames when triggers are let go, wherever it is: use \"position\" or \"gate\"";
        assert_eq!(refused, told);
        let still = r#"{"type": "ConstantDuration", "constant_duration": 0.05, "spec":
            {"type": "Static", "axis": "x", "value": 2, "num": 20}}"#;
        rig.step(Prepare(spec(still))).await.unwrap();
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(20)));
    });
}

/// Pauses whenever so many frames are taken; nothing is recovered from.
fn check_pauses(edits: &[(&'static str, &'static str)], pauses: [u64; 4]) {
    with_rig(setup(edits), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        for frames in pauses {
            pause(rig, frames).await;
        }
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        assert_eq!(rig.progress().recoveries, 0);
        land(rig).await;
    });
}

#[test]
fn pauses_lose_and_double_no_row() {
    check_pauses(&[], [3, 11, 12, 30]);
}

/// Pauses some time after so many frames; the motion goes on for most of a frame when the triggers have
/// stopped.
pub(super) async fn pause_slowly(rig: &Rig, (frames, moment): (u64, Duration)) {
    taken(rig, frames).await;
    rig.sleep(moment).await;
    rig.process.world.fault(&Fault::SlowPut { device: name("motion"), delay: ms(37) });
    rig.ask(Pause).await.unwrap();
    rig.reach(RunPhase::Paused).await;
    rig.assert_still();
    rig.ask(Resume::default()).await.unwrap();
}

/// Pauses some time after so many frames. How often each frame came to the camera.
fn paused_at(
    edits: &[(&'static str, &'static str)],
    (frames, moment): (u64, Duration),
) -> Vec<u32> {
    with_rig(setup(edits), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        pause_slowly(rig, (frames, moment)).await;
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        assert_eq!(rig.progress().recoveries, 0);
        land(rig).await;
        rig.process.world.frames_written(&name("camera"))
    })
}

#[test]
fn a_pause_in_mid_row_took_frames_again_that_were_whole() {
    // Also where what a cut pulse leaves is captured.
    for edits in [&[][..], &[("\"SEQ1.ACTIVE\"", "\"ONE\"")]] {
        for moment in (0..17).map(|i| Duration::from_micros(3_100 * i)) {
            let taken = paused_at(edits, (3, moment));
            let again: Vec<&u32> = taken.iter().filter(|times| **times != 1).collect();
            assert!(matches!(again[..], [] | [2]), "{moment:?}: {taken:?}");
        }
    }
}

#[test]
fn a_pause_between_two_rows_cuts_no_frame() {
    for moment in [10, 30, 50].map(ms) {
        assert_eq!(paused_at(&[], (10, moment)), [1; FRAMES as usize], "{moment:?}");
    }
}

/// What is captured in a world that wakes late, or in one that does not.
fn captured(edits: &[(&'static str, &'static str)], is_busy: bool) -> Vec<Vec<f64>> {
    with_rig(setup(edits), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        let load = is_busy.then(|| tokio::task::spawn_local(busy(rig.process.clock.clone())));
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        if let Some(load) = load {
            load.abort();
        }
        assert_eq!(rig.progress().recoveries, 0);
        land(rig).await;
        columns(rig)
    })
}

#[test]
fn a_world_that_woke_late_had_other_rows() {
    for edits in [&[], &GATED[..]] {
        assert_eq!(captured(edits, true), captured(edits, false));
    }
}

#[test]
fn rows_of_the_arm_before_a_pause_were_taken_for_those_after_it() {
    with_rig(setup(&[]), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        taken(rig, 21).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        rig.ask(Resume::default()).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        assert_eq!(rig.progress().recoveries, 0);
        land(rig).await;
    });
}

#[test]
fn a_gate_that_a_pause_in_mid_row_left_high_began_the_next_row() {
    check_pauses(&GATED, [3, 14, 25, 36]);
}

#[test]
fn a_gate_that_an_abort_in_mid_row_left_high_began_the_next_scan() {
    with_rig(setup(&GATED), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        taken(rig, 5).await;
        rig.step(Abort { reason: None }).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Aborted));
        rig.ready(GRID).await;
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(FRAMES)));
        assert_eq!(rig.progress().recoveries, 0);
        land(rig).await;
    });
}

#[test]
fn a_panda_that_is_cut_off_or_loses_its_power_in_mid_scan_goes_on_when_it_is_back() {
    check(&[], async |rig| {
        taken(rig, 7).await;
        rig.process.world.panda(&name("panda")).unwrap().cut();
        taken(rig, 20).await;
        rig.process.world.fault(&Fault::PowerCycle { panda: name("panda"), time: ms(1_500) });
    });
}

#[test]
fn actors_of_a_panda_that_crash_in_mid_scan_go_on_where_they_were() {
    check(&[], async |rig| {
        taken(rig, 7).await;
        rig.process.tree.crash("panda", "a test").unwrap();
        taken(rig, 20).await;
        rig.process.tree.crash("panda.triggers", "a test").unwrap();
    });
}
