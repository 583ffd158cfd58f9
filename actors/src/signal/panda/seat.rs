//! [`PandaSeat`]: where whoever owns the connections to a PandA brings them.
use super::{
    SCHEME,
    hub::{Hub, Session},
    poll,
};
use crate::{
    backend::panda::control::{Control, ControlFault, Loss},
    clock::Clock,
    signal::{Absence, SignalError},
};
use bluefly_protocol::panda::describe::{Inventory, Replaced};
use std::{pin::pin, rc::Rc, sync::Arc, time::Duration};

/// The place of the connections to one PandA, for one owner at a time.
#[derive(Clone)]
pub struct PandaSeat(Rc<Hub>);

/// Somebody else owns the connections by now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{panda}: incarnation {incarnation} comes too late: {owner} owns its connections")]
pub struct Superseded {
    pub panda: String,
    pub incarnation: u64,
    pub owner: u64,
}

impl PandaSeat {
    pub(super) const fn new(hub: Rc<Hub>) -> Self {
        Self(hub)
    }

    /// Takes the seat for this incarnation; refused if a later one has it. What an earlier one
    /// brought is used no more.
    pub fn claim(&self, incarnation: u64) -> Result<(), Superseded> {
        if self.0.claim(incarnation) { Ok(()) } else { Err(self.superseded(incarnation)) }
    }

    /// The PandA is reached; tells how it is another than it was.
    pub fn attach(
        &self,
        incarnation: u64,
        control: Control,
        inventory: Arc<Inventory>,
    ) -> Result<Option<Replaced>, Superseded> {
        if self.0.owner().get() != incarnation {
            return Err(self.superseded(incarnation));
        }
        Ok(self.0.up(control, inventory))
    }

    /// Asks over `control`, which is used for nothing else, for what is observed, until that fails
    /// or there is nothing attached.
    pub async fn poll(&self, control: Control, period: Duration) -> Option<ControlFault> {
        let session = self.0.session()?;
        Some(poll::poll(&self.0, session, control, period).await)
    }

    /// The PandA is out of reach. Of an owner that has been superseded it means nothing.
    pub fn detach(&self, incarnation: u64, why: &Loss) {
        if self.0.owner().get() != incarnation {
            return;
        }
        let server = self.0.name.clone();
        self.0.down(match why {
            Loss::Silent { within } => Absence::Silent { server, after: *within },
            Loss::Closed | Loss::Socket { .. } | Loss::Malformed(_) | Loss::Unasked => {
                Absence::Closed { server }
            }
            Loss::GivenUp => Absence::Unknown,
        });
    }

    /// By which everything here is timed.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// What the PandA has, while it is reached.
    pub fn inventory(&self) -> Option<Arc<Inventory>> {
        self.session().map(|session| session.inventory)
    }

    /// Who to send commands to, or why the PandA is not reached.
    pub fn reached(&self) -> Result<Session, SignalError> {
        self.session().ok_or_else(|| self.0.disconnected(&format!("{SCHEME}://{}", self.0.name)))
    }

    /// Who to send commands to, while the PandA is reached.
    pub fn session(&self) -> Option<Session> {
        self.0.session()
    }

    /// Resolves once the PandA is reached.
    pub async fn until_reached(&self) -> Session {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if let Some(session) = self.session() {
                return session;
            }
            changed.await;
        }
    }

    fn superseded(&self, incarnation: u64) -> Superseded {
        let (panda, owner) = (self.0.name.clone(), self.0.owner().get());
        Superseded { panda, incarnation, owner }
    }
}
