//! The owner of libca: the one thread that calls it.
use super::{
    ChannelId, Command, Event, Inbox, Native, RequestId, Shape, Status, SubscriptionId,
    attention::Attention, desk::Desk, inbox::Share, raw, repeater,
};
use crossbeam_channel::Receiver;
use std::{collections::BTreeMap, rc::Rc, sync::Arc};

/// Batches of commands that leave together at most, so that none waits for long.
const MAX_BATCHES: usize = 256;

struct Channel {
    raw: Rc<raw::Channel>,
    properties: Option<raw::Subscription>,
}

struct Owner {
    // In this order: a subscription goes before its channel.
    subscriptions: BTreeMap<SubscriptionId, raw::Subscription>,
    channels: BTreeMap<ChannelId, Channel>,
    context: Rc<raw::Context>,
    inbox: Arc<Inbox>,
    /// Questions that leave with the next flush.
    asked: Vec<RequestId>,
}

/// Serves commands until nobody can send any more. `started` is told whether libca could be started.
pub(super) fn run(
    commands: &Receiver<Vec<Command>>,
    (inbox, desk): (Arc<Inbox>, Arc<Desk>),
    started: impl FnOnce(Result<(), Status>),
) {
    if let Err(error) = repeater::ensure() {
        tracing::warn!(%error, "no repeater of beacons: servers that come back are found late");
    }
    let context = match raw::Context::new(Arc::clone(&inbox)) {
        Ok(context) => context,
        Err(status) => return started(Err(status)),
    };
    started(Ok(()));
    let (subscriptions, channels) = (BTreeMap::new(), BTreeMap::new());
    let mut owner = Owner { subscriptions, channels, context, inbox, asked: Vec::new() };
    let mut attention = Attention::default();
    while let Some(batch) = attention.next(commands) {
        let more = commands.try_iter().take(MAX_BATCHES - 1);
        for command in batch.into_iter().chain(more.flatten()) {
            desk.begin(&command);
            owner.obey(command);
        }
        desk.clear();
        owner.flush();
    }
}

impl Owner {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Create { channel, name } => {
                match raw::Channel::new(&self.context, &name, channel) {
                    Ok(raw) => {
                        let raw = Rc::new(raw);
                        self.channels.insert(channel, Channel { raw, properties: None });
                    }
                    Err(status) => self.inbox.push(Event::Failed { channel, status }),
                }
            }
            Command::Clear { channel } => {
                drop(self.channels.remove(&channel));
                self.inbox.push(Event::Cleared { channel });
            }
            Command::Describe { channel, native } => self.describe(channel, native),
            Command::Subscribe { channel, subscription, native, shape, bound } => {
                let Some(channel) = self.channels.get(&channel) else { return };
                let share = Share::new(subscription, bound.max(1));
                match raw::Subscription::to_values(&channel.raw, native, shape, share) {
                    Ok(made) => drop(self.subscriptions.insert(subscription, made)),
                    Err(status) => {
                        let share = Share::new(subscription, 1);
                        self.inbox.push_sample(&share, Err(status));
                    }
                }
            }
            Command::Unsubscribe { subscription, .. } => {
                drop(self.subscriptions.remove(&subscription));
            }
            Command::Get { channel, request, native, shape } => {
                let asked = self.raw(channel).and_then(|raw| raw.get(native, shape, request));
                if let Err(status) = asked {
                    self.inbox.push(Event::Got { request, sample: Err(status) });
                }
            }
            Command::Ask { channel, request, native } => {
                let asked = self.raw(channel).and_then(|raw| raw.get(native, Shape::One, request));
                match asked {
                    Ok(()) => self.asked.push(request),
                    Err(status) => self.inbox.push(Event::Got { request, sample: Err(status) }),
                }
            }
            Command::Put { channel, request, payload } => {
                let asked = self.raw(channel).and_then(|raw| raw.put(&payload, request));
                if let Err(status) = asked {
                    self.inbox.push(Event::Put { request, outcome: Err(status) });
                }
            }
            Command::PutCallback { channel, request, payload } => {
                let asked = self.raw(channel).and_then(|raw| raw.put_callback(&payload, request));
                if let Err(status) = asked {
                    self.inbox.push(Event::Put { request, outcome: Err(status) });
                }
            }
        }
    }

    fn flush(&mut self) {
        if let Err(status) = self.context.flush() {
            tracing::error!(%status, "Channel Access cannot send");
        }
        for request in self.asked.drain(..) {
            self.inbox.push(Event::Asked { request });
        }
    }

    fn describe(&mut self, id: ChannelId, native: Native) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        // What was subscribed as another type goes first.
        channel.properties = None;
        match raw::Subscription::to_properties(&channel.raw, native) {
            Ok(made) => channel.properties = Some(made),
            Err(status) => {
                let text = "cannot ask for properties".into();
                self.inbox.push(Event::Exception { status, text });
                self.inbox.push(Event::Properties { channel: id, properties: None });
            }
        }
    }

    fn raw(&self, channel: ChannelId) -> Result<&raw::Channel, Status> {
        let channel = self.channels.get(&channel);
        channel.map(|channel| &*channel.raw).ok_or(Status::DISCONNECTED)
    }
}
