//! [`Watch`]: what a detector and its file writer say while frames come.
use super::{
    super::Task,
    DetectorState, WITHIN, WriteStatus,
    continuity::{Continuity, Gap, StepBack},
    record::DetectorRecord,
};
use crate::signal::{Backlog, Observer, SignalError, SignalR, SignalValue};
use bluefly_protocol::fault::Fault;
use futures_util::FutureExt as _;
use std::cell::RefCell;

/// Values of a counter that may wait: those of a second, at a frame each millisecond.
const BACKLOG: Backlog = Backlog::Queue(1_024);

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// Whether the driver hands its frames on, as somebody set it.
    HandsOn(bool),
    /// Whether the file writer takes frames in, as somebody set it.
    TakesIn(bool),
    Status(WriteStatus),
    State(DetectorState),
    Capturing(bool),
    /// The file writer took in a frame.
    Arrived,
    Dropped(i64),
    Captured(i64),
    Acquiring(bool),
}

/// Observers that began before the first frame could come, so that none is missed.
pub(super) struct Watch {
    hands_on: Observer<bool>,
    takes_in: Observer<bool>,
    status: Observer<WriteStatus>,
    state: Observer<DetectorState>,
    capturing: Observer<bool>,
    counts: Observer<i64>,
    ids: Observer<i64>,
    dropped: Observer<i64>,
    captured: Observer<i64>,
    acquiring: Observer<bool>,
    continuity: Continuity,
    /// What was dropped before.
    pub(super) dropped_before: i64,
    /// Frames that were written before.
    pub(super) captured_before: i64,
    /// Frames that were written, as was told last.
    captured_latest: i64,
    reopened: Option<StepBack>,
}

impl Watch {
    /// Watches for frames, of which the first will have the id `first`. Nothing may acquire yet. Fails
    /// if nobody knows what a signal is that it would go by.
    pub(super) async fn new(
        task: Task<'_>,
        record: &DetectorRecord,
        first: i64,
    ) -> Result<Self, Fault> {
        let DetectorRecord { driver, writer, .. } = record;
        let mut watch = Self {
            hands_on: driver.array_callbacks.r().observe(Backlog::Latest),
            takes_in: writer.enable_callbacks.r().observe(Backlog::Latest),
            status: writer.write_status.observe(Backlog::Latest),
            state: driver.state.observe(Backlog::Latest),
            capturing: writer.is_capturing.observe(Backlog::Latest),
            counts: writer.array_counter_readback.observe(BACKLOG),
            ids: writer.unique_id.observe(BACKLOG),
            dropped: writer.dropped_arrays.observe(Backlog::Latest),
            captured: writer.num_captured.observe(Backlog::Latest),
            acquiring: driver.acquiring.observe(Backlog::Latest),
            continuity: Continuity::new(first, first),
            dropped_before: 0,
            captured_before: 0,
            captured_latest: 0,
            reopened: None,
        };
        // How it was before is no news: a state of error may be that of an earlier acquisition.
        task.done(watch.state.next_within(WITHIN).await)?;
        present(task, &driver.acquiring, &mut watch.acquiring).await?;
        present(task, &writer.array_counter_readback, &mut watch.counts).await?;
        let latest = present(task, &writer.unique_id, &mut watch.ids).await?;
        watch.continuity = Continuity::new(first, latest);
        watch.dropped_before = present(task, &writer.dropped_arrays, &mut watch.dropped).await?;
        watch.captured_before = present(task, &writer.num_captured, &mut watch.captured).await?;
        watch.captured_latest = watch.captured_before;
        Ok(watch)
    }

    /// What is said next; what ends an acquisition comes first. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Event, SignalError> {
        tokio::select! { biased;
            hands_on = self.hands_on.next() => Ok(Event::HandsOn(hands_on?.value)),
            takes_in = self.takes_in.next() => Ok(Event::TakesIn(takes_in?.value)),
            status = self.status.next() => Ok(Event::Status(status?.value)),
            state = self.state.next() => Ok(Event::State(state?.value)),
            count = self.counts.next() => {
                if let Some(count) = unless_overrun(count.map(|count| count.value))? {
                    self.continuity.take_count(count);
                }
                Ok(Event::Arrived)
            }
            id = self.ids.next() => {
                if let Some(id) = unless_overrun(id.map(|id| id.value))? {
                    self.continuity.take_id(id);
                }
                Ok(Event::Arrived)
            }
            dropped = self.dropped.next() => Ok(Event::Dropped(dropped?.value)),
            captured = self.captured.next() => {
                let captured = captured?.value;
                let before = std::mem::replace(&mut self.captured_latest, captured);
                if captured < before {
                    self.reopened.get_or_insert(StepBack::of_written(before, captured));
                }
                Ok(Event::Captured(captured))
            }
            acquiring = self.acquiring.next() => Ok(Event::Acquiring(acquiring?.value)),
            capturing = self.capturing.next() => Ok(Event::Capturing(capturing?.value)),
        }
    }

    /// What is missing among the frames that came.
    pub(super) fn gap(&mut self) -> Option<Gap> {
        self.continuity.gap()
    }

    /// The counter that somebody set, if one went back.
    pub(super) fn stepped_back(&self) -> Option<StepBack> {
        self.reopened.or_else(|| self.continuity.stepped_back())
    }

    /// The gap found last is none.
    pub(super) fn reject_gap(&mut self) {
        self.continuity.reject_gap();
    }

    /// Takes in what was said so far, without waiting for more.
    pub(super) fn catch_up(&mut self) {
        while let Some(Ok(_)) = self.next().now_or_never() {}
    }
}

/// What a signal is now, as it is told first.
async fn present<T: SignalValue>(
    task: Task<'_>,
    signal: &SignalR<T>,
    observer: &mut Observer<T>,
) -> Result<T, Fault> {
    task.known(signal, task.done(observer.next_within(WITHIN).await)?)
}

/// Values that were skipped are made up for by what is read before a gap is told.
fn unless_overrun(value: Result<i64, SignalError>) -> Result<Option<i64>, SignalError> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(SignalError::Overrun { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A watch while somebody uses it; it is put back however that ends.
pub(super) struct Taken<'a> {
    slot: &'a RefCell<Option<Watch>>,
    watch: Option<Watch>,
}

impl<'a> Taken<'a> {
    pub(super) fn of(slot: &'a RefCell<Option<Watch>>) -> Self {
        let watch = slot.borrow_mut().take();
        Self { slot, watch }
    }

    pub(super) const fn watch(&mut self) -> Option<&mut Watch> {
        self.watch.as_mut()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.slot.borrow_mut() = self.watch.take();
    }
}
