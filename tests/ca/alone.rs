//! Tests that have a process, a port and a clock of their own.
use crate::network::network;
use bluefly_actors::{
    backend::channel_access::ChannelAccessConfig,
    clock::Clock,
    signal::{Connector, channel_access::ChannelAccess},
    system::real_system,
};
use std::{
    collections::BTreeMap,
    env,
    process::{Command, Stdio},
    rc::Rc,
    time::Duration,
};

/// Tells a process which test it is for.
const NAME: &str = "BLUEFLY_CA_TEST";
/// How long anything but a long put may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// What a test works with.
pub(crate) struct World {
    pub(crate) provider: ChannelAccess,
    pub(crate) connector: Connector,
    pub(crate) clock: Clock,
}

/// Runs the test of this name in a process of its own, whose servers are those that it starts.
pub(crate) fn alone<F: Future<Output = ()>>(name: &str, test: impl FnOnce(World) -> F) {
    if env::var(NAME).as_deref() == Ok(name) {
        real_system().block_on(async {
            let clock = Clock::real();
            let aliases = BTreeMap::from([("alias".to_owned(), "REF:double".to_owned())]);
            let config = ChannelAccessConfig { aliases, ..Default::default() };
            let provider = ChannelAccess::start(&config, clock.clone()).unwrap();
            let connector = Connector::new(Rc::new(provider.clone()), clock.clone(), DEADLINE);
            test(World { provider, connector, clock }).await;
        });
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(NAME, name)
        .envs(network())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (words(&output.stdout), words(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}
