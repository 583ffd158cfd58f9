//! Channel Access beside its peers: C libca, aioca and pyepics, against one IOC which is none of ours.
//! `cargo bench --bench ca -- [connect] [requests] [counters] [actor] [waveform]`
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so")]
#![expect(clippy::disallowed_methods, reason = "it waits for other processes")]
mod bluefly;
mod environment;
mod ioc;
#[expect(dead_code, reason = "durations are in milliseconds there")]
#[path = "../measure/mod.rs"]
mod measure;
mod peer;
mod table;

use environment::Environment;
use ioc::Ioc;
use peer::{Peer, Programs};
use std::env;
use table::Table;

/// Stretches that take a moment are repeated, all clients in turn; the table has their medians.
const ROUNDS: usize = 3;
const SECONDS: usize = 10;

/// What one process of each client does.
#[derive(Clone, Copy)]
struct Phase {
    /// What the user asks for, and clients are told.
    name: &'static str,
    number: usize,
    seconds: Option<usize>,
    /// What the IOC does meanwhile.
    ioc: &'static str,
    rounds: usize,
    peers: &'static [Peer],
}

const RESTS: &str = "counters 0";
const IN_C: &[Peer] = &[Peer::Bluefly, Peer::DebianLibca, Peer::PipLibca];
const PHASES: [Phase; 7] = [
    Phase {
        name: "connect",
        number: 1_000,
        seconds: None,
        ioc: RESTS,
        rounds: ROUNDS,
        peers: &Peer::ALL,
    },
    Phase {
        name: "connect",
        number: 10_000,
        seconds: None,
        ioc: RESTS,
        rounds: ROUNDS,
        peers: &Peer::ALL,
    },
    Phase {
        name: "requests",
        number: 1_000,
        seconds: None,
        ioc: RESTS,
        rounds: ROUNDS,
        peers: &Peer::ALL,
    },
    Phase {
        name: "counters",
        number: 100,
        seconds: Some(SECONDS),
        ioc: "counters 100",
        rounds: 1,
        peers: &Peer::ALL,
    },
    Phase {
        name: "counters",
        number: 500,
        seconds: Some(SECONDS),
        ioc: "counters 500",
        rounds: 1,
        peers: IN_C,
    },
    Phase {
        name: "actor",
        number: 500,
        seconds: Some(SECONDS),
        ioc: "counters 500",
        rounds: 1,
        peers: &[Peer::Bluefly],
    },
    Phase {
        name: "waveform",
        number: SECONDS,
        seconds: None,
        ioc: "waveform on",
        rounds: 1,
        peers: &Peer::ALL,
    },
];

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Some(("client", phase)) = words.split_first().map(|(first, rest)| (&**first, rest)) {
        return bluefly::run(phase);
    }
    let environment = Environment::new();
    let programs = Programs::build(&environment);
    let mut ioc = Ioc::start(&environment);
    let mut table = Table::default();
    for phase in PHASES {
        if !words.is_empty() && words.iter().all(|word| word != phase.name) {
            continue;
        }
        ioc.tell(phase.ioc);
        for _ in 0..phase.rounds {
            for peer in phase.peers {
                let figures = programs.run(*peer, phase, &environment);
                table.add(phase, *peer, &figures);
            }
        }
        ioc.tell(RESTS);
        ioc.tell("waveform off");
    }
    table.print();
}
