//! Where the process and its run stand.
use super::{
    amounts::{bytes, frames, span},
    table::pairs,
};
use crate::cli::{ctl::vigil::open_run, text::one_line};
use bluefly_protocol::{
    api::Status,
    document::ExitStatus,
    name::Name,
    run::{RunEnd, StepReport, StepState},
};
use std::collections::BTreeMap;

/// Everything that is worth a line.
pub(in super::super) fn status(status: &Status) -> String {
    let progress = &status.progress;
    let mut lines =
        vec![("beamline", status.beamline.to_string()), ("phase", progress.phase.to_string())];
    lines.extend(open_run(status).map(|run| ("run", run.to_owned())));
    if progress.frames_total > 0 {
        let (done, total) = (progress.frames_done, progress.frames_total);
        let before = match progress.frames_before {
            0 => String::new(),
            before => format!(", after {before} of earlier scans"),
        };
        let published = progress.frames_published;
        lines.push(("frames", format!("{done} of {total} done, {published} documented{before}")));
        if !progress.detectors.is_empty() {
            lines.push(("detectors", detectors(&progress.detectors)));
        }
        let (time, size) = (span(progress.predicted_s), bytes(progress.predicted_bytes));
        lines.push(("predicted", format!("{time}, {size}")));
    }
    lines.extend(progress.operation.as_ref().map(|operation| ("step", step(operation))));
    if progress.recoveries > 0 {
        lines.push(("recoveries", progress.recoveries.to_string()));
    }
    lines.extend(progress.trouble.as_ref().map(|trouble| ("trouble", one_line(trouble))));
    lines.extend(progress.ended.as_ref().map(|end| ("last run", last(end))));
    pairs(lines)
}

/// The phase, and how many frames there are if that is not nothing.
pub(in super::super) fn brief(status: &Status) -> String {
    let progress = &status.progress;
    match progress.frames_total {
        0 => format!("{}\n", progress.phase),
        total => format!("{}: {} of {total} frames\n", progress.phase, progress.frames_done),
    }
}

/// Frames on disk, by detector.
pub(super) fn detectors(detectors: &BTreeMap<Name, u64>) -> String {
    let texts = detectors.iter().map(|(name, frames)| format!("{name} {frames}"));
    texts.collect::<Vec<_>>().join(", ")
}

fn step(report: &StepReport) -> String {
    let request = report.request;
    let state = match report.state {
        StepState::Running => "under way",
        StepState::Pausing => "pausing",
        StepState::Paused => "paused",
        StepState::Done => "done",
        StepState::Aborted => "aborted",
        StepState::Failed => "failed",
    };
    match &report.error {
        Some(error) => format!("{request} {state}: {}", one_line(&error.to_string())),
        None => format!("{request} {state}"),
    }
}

fn last(end: &RunEnd) -> String {
    let how = match end.exit_status {
        ExitStatus::Success => "done",
        ExitStatus::Abort => "aborted",
        ExitStatus::Fail => "failed",
    };
    let reason = match end.reason.as_str() {
        "" => String::new(),
        reason => format!(": {}", one_line(reason)),
    };
    format!("{} {how}, {}{reason}", end.run, frames(end.num_frames))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(changes: &Value) -> Status {
        let mut value = json!({
            "instance": "i", "beamline": "sim", "revision": 17, "phase": "idle", "run": null,
            "frames_before": 0, "frames_total": 0, "frames_done": 0, "frames_published": 0,
            "detectors": {}, "recoveries": 0, "predicted_s": 0.0, "predicted_bytes": 0,
            "trouble": null, "operation": null, "ended": null,
        });
        let changes = changes.as_object().expect("an object");
        value.as_object_mut().expect("an object").extend(changes.clone());
        serde_json::from_value(value).expect("a status")
    }

    #[test]
    fn a_status_has_a_line_for_each_thing_that_is() {
        let check =
            |changes: Value, expected: &str| assert_eq!(status(&parsed(&changes)), expected);
        check(json!({}), "beamline  sim\nphase     idle\n");
        check(
            json!({
                "phase": "running", "run": "r1", "frames_total": 1600, "frames_done": 160,
                "frames_published": 158, "detectors": {"camera": 162, "diode": 160},
                "predicted_s": 6.6, "predicted_bytes": 9_830_400,
                "operation": {"number": 3, "request": "kickoff", "state": "running", "error": null},
            }),
            "\
beamline   sim
phase      running
run        r1
frames     160 of 1600 done, 158 documented
detectors  camera 162, diode 160
predicted  7 s, 9.83 MB
step       kickoff under way
",
        );
        check(
            json!({
                "phase": "recovering", "run": "r2", "frames_before": 100, "frames_total": 10,
                "frames_done": 4, "recoveries": 2, "predicted_s": 75.0,
                "trouble": "camera: cannot arm:\n gone",
                "operation": {
                    "number": 3, "request": "kickoff", "state": "failed",
                    "error": {"code": "failed", "where": "camera", "message": "cannot arm: gone"},
                },
                "ended": {"run": "r1", "exit_status": "abort", "reason": "by hand", "num_frames": 1},
            }),
            "\
beamline    sim
phase       recovering
run         r2
frames      4 of 10 done, 0 documented, after 100 of earlier scans
predicted   1 min 15 s, 0 bytes
step        kickoff failed: camera: cannot arm: gone
recoveries  2
trouble     camera: cannot arm: gone
last run    r1 aborted, 1 frame: by hand
",
        );
    }

    #[test]
    fn the_brief_form_is_one_line() {
        let check = |changes: Value, expected: &str| assert_eq!(brief(&parsed(&changes)), expected);
        check(json!({"phase": "staged"}), "staged\n");
        check(
            json!({"phase": "paused", "frames_total": 16, "frames_done": 3}),
            "paused: 3 of 16 frames\n",
        );
    }
}
