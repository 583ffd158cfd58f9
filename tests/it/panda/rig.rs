//! [`Rig`]: a supervised PandA whose box is within the process.
use super::since_start;
use crate::panda_server::new_server;
use bluefly_actors::{
    backend::panda::control::Dial,
    clock::Clock,
    device::panda::{Look, Panda, PandaLink, PandaState, PandaTiming},
    logic::panda::wiring::Wiring,
    random::Seed,
    signal::{Connector, SignalError, panda::PandaSignals},
    supervise::{Env, Event, Events, Ref, Seat, Strategy, Supervisor, Tree},
    system::simulated_system,
};
use bluefly_protocol::panda::wiring::Wire;
use bluefly_sim::panda::MemoryPanda;
use std::{rc::Rc, time::Duration};

pub(super) struct Rig {
    pub(super) clock: Clock,
    pub(super) panda: MemoryPanda,
    pub(super) signals: PandaSignals,
    pub(super) connector: Connector,
    pub(super) actor: Ref<Panda>,
    pub(super) events: Events,
    pub(super) tree: Tree,
}

const SECOND: Duration = Duration::from_secs(1);

/// Runs `test` with a PandA that is switched on.
pub(super) fn with_panda<T>(test: impl AsyncFnOnce(Rig) -> T) -> T {
    with_wired(&[], test)
}

/// The same, with a PandA that is to be wired so.
pub(super) fn with_wired<T>(wires: &[(&str, &str)], test: impl AsyncFnOnce(Rig) -> T) -> T {
    simulated_system().block_on(async { test(Rig::new(wires)).await })
}

/// As a file has them, under keys that are their fields.
pub(super) fn wires(wires: &[(&str, &str)]) -> Vec<Wire> {
    let wires = wires.iter().map(|(field, value)| Wire {
        field: field.parse().unwrap(),
        value: (*value).to_owned(),
        key: format!("wiring.{field}"),
    });
    wires.collect()
}

impl Rig {
    fn new(wired: &[(&str, &str)]) -> Self {
        let clock = Clock::simulated();
        let panda = MemoryPanda::new(new_server(), &clock);
        let dial: Rc<dyn Dial> = Rc::new(panda.clone());
        let signals = PandaSignals::new(clock.clone());
        let (place, actor) = Seat::new("p");
        let seat = signals.seat("p");
        let (timing, wiring) = (PandaTiming::default(), Wiring::new(&wires(wired)));
        let branch = Panda::branch(place, PandaLink { dial, seat, timing, wiring });
        let env = Env::new(clock.clone(), Seed(1));
        let events = env.events();
        let tree = Supervisor::new(Strategy::OneForOne).child(branch).spawn("root", &env);
        let connector = Connector::new(Rc::new(signals.clone()), clock.clone(), 5 * SECOND);
        Self { clock, panda, signals, connector, actor, events, tree }
    }

    pub(super) async fn look(&self) -> PandaState {
        self.actor.ask(Look, SECOND).await.unwrap()
    }

    pub(super) fn now(&self) -> Duration {
        since_start(&self.clock)
    }

    /// Since they were asked for: `+1` an incarnation came up, `-1 why` it ended.
    pub(super) fn story(&mut self) -> Vec<String> {
        let told = std::iter::from_fn(|| self.events.try_next());
        let told = told.filter_map(|event| match event {
            Event::Up { id, incarnation } if &*id == "p" => Some(format!("+{incarnation}")),
            Event::Down { id, incarnation, exit } if &*id == "p" => {
                Some(format!("-{incarnation} {exit}"))
            }
            Event::Up { .. } | Event::Down { .. } => None,
            Event::Escalated { id, exit } => Some(format!("!{id} {exit}")),
            Event::Lagged { missed } => Some(format!("missed {missed}")),
        });
        told.collect()
    }
}

/// The error in words.
pub(super) fn words<T: std::fmt::Debug>(result: Result<T, SignalError>) -> String {
    result.unwrap_err().to_string()
}
