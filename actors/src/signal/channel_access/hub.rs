//! [`Hub`]: what all channels share, and the two tasks that keep it going.
use super::{
    address,
    pace::{Pace, REST},
    state::{Pv, State},
};
use crate::{
    backend::channel_access::{
        ChannelAccessConfig, ChannelId, Client, Command, Event, Wakes, WatchdogConfig,
    },
    clock::{Clock, Instant},
    signal::{Absence, LocalFuture},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ffi::CString,
    future::poll_fn,
    mem,
    rc::{Rc, Weak},
    sync::Arc,
    task::{Poll, Waker},
};
use tokio::sync::{Notify, Semaphore};

/// Gets and puts that are under way at most; the next one waits for its turn.
const MAX_REQUESTS: usize = 100_000;

pub(super) struct Hub {
    client: Client,
    clock: Clock,
    aliases: BTreeMap<String, String>,
    pub(super) array_limit: Option<u64>,
    pub(super) state: RefCell<State>,
    handles: RefCell<BTreeMap<String, Weak<Handle>>>,
    pub(super) permits: Arc<Semaphore>,
    /// Of the task that sends and takes.
    waker: Cell<Option<Waker>>,
    /// Wakes the watchdog once there is something to look after.
    watchdog: Rc<Notify>,
    watchdog_sleeps: Cell<bool>,
}

/// A PV that somebody has.
pub(super) struct Handle {
    pub(super) hub: Rc<Hub>,
    pub(super) channel: ChannelId,
    name: String,
}

impl Hub {
    pub(super) fn start(client: Client, config: &ChannelAccessConfig, clock: Clock) -> Rc<Self> {
        let watchdog = Rc::new(Notify::new());
        let hub = Rc::new(Self {
            client,
            clock,
            aliases: config.aliases.clone(),
            array_limit: ChannelAccessConfig::array_limit(),
            state: RefCell::default(),
            handles: RefCell::default(),
            permits: Arc::new(Semaphore::new(MAX_REQUESTS)),
            waker: Cell::new(None),
            watchdog: Rc::clone(&watchdog),
            watchdog_sleeps: Cell::new(false),
        });
        actix_rt::spawn(serve(Rc::downgrade(&hub), hub.clock.clone()));
        actix_rt::spawn(guard(Rc::downgrade(&hub), watchdog, hub.clock.clone(), config.watchdog));
        hub
    }

    pub(super) fn replaced(&self) -> u64 {
        self.client.inbox().replaced()
    }

    /// The PV behind an address; nothing if it is none of ours.
    pub(super) fn handle(self: &Rc<Self>, address: &str) -> Option<Rc<Handle>> {
        let name = address::pv_name(address, &self.aliases)?;
        if let Some(handle) = self.handles.borrow().get(&name).and_then(Weak::upgrade) {
            return Some(handle);
        }
        let c_name = CString::new(name.as_str()).ok()?;
        let channel = self.change(|state| {
            let channel = state.new_channel();
            state.pvs.insert(channel, Pv::new(self.clock.now()));
            state.commands.push(Command::Create { channel, name: c_name });
            channel
        });
        let handle = Rc::new(Handle { hub: Rc::clone(self), channel, name: name.clone() });
        self.handles.borrow_mut().insert(name, Rc::downgrade(&handle));
        Some(handle)
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Why a PV cannot be reached.
    pub(super) fn absence(&self, channel: ChannelId) -> Absence {
        let state = self.state.borrow();
        state.pvs.get(&channel).map_or(Absence::Unknown, |pv| pv.absence(self.clock.now()))
    }

    /// The same of the PV behind an address.
    pub(super) fn absence_at(&self, address: &str) -> Absence {
        let name = address::pv_name(address, &self.aliases);
        let handle = name.and_then(|name| self.handles.borrow().get(&name)?.upgrade());
        handle.map_or(Absence::Unknown, |handle| self.absence(handle.channel))
    }

    /// Changes the state, and has sent what that asks for.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (changed, is_busy) = {
            let mut state = self.state.borrow_mut();
            (change(&mut state), !state.commands.is_empty())
        };
        if is_busy {
            self.wake();
            if self.watchdog_sleeps.replace(false) {
                self.watchdog.notify_one();
            }
        }
        changed
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn send(&self) {
        let commands = mem::take(&mut self.state.borrow_mut().commands);
        if commands.is_empty() {
            return;
        }
        if let Err(error) = self.client.send(commands) {
            tracing::error!(%error, "signals of Channel Access are lost");
        }
    }

    /// What is taken of the inbox has happened; whether samples are to rest before the next taking.
    fn take(&self, events: &mut Vec<Event>, pace: &mut Pace) -> bool {
        let samples = events.iter().filter(|event| matches!(event, Event::Sample { .. })).count();
        self.happen(events);
        pace.taken(samples, self.clock.now())
    }

    fn happen(&self, events: &mut Vec<Event>) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        events.drain(..).for_each(|event| state.happen(event, now));
        // A server that is back is asked for nothing new by those who observed it before.
        if self.watchdog_sleeps.get() && !state.servers.is_empty() {
            self.watchdog_sleeps.set(false);
            self.watchdog.notify_one();
        }
    }

    /// One round of the watchdog; tells when the next is due.
    fn patrol(&self, config: WatchdogConfig) -> Option<Instant> {
        // What has come already is no silence, however late this thread is.
        let mut events = Vec::new();
        self.client.inbox().take(&mut events);
        self.happen(&mut events);
        let now = self.clock.now();
        let next = {
            let mut state = self.state.borrow_mut();
            state.sender_is_at(self.client.task(), now);
            state.patrol(now, config)
        };
        self.watchdog_sleeps.set(next.is_none());
        self.wake();
        next
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.send();
        // Both tasks end.
        self.wake();
        self.watchdog.notify_one();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut handles = self.hub.handles.borrow_mut();
        // A new one may have its name by now.
        if handles.get(&self.name).is_some_and(|handle| handle.strong_count() == 0) {
            handles.remove(&self.name);
        }
        drop(handles);
        self.hub.change(|state| state.clear(self.channel));
    }
}

/// Sends what was asked for and takes what happened, until the hub is gone.
async fn serve(hub: Weak<Hub>, clock: Clock) {
    let (mut events, mut pace) = (Vec::new(), Pace::default());
    let mut rest: Option<LocalFuture<()>> = None;
    loop {
        let goes_on = poll_fn(|context| {
            let Some(hub) = hub.upgrade() else { return Poll::Ready(false) };
            hub.waker.set(Some(context.waker().clone()));
            hub.send();
            if rest.as_mut().is_some_and(|rest| rest.as_mut().poll(context).is_ready()) {
                rest = None;
            }
            let wakes = if rest.is_none() { Wakes::ForAll } else { Wakes::ForAnswers };
            hub.client.inbox().poll_take(context, &mut events, wakes).map(|()| true)
        })
        .await;
        let Some(hub) = hub.upgrade() else { return };
        if !goes_on {
            return;
        }
        if hub.take(&mut events, &mut pace) && rest.is_none() {
            let clock = clock.clone();
            rest = Some(Box::pin(async move { clock.sleep(REST).await }));
        }
        drop(hub);
        // Those who were told something have their turn.
        tokio::task::yield_now().await;
    }
}

/// Looks after servers, until the hub is gone.
async fn guard(hub: Weak<Hub>, wake: Rc<Notify>, clock: Clock, config: WatchdogConfig) {
    loop {
        let Some(next) = hub.upgrade().map(|hub| hub.patrol(config)) else { return };
        match next {
            Some(next) => clock.sleep_until(next).await,
            None => wake.notified().await,
        }
    }
}
