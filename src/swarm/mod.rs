//! A swarm of randomised runs on the simulated clock: each seed is a beamline, a scan, a second client
//! who pauses and ends it, faults of the hardware and crashes of actors, in a shuffled schedule.
//! Whatever it is, the promises of a run hold.
mod crew;
mod promises;
mod scenario;

use crew::Crew;
use scenario::Scenario;
use std::fmt;

/// What a seed came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs with documents.
    pub runs: u64,
    /// Of them, those that ended with success.
    pub successes: u64,
    /// Frames that were documented.
    pub frames: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.successes += other.successes;
        self.frames += other.frames;
    }
}

/// A seed that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub seed: u64,
    /// Which promise, and how.
    pub promise: String,
    /// What was done to the beamline.
    pub scenario: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} breaks a promise: {}\n{}", self.seed, self.promise, self.scenario)
    }
}

/// Flies the scenario of `seed`, and one more run when all faults are over.
pub fn run(seed: u64) -> Result<Tally, Box<Broken>> {
    let scenario = Scenario::new(seed);
    let flown = bluefly_actors::system::simulated_system().block_on(Crew::fly(&scenario));
    flown.map_err(|promise| Box::new(Broken { seed, promise, scenario: scenario.to_string() }))
}
