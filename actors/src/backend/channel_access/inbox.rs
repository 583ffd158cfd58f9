//! [`Inbox`]: what libca's threads tell, in one order, for the one thread that takes it.
use super::{Native, Properties, Sample, Status};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

/// A channel to one PV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelId(pub u64);

/// A subscription of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubscriptionId(pub u64);

/// One get or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Whether we may read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    pub read: bool,
    pub write: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A channel is connected. `server` is its address and port.
    Up {
        channel: ChannelId,
        native: Native,
        max_count: usize,
        rights: Rights,
        server: Box<str>,
    },
    /// A channel is not connected any more; requests under way fail before or after this.
    Down {
        channel: ChannelId,
    },
    /// A channel will not connect as it is: its name or the type of its record cannot be used.
    Failed {
        channel: ChannelId,
        status: Status,
    },
    Rights {
        channel: ChannelId,
        rights: Rights,
    },
    /// A channel is let go of; nothing comes of it after this.
    Cleared {
        channel: ChannelId,
    },
    /// What the record says of itself; nothing if it may not be read.
    Properties {
        channel: ChannelId,
        properties: Option<Box<Properties>>,
    },
    /// `replaced` samples that came before this one were not taken in time, and are gone.
    Sample {
        subscription: SubscriptionId,
        sample: Result<Sample, Status>,
        replaced: u32,
    },
    /// A question has left, by [`super::Command::Ask`].
    Asked {
        request: RequestId,
    },
    /// A get was answered.
    Got {
        request: RequestId,
        sample: Result<Sample, Status>,
    },
    /// A put is complete, or accepted.
    Put {
        request: RequestId,
        outcome: Result<(), Status>,
    },
    /// The server did not take a plain put of this channel; told before that put is [`Event::Put`].
    PutRefused {
        channel: ChannelId,
        status: Status,
    },
    /// Something went wrong that belongs to no request.
    Exception {
        status: Status,
        text: Box<str>,
    },
}

/// For what it is worth to be woken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wakes {
    #[default]
    ForAll,
    /// For all but samples, which are taken with what comes next, or once the taker asks again; and once
    /// half of what a subscription may have waiting does.
    ForAnswers,
}

/// A subscription's share of the inbox.
#[derive(Debug)]
pub(super) struct Share {
    pub id: SubscriptionId,
    /// Most samples that wait; the latest replaces the last of them.
    pub bound: usize,
    /// The batch that the rest is about.
    batch: AtomicU64,
    waiting: AtomicUsize,
    last: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    batch: u64,
    /// A sample must not be moved to before a loss of the link.
    last_loss: usize,
    exceptions: usize,
    /// Whether there is more than samples, or so many that they should be taken.
    has_answers: bool,
    waker: Option<Waker>,
    wakes: Wakes,
    replaced: u64,
}

/// What libca's threads tell. Its bound: what subscriptions may have waiting, one event for each
/// request, and what connections tell of themselves.
#[derive(Debug, Default)]
pub struct Inbox(Mutex<State>);

/// Exceptions that wait; one more says nothing new.
const MAX_EXCEPTIONS: usize = 100;

impl Share {
    pub(super) const fn new(id: SubscriptionId, bound: usize) -> Self {
        let (batch, waiting, last) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { id, bound, batch, waiting, last }
    }
}

impl Inbox {
    /// Takes what there is, in its order, once that is worth it; `events` is empty before.
    pub fn poll_take(
        &self,
        context: &mut Context<'_>,
        events: &mut Vec<Event>,
        wakes: Wakes,
    ) -> Poll<()> {
        let mut state = self.state();
        let is_worth_it = match wakes {
            Wakes::ForAll => !state.events.is_empty(),
            Wakes::ForAnswers => state.has_answers,
        };
        if !is_worth_it {
            (state.waker, state.wakes) = (Some(context.waker().clone()), wakes);
            return Poll::Pending;
        }
        state.take(events);
        Poll::Ready(())
    }

    /// Takes what there is without waiting for more.
    pub fn take(&self, events: &mut Vec<Event>) {
        self.state().take(events);
    }

    /// Samples of all subscriptions that were replaced by later ones before they were taken.
    pub fn replaced(&self) -> u64 {
        self.state().replaced
    }

    pub(super) fn push(&self, event: Event) {
        let mut state = self.state();
        match event {
            Event::Down { .. } => state.last_loss = state.events.len(),
            Event::Exception { .. } if state.exceptions == MAX_EXCEPTIONS => return,
            Event::Exception { .. } => state.exceptions += 1,
            _ => {}
        }
        state.events.push(event);
        state.has_answers = true;
        Self::wake(state);
    }

    pub(super) fn push_sample(&self, share: &Share, sample: Result<Sample, Status>) {
        let mut guard = self.state();
        let state = &mut *guard;
        if share.batch.swap(state.batch, Relaxed) != state.batch {
            share.waiting.store(0, Relaxed);
        }
        let waiting = share.waiting.load(Relaxed);
        let last = share.last.load(Relaxed);
        if waiting >= share.bound
            && last >= state.last_loss
            && let Some(Event::Sample { sample: old, replaced, .. }) = state.events.get_mut(last)
        {
            *old = sample;
            *replaced += 1;
            state.replaced += 1;
            return;
        }
        share.waiting.store(waiting + 1, Relaxed);
        share.last.store(state.events.len(), Relaxed);
        state.events.push(Event::Sample { subscription: share.id, sample, replaced: 0 });
        // More of them would be lost if the taker stayed away for as long again.
        state.has_answers |= share.bound > 1 && waiting + 1 == share.bound.div_ceil(2);
        if state.has_answers || state.wakes == Wakes::ForAll {
            Self::wake(guard);
        }
    }

    fn wake(mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nothing is left half done by a panic: each change is one statement after another that cannot.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, events: &mut Vec<Event>) {
        std::mem::swap(&mut self.events, events);
        self.batch += 1;
        self.last_loss = 0;
        self.exceptions = 0;
        self.has_answers = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::channel_access::Data;
    use futures_util::FutureExt as _;
    use std::{future::poll_fn, sync::Arc, task::Wake};

    const CHANNEL: ChannelId = ChannelId(1);

    fn sample(number: f64) -> Sample {
        let data = Data::Number(number);
        Sample { data, alarm_status: 0, alarm_severity: 0, seconds: 0, nanoseconds: 0 }
    }

    fn told(share: u64, number: f64, replaced: u32) -> Event {
        Event::Sample { subscription: SubscriptionId(share), sample: Ok(sample(number)), replaced }
    }

    fn check(inbox: &Inbox, expected: &[Event]) {
        let mut events = Vec::new();
        inbox.take(&mut events);
        assert_eq!(events, expected);
    }

    #[test]
    fn the_latest_replaces_the_last_beyond_the_bound() {
        let inbox = Inbox::default();
        let (one, two) = (Share::new(SubscriptionId(1), 1), Share::new(SubscriptionId(2), 2));
        for number in [1.0, 2.0, 3.0] {
            inbox.push_sample(&one, Ok(sample(number)));
            inbox.push_sample(&two, Ok(sample(number)));
        }
        check(&inbox, &[told(1, 3.0, 2), told(2, 1.0, 0), told(2, 3.0, 1)]);
        assert_eq!(inbox.replaced(), 3);
        inbox.push_sample(&one, Ok(sample(4.0)));
        check(&inbox, &[told(1, 4.0, 0)]);
    }

    #[test]
    fn a_sample_does_not_overtake_a_loss_of_the_link() {
        let inbox = Inbox::default();
        let share = Share::new(SubscriptionId(1), 1);
        inbox.push_sample(&share, Ok(sample(1.0)));
        inbox.push(Event::Down { channel: CHANNEL });
        inbox.push_sample(&share, Ok(sample(2.0)));
        inbox.push_sample(&share, Ok(sample(3.0)));
        let down = Event::Down { channel: CHANNEL };
        check(&inbox, &[told(1, 1.0, 0), down, told(1, 3.0, 1)]);
    }

    #[test]
    fn exceptions_have_a_bound_and_nothing_else_is_dropped() {
        let inbox = Inbox::default();
        for _ in 0..=MAX_EXCEPTIONS {
            let (status, text) = (Status::DISCONNECTED, Box::default());
            inbox.push(Event::Exception { status, text });
            inbox.push(Event::Put { request: RequestId(1), outcome: Ok(()) });
        }
        let mut events = Vec::new();
        inbox.take(&mut events);
        assert_eq!(events.len(), 2 * MAX_EXCEPTIONS + 1);
    }

    #[test]
    fn who_waits_is_woken_by_the_first_event() {
        let inbox = Inbox::default();
        let mut events = Vec::new();
        let mut taken =
            Box::pin(poll_fn(|context| inbox.poll_take(context, &mut events, Wakes::ForAll)));
        assert_eq!((&mut taken).now_or_never(), None);
        inbox.push(Event::Down { channel: CHANNEL });
        assert_eq!((&mut taken).now_or_never(), Some(()));
        drop(taken);
        assert_eq!(events, [Event::Down { channel: CHANNEL }]);
    }

    #[test]
    fn who_wants_answers_is_not_woken_by_samples() {
        let inbox = Inbox::default();
        let share = Share::new(SubscriptionId(1), 4);
        let mut events = Vec::new();
        let wakings = Arc::new(Wakings::default());
        let waker = Waker::from(Arc::clone(&wakings));
        let mut take = |wakes| {
            let taken = inbox.poll_take(&mut Context::from_waker(&waker), &mut events, wakes);
            (taken, std::mem::take(&mut events))
        };
        assert_eq!(take(Wakes::ForAnswers), (Poll::Pending, vec![]));
        inbox.push_sample(&share, Ok(sample(1.0)));
        assert_eq!(wakings.0.load(Relaxed), 0);
        assert_eq!(take(Wakes::ForAnswers), (Poll::Pending, vec![]));
        inbox.push(Event::Down { channel: CHANNEL });
        assert_eq!(wakings.0.load(Relaxed), 1);
        let both = vec![told(1, 1.0, 0), Event::Down { channel: CHANNEL }];
        assert_eq!(take(Wakes::ForAnswers), (Poll::Ready(()), both));
        assert_eq!(take(Wakes::ForAll), (Poll::Pending, vec![]));
        inbox.push_sample(&share, Ok(sample(2.0)));
        assert_eq!(wakings.0.load(Relaxed), 2);
        assert_eq!(take(Wakes::ForAll), (Poll::Ready(()), vec![told(1, 2.0, 0)]));
        assert_eq!(take(Wakes::ForAnswers), (Poll::Pending, vec![]));
        inbox.push_sample(&share, Ok(sample(3.0)));
        assert_eq!(wakings.0.load(Relaxed), 2);
        // Half of its bound.
        inbox.push_sample(&share, Ok(sample(4.0)));
        assert_eq!(wakings.0.load(Relaxed), 3);
        let both = vec![told(1, 3.0, 0), told(1, 4.0, 0)];
        assert_eq!(take(Wakes::ForAnswers), (Poll::Ready(()), both));
    }

    #[derive(Default)]
    struct Wakings(AtomicUsize);

    impl Wake for Wakings {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }
}
