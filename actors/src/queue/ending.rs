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

/// What became of the runs that an earlier process had, by their documents.
///
/// The one that was in the air when its process was killed has ended. If it has no documents it never
/// began: it is the next again where somebody looks at it first. Where nobody does it has failed, for
/// it may be what killed the process. One that waits and has documents was flown, whatever an older
/// copy of the queue says: it is not flown again.
pub(super) fn after_kill(
    book: &Book,
    archive: &Archive,
    (then, now_s): (AfterRestart, f64),
) -> io::Result<Vec<Change>> {
    let ended = |uid: &str| {
        let told = archive.run(uid)?.and_then(|past| told(&past));
        let (state, reason) = (RunState::Failed, KILLED.to_owned());
        let killed = RunEnding { at_s: now_s, state, reason, num_frames: None };
        Ok::<_, io::Error>(Change::Ended { uid: uid.to_owned(), end: told.unwrap_or(killed) })
    };
    let mut changes = Vec::new();
    for waiting in book.live(Some(RunState::Queued)).filter(|run| archive.knows(&run.uid)) {
        changes.push(ended(&waiting.uid)?);
    }
    if let Some(run) = book.running() {
        let is_unbegun = then == AfterRestart::Hold && !archive.knows(&run.uid);
        let returned = || Ok(Change::Returned { uid: run.uid.clone() });
        changes.push(if is_unbegun { returned() } else { ended(&run.uid) }?);
    }
    Ok(changes)
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
