//! Runs and their queue.
use super::{
    amounts::{ago, frames, span},
    table::{Align, dash, pairs, table},
};
use crate::cli::text::one_line;
use bluefly_protocol::api::{Gate, Queue, Run, RunList, RunSource, RunState};

/// Runs under the state of the queue; `now_s` is Unix time.
pub(in super::super) fn runs(list: &RunList, now_s: f64) -> String {
    let header = [
        ("RUN", Align::Left),
        ("STATE", Align::Left),
        ("FRAMES", Align::Right),
        ("SUBMITTED", Align::Left),
        ("REASON", Align::Left),
    ];
    let row = |run: &Run| {
        [
            run.uid.clone(),
            place(run),
            dash(run.num_frames),
            ago(now_s, run.submitted_s),
            one_line(&run.reason),
        ]
    };
    let queue = queue(&list.queue);
    if list.runs.is_empty() {
        return format!("{queue}no runs\n");
    }
    format!("{queue}{}", table(header, list.runs.iter().map(row)))
}

/// Whether runs are begun when their turn comes.
pub(in super::super) fn queue(queue: &Queue) -> String {
    match (queue.state, queue.reason.as_str()) {
        (Gate::Open, _) => "queue open\n".to_owned(),
        (Gate::Held, "") => "queue held\n".to_owned(),
        (Gate::Held, reason) => format!("queue held: {}\n", one_line(reason)),
    }
}

/// One run, with all that is known of it.
pub(in super::super) fn run(run: &Run, now_s: f64) -> String {
    let source = match run.source {
        RunSource::Queue => "submitted as a whole",
        RunSource::Client => "taken step by step by a client",
    };
    let mut lines = vec![
        ("run", run.uid.clone()),
        ("state", place(run)),
        ("source", source.to_owned()),
        ("submitted", ago(now_s, run.submitted_s)),
    ];
    lines.extend(run.started_s.map(|started_s| ("started", ago(now_s, started_s))));
    let lasted = |ended_s: f64| match run.started_s {
        Some(started_s) => format!("{}, after {}", ago(now_s, ended_s), span(ended_s - started_s)),
        None => ago(now_s, ended_s),
    };
    lines.extend(run.ended_s.map(|ended_s| ("ended", lasted(ended_s))));
    lines.extend(run.num_frames.map(|number| ("frames", number.to_string())));
    if !run.reason.is_empty() {
        lines.push(("reason", one_line(&run.reason)));
    }
    let metadata = run.metadata.iter().map(|(key, value)| format!("{key}={value}"));
    let metadata = metadata.collect::<Vec<_>>().join(" ");
    if !metadata.is_empty() {
        lines.push(("metadata", metadata));
    }
    pairs(lines)
}

/// A run that was taken, in one line.
pub(in super::super) fn submitted(run: &Run) -> String {
    format!("{}\n", told(run))
}

/// What became of a run that is not the one that is watched, or is not at its end, in one line.
pub(in super::super) fn told(run: &Run) -> String {
    let reason = match run.reason.as_str() {
        "" => String::new(),
        reason => format!(": {}", one_line(reason)),
    };
    format!("run {} {}{reason}", run.uid, place(run))
}

/// How a run ended, in one line.
pub(in super::super) fn ending(uid: &str, state: RunState, num_frames: Option<u64>) -> String {
    match num_frames {
        Some(number) => format!("run {uid} {}, {}", word(state), frames(number)),
        None => format!("run {uid} {}", word(state)),
    }
}

/// The state, and the place of a run that waits.
fn place(run: &Run) -> String {
    match run.place {
        None => word(run.state).to_owned(),
        Some(0) => format!("{}, next", word(run.state)),
        Some(place) => format!("{}, {place} before it", word(run.state)),
    }
}

const fn word(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Done => "done",
        RunState::Aborted => "aborted",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(changes: &Value) -> Run {
        let mut value = json!({
            "uid": "r1", "state": "queued", "place": null, "submitted_s": 1_000.0,
            "started_s": null, "ended_s": null, "num_frames": null, "reason": "", "spec": null,
            "metadata": {}, "source": "queue",
        });
        let changes = changes.as_object().expect("an object");
        value.as_object_mut().expect("an object").extend(changes.clone());
        serde_json::from_value(value).expect("a run")
    }

    fn examples() -> Vec<Run> {
        let running = json!({"uid": "r0", "state": "running", "started_s": 1_005.0});
        let waiting = json!({"uid": "r22", "place": 1});
        let failed = json!({
            "uid": "r3", "state": "failed", "started_s": 1_001.0, "ended_s": 1_009.0,
            "num_frames": 160, "reason": "camera: cannot arm:\ngone", "source": "client",
            "metadata": {"sample": "gold", "visit": 1},
        });
        [running, json!({"place": 0}), waiting, failed].iter().map(parsed).collect()
    }

    #[test]
    fn runs_are_a_table_under_the_queue() {
        let held = Queue { state: Gate::Held, reason: "sample change".to_owned() };
        let list = RunList { queue: held, runs: examples() };
        let expected = "\
queue held: sample change
RUN  STATE                FRAMES  SUBMITTED  REASON
r0   running                   -  10 s ago
r1   queued, next              -  10 s ago
r22  queued, 1 before it       -  10 s ago
r3   failed                  160  10 s ago   camera: cannot arm: gone
";
        assert_eq!(runs(&list, 1_010.0), expected);
        assert_eq!(runs(&RunList::default(), 0.0), "queue open\nno runs\n");
        assert_eq!(queue(&Queue { state: Gate::Held, reason: String::new() }), "queue held\n");
    }

    #[test]
    fn a_run_is_shown_with_all_that_is_known() {
        let expected = "\
run        r3
state      failed
source     taken step by step by a client
submitted  1 min 40 s ago
started    1 min 39 s ago
ended      1 min 31 s ago, after 8 s
frames     160
reason     camera: cannot arm: gone
metadata   sample=\"gold\" visit=1
";
        assert_eq!(run(&examples()[3], 1_100.0), expected);
        let cancelled = json!({"state": "cancelled", "ended_s": 1_001.0});
        let expected = "\
run        r1
state      cancelled
source     submitted as a whole
submitted  2 s ago
ended      1 s ago
";
        assert_eq!(run(&parsed(&cancelled), 1_002.0), expected);
    }

    #[test]
    fn a_run_is_told_in_a_line() {
        assert_eq!(submitted(&examples()[0]), "run r0 running\n");
        assert_eq!(submitted(&examples()[1]), "run r1 queued, next\n");
        assert_eq!(ending("r1", RunState::Done, Some(16)), "run r1 done, 16 frames");
        assert_eq!(ending("r1", RunState::Cancelled, None), "run r1 cancelled");
    }
}
