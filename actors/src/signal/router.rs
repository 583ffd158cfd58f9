//! [`Router`]: the provider of each signal by the scheme of its address.
use super::{Absence, Channel, Kind, LocalFuture, SignalError, SignalProvider};
use bluefly_protocol::beamline::Scheme;
use std::{collections::BTreeMap, rc::Rc};

/// Hands each address to the provider of its scheme.
#[derive(Clone, Default)]
pub struct Router {
    providers: BTreeMap<Scheme, Rc<dyn SignalProvider>>,
}

impl Router {
    /// The same, with `provider` for the addresses of `scheme`.
    pub fn with(mut self, scheme: Scheme, provider: Rc<dyn SignalProvider>) -> Self {
        self.providers.insert(scheme, provider);
        self
    }

    fn provider(&self, address: &str) -> Option<&Rc<dyn SignalProvider>> {
        let (scheme, _) = address.split_once("://")?;
        let found = |(known, _): &(&Scheme, _)| known.as_str() == scheme;
        self.providers.iter().find(found).map(|(_, provider)| provider)
    }
}

impl SignalProvider for Router {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        if let Some(provider) = self.provider(address) {
            return provider.connect(address, kind);
        }
        let signal = address.to_owned();
        Box::pin(async move { Err(SignalError::NoProvider { signal }) })
    }

    fn absence(&self, address: &str) -> Absence {
        self.provider(address).map_or(Absence::Unknown, |provider| provider.absence(address))
    }
}
