//! [`Book`]: the runs that wait, fly and have ended, and what may happen to them. Values alone: what
//! is decided here is written to disk before it is [applied](Book::apply).
use bluefly_protocol::{
    api::{ApiError, ErrorCode, Gate, Queue, Run, RunState},
    beamline::{AfterFailure, AfterRestart, QueueSpec},
    document::ExitStatus,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::VecDeque, sync::Arc};

/// Runs that have ended and are remembered: so many, and as many bytes of them.
const MAX_ENDED: usize = 1_000;
const MAX_ENDED_BYTES: usize = 16 << 20;
/// Bytes of all runs that wait.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// Something that happened, as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(super) enum Change {
    /// A run came, and is the last in the queue.
    Submitted {
        run: Item,
    },
    /// A run that has ended, or is in the air, as an earlier journal told.
    Kept {
        run: Item,
    },
    Moved {
        uid: String,
        place: u64,
    },
    Cancelled {
        uid: String,
        at_s: f64,
    },
    /// The next run was begun.
    Started {
        uid: String,
        at_s: f64,
    },
    /// A run that was begun is the next again: no frame was taken.
    Returned {
        uid: String,
    },
    Ended {
        uid: String,
        end: RunEnding,
    },
    Held {
        reason: String,
    },
    Released,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RunEnding {
    pub(super) at_s: f64,
    pub(super) state: RunState,
    pub(super) reason: String,
    pub(super) num_frames: Option<u64>,
}

impl RunEnding {
    pub(super) fn state(exit_status: ExitStatus) -> RunState {
        match exit_status {
            ExitStatus::Success => RunState::Done,
            ExitStatus::Abort => RunState::Aborted,
            ExitStatus::Fail => RunState::Failed,
        }
    }
}

/// A change that does not fit what happened before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {uid}: {rule}")]
pub(super) struct Misfit {
    what: &'static str,
    uid: String,
    rule: &'static str,
}

/// A run, and how many bytes it took on disk when it came: that is counted once. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) run: Arc<Run>,
    pub(super) bytes: usize,
}

impl Item {
    /// Takes long for a run with a large specification.
    pub(super) fn new(run: Run) -> Self {
        let bytes = serde_json::to_string(&run).map_or(0, |text| text.len());
        Self { run: Arc::new(Run { place: None, ..run }), bytes }
    }

    /// The same run, as it is after something happened to it.
    fn now(self, change: impl FnOnce(&mut Run)) -> Self {
        let Self { mut run, bytes } = self;
        change(Arc::make_mut(&mut run));
        Self { run, bytes }
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.run == other.run
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.run.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Run::deserialize(deserializer).map(Self::new)
    }
}

/// Cheap to clone: runs are shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Book {
    gate: Queue,
    waiting: VecDeque<Item>,
    running: Option<Item>,
    /// The latest first.
    ended: VecDeque<Item>,
}

/// What was decided: what is to be written and then applied.
pub(super) type Decision = Result<Vec<Change>, ApiError>;

impl Book {
    pub(super) fn gate(&self) -> &Queue {
        &self.gate
    }

    /// The run whose turn it is, if runs are begun at all.
    pub(super) fn next(&self) -> Option<&Arc<Run>> {
        let is_open = self.gate.state == Gate::Open && self.running.is_none();
        self.waiting.front().filter(|_| is_open).map(|item| &item.run)
    }

    pub(super) fn running(&self) -> Option<&Arc<Run>> {
        self.running.as_ref().map(|item| &item.run)
    }

    /// The run in the air, then those that wait; of one state, if that is given.
    pub(super) fn live(&self, state: Option<RunState>) -> impl Iterator<Item = Run> {
        let is_wanted = move |wanted| state.is_none_or(|state| state == wanted);
        let running = self.running().filter(move |_| is_wanted(RunState::Running));
        let waiting = self.waiting.iter().filter(move |_| is_wanted(RunState::Queued));
        let waiting = waiting.enumerate().map(|(place, item)| placed(item, place));
        running.map(|run| Run::clone(run)).into_iter().chain(waiting)
    }

    /// Of all runs that it knows.
    pub(super) fn uids(&self) -> impl Iterator<Item = &str> {
        let items = self.running.iter().chain(&self.waiting).chain(&self.ended);
        items.map(|item| item.run.uid.as_str())
    }

    pub(super) fn num_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Runs that have ended, the latest first.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.ended.iter().map(|item| &item.run)
    }

    pub(super) fn get(&self, uid: &str) -> Option<Run> {
        if let Some(place) = self.place(uid) {
            return Some(placed(&self.waiting[place], place));
        }
        let run = self.running().into_iter().chain(self.ended()).find(|run| run.uid == uid)?;
        Some(Run::clone(run))
    }

    fn place(&self, uid: &str) -> Option<usize> {
        self.waiting.iter().position(|item| item.run.uid == uid)
    }

    pub(super) fn submit(&self, run: Item, spec: &QueueSpec) -> Decision {
        if let Some(known) = self.get(&run.run.uid) {
            return same(&known, &run.run).map(|()| Vec::new());
        }
        let full = |rule: String| Err(ApiError::new(ErrorCode::TooManyRequests, "queue", rule));
        let (queued, max) = (self.waiting.len(), spec.max_queued);
        if queued >= max {
            return full(format!("{queued} runs are queued: queue.max_queued is {max}"));
        }
        let bytes = self.waiting.iter().map(|item| item.bytes).sum::<usize>() + run.bytes;
        if bytes > MAX_QUEUED_BYTES {
            return full(format!("queued runs take {bytes} bytes: at most {MAX_QUEUED_BYTES}"));
        }
        Ok(vec![Change::Submitted { run }])
    }

    /// Nothing happens to a run that has ended.
    pub(super) fn cancel(&self, uid: &str, at_s: f64) -> Decision {
        match self.get(uid) {
            Some(Run { state: RunState::Queued, .. }) => {
                Ok(vec![Change::Cancelled { uid: uid.to_owned(), at_s }])
            }
            Some(run) if run.state == RunState::Running => Err(refused("cancel", &run)),
            Some(_) => Ok(Vec::new()),
            None => Err(unknown(uid)),
        }
    }

    pub(super) fn move_to(&self, uid: &str, place: u64) -> Decision {
        let last = self.waiting.len().saturating_sub(1) as u64;
        match self.get(uid) {
            Some(Run { state: RunState::Queued, place: now, .. }) => {
                let place = place.min(last);
                let moved = Change::Moved { uid: uid.to_owned(), place };
                Ok(if now == Some(place) { Vec::new() } else { vec![moved] })
            }
            Some(run) => Err(refused("move", &run)),
            None => Err(unknown(uid)),
        }
    }

    pub(super) fn hold(&self, reason: &str) -> Vec<Change> {
        let is_so = self.gate.state == Gate::Held && self.gate.reason == reason;
        if is_so { Vec::new() } else { vec![Change::Held { reason: reason.to_owned() }] }
    }

    pub(super) fn release(&self) -> Vec<Change> {
        let is_so = self.gate.state == Gate::Open;
        if is_so { Vec::new() } else { vec![Change::Released] }
    }

    /// Begins a run; nothing is to be done if it is not its turn any more.
    pub(super) fn start(&self, uid: &str, at_s: f64) -> Vec<Change> {
        let is_next = self.next().is_some_and(|run| run.uid == uid);
        let started = Change::Started { uid: uid.to_owned(), at_s };
        if is_next { vec![started] } else { Vec::new() }
    }

    /// Puts the run that was begun back to its place.
    pub(super) fn give_back(&self, uid: &str) -> Vec<Change> {
        let is_running = self.running().is_some_and(|run| run.uid == uid);
        let returned = Change::Returned { uid: uid.to_owned() };
        if is_running { vec![returned] } else { Vec::new() }
    }

    /// Ends a run; where it did not go well and others wait, these are held.
    pub(super) fn end(&self, uid: &str, end: RunEnding, then: AfterFailure) -> Vec<Change> {
        let is_live = |run: &Run| matches!(run.state, RunState::Queued | RunState::Running);
        let Some(run) = self.get(uid).filter(is_live) else { return Vec::new() };
        let what = match end.state {
            RunState::Aborted => Some("was aborted"),
            RunState::Failed => Some("failed"),
            RunState::Queued | RunState::Running | RunState::Done | RunState::Cancelled => None,
        };
        let others = self.waiting.len() - usize::from(run.state == RunState::Queued);
        let is_open = self.gate.state == Gate::Open;
        let held = what.filter(|_| then == AfterFailure::Hold && others > 0 && is_open);
        let held =
            held.map(|what| Change::Held { reason: format!("run {uid} {what}: {}", end.reason) });
        let ended = Change::Ended { uid: uid.to_owned(), end };
        [ended].into_iter().chain(held).collect()
    }

    /// What a new process does first with runs that wait.
    pub(super) fn restart(&self, then: AfterRestart) -> Vec<Change> {
        let is_held =
            !self.waiting.is_empty() && self.gate.state == Gate::Open && then == AfterRestart::Hold;
        let reason = "the process was restarted".to_owned();
        if is_held { vec![Change::Held { reason }] } else { Vec::new() }
    }

    /// Takes in what happened. Fails, and changes nothing, if it cannot have happened.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), Misfit> {
        match change {
            Change::Submitted { run } => {
                self.must_be_new("submit", &run.run)?;
                self.waiting.push_back(run.clone());
            }
            Change::Kept { run } => {
                self.must_be_new("keep", &run.run)?;
                match run.run.state {
                    RunState::Queued => self.waiting.push_back(run.clone()),
                    RunState::Running => self.running = Some(run.clone()),
                    RunState::Done | RunState::Aborted | RunState::Failed | RunState::Cancelled => {
                        self.remember(run.clone());
                    }
                }
            }
            Change::Moved { uid, place } => {
                let item = self.take_waiting("move", uid)?;
                self.waiting.insert((*place as usize).min(self.waiting.len()), item);
            }
            Change::Cancelled { uid, at_s } => {
                let item = self.take_waiting("cancel", uid)?;
                self.remember(item.now(|run| {
                    (run.state, run.ended_s) = (RunState::Cancelled, Some(*at_s));
                }));
            }
            Change::Started { uid, at_s } => {
                if self.running.is_some() {
                    return Err(misfit("start", uid, "another one is running"));
                }
                let item = self.take_waiting("start", uid)?;
                self.running = Some(item.now(|run| {
                    (run.state, run.started_s) = (RunState::Running, Some(*at_s));
                }));
            }
            Change::Returned { uid } => {
                let item = self.take_running("give back", uid)?;
                self.waiting.push_front(item.now(|run| {
                    (run.state, run.started_s) = (RunState::Queued, None);
                }));
            }
            Change::Ended { uid, end } => {
                let taken = self.take_running("end", uid);
                let item = taken.or_else(|_| self.take_waiting("end", uid))?;
                let RunEnding { at_s, state, reason, num_frames } = end.clone();
                self.remember(item.now(|run| {
                    (run.state, run.ended_s, run.num_frames) = (state, Some(at_s), num_frames);
                    run.reason = reason;
                }));
            }
            Change::Held { reason } => {
                self.gate = Queue { state: Gate::Held, reason: reason.clone() };
            }
            Change::Released => self.gate = Queue::default(),
        }
        Ok(())
    }

    /// Changes that lead from nothing to this.
    pub(super) fn history(&self) -> Vec<Change> {
        let held = match self.gate.state {
            Gate::Open => None,
            Gate::Held => Some(Change::Held { reason: self.gate.reason.clone() }),
        };
        let runs = self.ended.iter().rev().chain(&self.running).chain(&self.waiting);
        let kept = runs.map(|item| Change::Kept { run: item.clone() });
        held.into_iter().chain(kept).collect()
    }

    fn must_be_new(&self, what: &'static str, run: &Run) -> Result<(), Misfit> {
        match self.get(&run.uid) {
            None => Ok(()),
            Some(_) => Err(misfit(what, &run.uid, "there is one of that uid")),
        }
    }

    fn take_waiting(&mut self, what: &'static str, uid: &str) -> Result<Item, Misfit> {
        let item = self.place(uid).and_then(|place| self.waiting.remove(place));
        item.ok_or_else(|| misfit(what, uid, "it is not queued"))
    }

    fn take_running(&mut self, what: &'static str, uid: &str) -> Result<Item, Misfit> {
        let item = self.running.take_if(|item| item.run.uid == uid);
        item.ok_or_else(|| misfit(what, uid, "it is not running"))
    }

    fn remember(&mut self, item: Item) {
        self.ended.push_front(item);
        let mut bytes: usize = self.ended.iter().map(|item| item.bytes).sum();
        while self.ended.len() > MAX_ENDED || (bytes > MAX_ENDED_BYTES && self.ended.len() > 1) {
            bytes -= self.ended.pop_back().map_or(0, |item| item.bytes);
        }
    }
}

fn placed(item: &Item, place: usize) -> Run {
    Run { place: Some(place as u64), ..Run::clone(&item.run) }
}

fn misfit(what: &'static str, uid: &str, rule: &'static str) -> Misfit {
    Misfit { what, uid: uid.to_owned(), rule }
}

/// The state of a run does not allow what is asked.
pub(super) fn refused(what: &str, run: &Run) -> ApiError {
    let state = match run.state {
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Done => "done",
        RunState::Aborted => "aborted",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    };
    let message = format!("cannot {what} a run that is {state}");
    let phase = Some(state.to_owned());
    ApiError { phase, ..ApiError::new(ErrorCode::Refused, format!("run {}", run.uid), message) }
}

/// Whether what is submitted under a uid is what was submitted under it before.
pub(super) fn same(known: &Run, submitted: &Run) -> Result<(), ApiError> {
    let parts = |run: &Run| (run.source, run.spec.clone(), run.metadata.clone());
    if parts(known) == parts(submitted) {
        return Ok(());
    }
    let rule = "there is another run of that uid: its specification or metadata is another one";
    let error = refused("submit", known);
    Err(ApiError { place: "uid".to_owned(), message: rule.to_owned(), ..error })
}

pub(super) fn unknown(uid: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, "runs", format!("there is no run {uid:?}"))
}
