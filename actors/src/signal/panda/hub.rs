//! [`Hub`]: what all signals of one PandA share: the present connections, and who observes what.
use super::{
    ledger::{Ledger, Names},
    observed::Observed,
};
use crate::{
    backend::panda::control::Control,
    clock::Clock,
    signal::{Absence, SignalError},
};
use bluefly_protocol::panda::describe::{Inventory, Replaced};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};
use tokio::sync::Notify;

pub(super) struct Hub {
    pub(super) name: String,
    pub(super) clock: Clock,
    /// Of those who own its connections, the latest: an earlier one is refused.
    owner: Cell<u64>,
    link: RefCell<Link>,
    /// What it had when it was connected last.
    before: RefCell<Option<Arc<Inventory>>>,
    /// What was ever set by us.
    ours: Names,
    pub(super) observed: RefCell<Vec<Observed>>,
    /// Told when the link changes.
    pub(super) changed: Notify,
    /// Told when somebody begins to observe.
    pub(super) observing: Notify,
}

/// A PandA that is reached, as long as its owner lives: afterwards commands fail as lost.
#[derive(Clone)]
pub struct Session {
    pub control: Control,
    pub inventory: Arc<Inventory>,
    /// Who set what since it is reached.
    pub ledger: Rc<Ledger>,
}

enum Link {
    Down(Absence),
    Up(Session),
}

impl Hub {
    pub(super) fn new(name: &str, clock: Clock) -> Rc<Self> {
        Rc::new(Self {
            name: name.to_owned(),
            clock,
            owner: Cell::new(0),
            link: RefCell::new(Link::Down(Absence::Unknown)),
            before: RefCell::default(),
            ours: Names::default(),
            observed: RefCell::default(),
            changed: Notify::new(),
            observing: Notify::new(),
        })
    }

    /// Makes `incarnation` the owner; false if there is a later one.
    pub(super) fn claim(&self, incarnation: u64) -> bool {
        if incarnation < self.owner.get() {
            return false;
        }
        // One that was given up may not have said that it is gone.
        if incarnation > self.owner.replace(incarnation) && self.session().is_some() {
            self.down(Absence::Unknown);
        }
        true
    }

    pub(super) const fn owner(&self) -> &Cell<u64> {
        &self.owner
    }

    /// It is connected; tells whether it is another than it was.
    pub(super) fn up(&self, control: Control, inventory: Arc<Inventory>) -> Option<Replaced> {
        let ours = Rc::clone(&self.ours);
        let ledger = Ledger::new(control.clone(), Arc::clone(&inventory), ours);
        let session = Session { control, inventory, ledger };
        let before = self.before.replace(Some(Arc::clone(&session.inventory)));
        let replaced = before.and_then(|before| session.inventory.replaced(&before));
        *self.link.borrow_mut() = Link::Up(session);
        self.changed.notify_waiters();
        self.observing.notify_waiters();
        replaced
    }

    /// It is not connected any more, which all who observe are told.
    pub(super) fn down(&self, absence: Absence) {
        *self.link.borrow_mut() = Link::Down(absence);
        let mut observed = self.observed.borrow_mut();
        observed.retain_mut(|observed| observed.lose(self.disconnected(&observed.address)));
        drop(observed);
        self.changed.notify_waiters();
    }

    pub(super) fn session(&self) -> Option<Session> {
        match &*self.link.borrow() {
            Link::Up(session) => Some(session.clone()),
            Link::Down(_) => None,
        }
    }

    /// Why it is not connected.
    pub(super) fn absence(&self) -> Absence {
        match &*self.link.borrow() {
            Link::Up(_) => Absence::Unknown,
            Link::Down(absence) => absence.clone(),
        }
    }

    pub(super) fn disconnected(&self, signal: &str) -> SignalError {
        let absence = Box::new(self.absence());
        SignalError::Disconnected { signal: signal.to_owned(), absence }
    }
}
