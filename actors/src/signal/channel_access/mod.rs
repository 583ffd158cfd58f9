//! [`ChannelAccess`]: signals that are PVs of EPICS (`ca://NAME.FIELD`).
mod address;
mod channel;
mod convert;
mod events;
mod hub;
mod pace;
mod patrol;
mod state;
mod watch;

pub use address::SCHEME;

use super::{Absence, Channel, Kind, LocalFuture, SignalError, SignalProvider};
use crate::{
    backend::channel_access::{ChannelAccessConfig, Client, StartError},
    clock::Clock,
};
use hub::Hub;
use std::rc::Rc;

/// Signals by Channel Access. Cheap to clone.
///
/// What is asked for in one turn of the event loop leaves in one flush.
#[derive(Clone)]
pub struct ChannelAccess(Rc<Hub>);

impl ChannelAccess {
    /// Starts libca, on threads of its own; within an actix system, on whose thread signals are.
    /// libca reads the environment now: see [`ChannelAccessConfig::export`].
    pub fn start(config: &ChannelAccessConfig, clock: Clock) -> Result<Self, StartError> {
        Ok(Self(Hub::start(Client::start()?, config, clock)))
    }

    /// Readings that came faster than this thread took them, and were replaced by later ones.
    pub fn replaced(&self) -> u64 {
        self.0.replaced()
    }
}

impl SignalProvider for ChannelAccess {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let (hub, address) = (Rc::clone(&self.0), Rc::from(address));
        Box::pin(async move {
            let connected = channel::connect(&hub, address, kind).await?;
            Ok(Rc::new(connected) as Rc<dyn Channel>)
        })
    }

    fn absence(&self, address: &str) -> Absence {
        self.0.absence_at(address)
    }
}
