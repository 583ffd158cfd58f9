//! How runs ended, by their documents, which know best.
use super::book::{Book, Change, RunEnding};
use crate::archive::{Archive, KILLED, Past};
use bluefly_protocol::{
    api::{Run, RunSource, RunState},
    beamline::AfterRestart,
};
use std::io;

/// How a run ended, if its documents say.
pub(super) fn told(past: &Past) -> Option<RunEnding> {
    let stop = past.stop.as_ref()?;
    Some(RunEnding {
        at_s: stop.time_s,
        state: RunEnding::state(stop.exit_status),
        reason: stop.reason.clone(),
        num_frames: past.num_frames(),
    })
}

/// What became of the run that was in the air when its process was killed. One that has no documents
/// never began: it is the next again where somebody looks at it first. Where nobody does it has
/// failed, for it may be what killed the process.
pub(super) fn after_kill(
    book: &Book,
    archive: &Archive,
    (then, now_s): (AfterRestart, f64),
) -> io::Result<Vec<Change>> {
    let Some(run) = book.running() else { return Ok(Vec::new()) };
    if then == AfterRestart::Hold && !archive.knows(&run.uid) {
        return Ok(vec![Change::Returned { uid: run.uid.clone() }]);
    }
    let told = archive.run(&run.uid)?.and_then(|past| told(&past));
    let (state, reason) = (RunState::Failed, KILLED.to_owned());
    let killed = RunEnding { at_s: now_s, state, reason, num_frames: None };
    let end = told.unwrap_or(killed);
    Ok(vec![Change::Ended { uid: run.uid.clone(), end }])
}

/// A run that is over, as its documents tell of it.
pub(super) fn run(past: Past) -> Run {
    let ending = told(&past);
    Run {
        uid: past.start.uid.clone(),
        state: ending.as_ref().map_or(RunState::Failed, |end| end.state),
        place: None,
        submitted_s: past.start.time_s,
        started_s: Some(past.start.time_s),
        ended_s: past.ended_s(),
        num_frames: past.num_frames(),
        reason: past.reason().to_owned(),
        spec: None,
        metadata: past.start.metadata,
        source: RunSource::Client,
    }
}
