//! [`Subscription`]: tells a client what happens to a signal.
use super::{
    circuit::{Circuit, CircuitChannel},
    directory::Served,
    form::{self, unreachable_reading},
};
use crate::serving::Task;
use bluefly_actors::signal::{Backlog, Metadata, Reading, SignalError, Value};
use bluefly_protocol::channel_access::{Access, Recipient, Snapshot, mask};
use futures_util::FutureExt as _;
use std::rc::{Rc, Weak};

/// A client's subscription; it ends when this is dropped.
pub(super) struct Subscription {
    pub access: Access,
    _task: Task,
}

/// Events of one subscription that wait; beyond it the oldest are dropped and counted.
const BACKLOG: Backlog = Backlog::Queue(4);

impl Subscription {
    pub(super) fn new(
        circuit: &Rc<Circuit>,
        channel: &CircuitChannel,
        access: Access,
        recipient: Recipient,
        mask: u16,
    ) -> Self {
        let follower = Follower { circuit: Rc::downgrade(circuit), recipient, mask };
        Self { access, _task: Task::spawn(follower.follow(channel.served.clone())) }
    }
}

struct Follower {
    circuit: Weak<Circuit>,
    recipient: Recipient,
    mask: u16,
}

impl Follower {
    async fn follow(self, served: Rc<Served>) {
        let mut monitor = served.channel.observe(BACKLOG);
        let mut last: Option<Reading<Value>> = None;
        let mut described = served.metadata.borrow().clone();
        let mut was_off = false;
        loop {
            let next = monitor.next().await;
            let Some(circuit) = self.circuit.upgrade() else { return };
            was_off |= circuit.until_wanted().await;
            let Some(mut reading) = take(&circuit, &served, next) else { continue };
            // Who switched events off gets the last of them only.
            while was_off && let Some(newer) = monitor.next().now_or_never() {
                if let Some(newer) = take(&circuit, &served, newer) {
                    circuit.figures.count_dropped(1);
                    reading = newer;
                }
            }
            was_off = false;
            let told_anew = self.described_anew(&circuit, &served, &mut described).await;
            if self.mask & told_anew != 0 || self.is_told(last.as_ref(), &reading) {
                let metadata = served.metadata.borrow().clone();
                let data = form::data(&reading, served.view, &metadata);
                let (stamp, info) = (form::stamp(&reading), form::info(&served, &metadata));
                let snapshot = Snapshot { data: &data, stamp, info };
                circuit.send_with(|out| snapshot.encode(&self.recipient, out));
            }
            last = Some(reading);
        }
    }

    /// The mask of what the record says of itself, if that changed and the client asked for it. Signals
    /// do not tell of it: it is looked at with every reading.
    async fn described_anew(
        &self,
        circuit: &Circuit,
        served: &Served,
        described: &mut Rc<Metadata>,
    ) -> u16 {
        if self.mask & mask::PROPERTY == 0 {
            return 0;
        }
        circuit.renew_metadata(served).await;
        let before = std::mem::replace(described, served.metadata.borrow().clone());
        if is_alike(&before, described) { 0 } else { mask::PROPERTY }
    }

    /// Whether the client asked for what changed between both.
    fn is_told(&self, last: Option<&Reading<Value>>, reading: &Reading<Value>) -> bool {
        let Some(last) = last else { return true };
        let has_alarm = last.alarm != reading.alarm;
        let mut changed = if has_alarm { mask::ALARM } else { 0 };
        // What is told again without a change was processed again.
        if !has_alarm || last.value != reading.value {
            changed |= mask::VALUE | mask::LOG;
        }
        self.mask & changed != 0
    }
}

/// Whether both say the same; a limit that is not set is no other than one that is not set.
fn is_alike(before: &Metadata, now: &Metadata) -> bool {
    let limits = |of: &Metadata| {
        let ranges = [of.display, of.control, of.warning, of.alarm];
        ranges.map(|range| [range.low.to_bits(), range.high.to_bits()])
    };
    limits(before) == limits(now)
        && before.units == now.units
        && before.precision == now.precision
        && before.choices == now.choices
}

/// The reading to be told of, if there is any.
fn take(
    circuit: &Circuit,
    served: &Served,
    next: Result<Reading<Value>, SignalError>,
) -> Option<Reading<Value>> {
    match next {
        Ok(reading) => {
            served.last.replace(Some(reading.clone()));
            Some(reading)
        }
        Err(SignalError::Overrun { lost, .. }) => {
            circuit.figures.count_dropped(lost);
            None
        }
        Err(error) => {
            tracing::debug!(%error, "what clients are told is the last value");
            served.last.borrow().clone().map(unreachable_reading)
        }
    }
}
