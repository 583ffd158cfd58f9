//! [`PandaSignals`]: signals that are fields of a PandA (`panda://NAME/BLOCK.FIELD`).
mod address;
mod channel;
mod convert;
mod form;
mod hub;
mod ledger;
mod observed;
mod poll;
mod seat;

pub use address::SCHEME;
pub use hub::Session;
pub use ledger::{Ledger, Strange, Values, Watch};
pub use seat::{PandaSeat, Superseded};

use super::{Absence, Channel, Kind, LocalFuture, SignalError, SignalProvider};
use crate::clock::Clock;
use hub::Hub;
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// Signals of every PandA of a beamline. Cheap to clone.
///
/// Connections are not its business: whoever owns those to one PandA takes its [`PandaSeat`].
#[derive(Clone)]
pub struct PandaSignals {
    hubs: Rc<RefCell<BTreeMap<String, Rc<Hub>>>>,
    clock: Clock,
}

impl PandaSignals {
    pub fn new(clock: Clock) -> Self {
        Self { hubs: Rc::default(), clock }
    }

    /// The place of the connections to the PandA `name`; the same for all who ask.
    pub fn seat(&self, name: &str) -> PandaSeat {
        let mut hubs = self.hubs.borrow_mut();
        let hub = hubs.entry(name.to_owned());
        PandaSeat::new(Rc::clone(hub.or_insert_with(|| Hub::new(name, self.clock.clone()))))
    }

    fn hub(&self, name: &str) -> Option<Rc<Hub>> {
        self.hubs.borrow().get(name).cloned()
    }
}

impl SignalProvider for PandaSignals {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let parts = address::parts(address);
        let found = parts.and_then(|(panda, field)| Some((self.hub(panda)?, field)));
        let address: Rc<str> = address.into();
        Box::pin(async move {
            let Some((hub, field)) = found else {
                return Err(SignalError::Unknown { signal: address.to_string() });
            };
            let connected = channel::connect(hub, field, address, kind).await?;
            Ok(Rc::new(connected) as Rc<dyn Channel>)
        })
    }

    fn absence(&self, address: &str) -> Absence {
        let hub = address::parts(address).and_then(|(panda, _)| self.hub(panda));
        hub.map_or(Absence::Unknown, |hub| hub.absence())
    }
}
