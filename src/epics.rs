//! Channel Access as a beamline file asks for it.
#[cfg(feature = "ca")]
mod environment;

#[cfg(feature = "ca")]
mod with_libca {
    use super::environment;
    use crate::cli::CliError;
    use bluefly_actors::{
        backend::channel_access::{ChannelAccessConfig, WatchdogConfig},
        clock::Clock,
        signal::{SignalProvider, channel_access::ChannelAccess},
    };
    use bluefly_protocol::beamline::CaSpec;
    use std::{error::Error, rc::Rc};

    fn config(spec: &CaSpec) -> ChannelAccessConfig {
        ChannelAccessConfig {
            address_list: spec.address_list.clone(),
            auto_address_list: spec.auto_address_list,
            connection_timeout: spec.connection_timeout,
            max_array_bytes: Some(spec.max_array_bytes as u64),
            watchdog: WatchdogConfig {
                period: spec.watchdog_period,
                patience: spec.watchdog_timeout,
            },
            aliases: spec.aliases.clone(),
            ..ChannelAccessConfig::default()
        }
    }

    fn failed(error: &dyn Error) -> CliError {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        CliError::failed("Channel Access", message)
    }

    /// Puts `[ca]` where libca finds it: into the environment, which must be done before the process
    /// has threads. Fails if what is there already, and wins, cannot be meant.
    pub(crate) fn export(spec: &CaSpec) -> Result<(), CliError> {
        environment::check()?;
        config(spec).export().map_err(|error| failed(&error))
    }

    /// What carries `ca://`. Must run within an actix system.
    pub(crate) fn provider(
        spec: &CaSpec,
        clock: Clock,
    ) -> Result<Rc<dyn SignalProvider>, CliError> {
        let started = ChannelAccess::start(&config(spec), clock);
        started.map(|provider| Rc::new(provider) as Rc<_>).map_err(|error| failed(&error))
    }
}

#[cfg(not(feature = "ca"))]
mod without_libca {
    use crate::cli::CliError;
    use bluefly_actors::{clock::Clock, signal::SignalProvider};
    use bluefly_protocol::beamline::CaSpec;
    use std::rc::Rc;

    const LACKING: &str = "this program was built without it (feature \"ca\")";

    pub(crate) fn export(_spec: &CaSpec) -> Result<(), CliError> {
        Err(CliError::failed("Channel Access", LACKING))
    }

    pub(crate) fn looked_at() -> String {
        LACKING.to_owned()
    }

    pub(crate) fn provider(
        _spec: &CaSpec,
        _clock: Clock,
    ) -> Result<Rc<dyn SignalProvider>, CliError> {
        Err(CliError::failed("Channel Access", LACKING))
    }
}

#[cfg(not(feature = "ca"))]
pub(crate) use without_libca::{export, looked_at, provider};
#[cfg(feature = "ca")]
pub(crate) use {
    environment::looked_at,
    with_libca::{export, provider},
};
