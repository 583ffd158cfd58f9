//! A thousand seeds, each a scan with trouble of its own: every promise holds for every one.
//!
//! A seed that breaks a promise is printed; `BLUEFLY_SEED=n cargo test --test it swarm` runs it alone.
use bluefly::swarm::{self, Tally};
use std::ops::Range;

/// The seeds to run: those of the test, or the one that was asked for.
fn seeds(all: Range<u64>) -> Range<u64> {
    match std::env::var("BLUEFLY_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => all,
    }
}

fn check(all: Range<u64>) {
    let (mut tally, mut broken) = (Tally::default(), Vec::new());
    for seed in seeds(all) {
        match swarm::run(seed) {
            Ok(flown) => tally += flown,
            Err(found) => broken.push(found.to_string()),
        }
    }
    assert!(broken.is_empty(), "{} seeds:\n{}", broken.len(), broken.join("\n"));
    // The swarm does not prove anything by never flying.
    assert!(tally.frames > 0 && tally.successes > 0, "{tally:?}");
}

#[test]
fn promises_hold_for_the_first_quarter_of_a_thousand_seeds() {
    check(0..250);
}

#[test]
fn promises_hold_for_the_second_quarter_of_a_thousand_seeds() {
    check(250..500);
}

#[test]
fn promises_hold_for_the_third_quarter_of_a_thousand_seeds() {
    check(500..750);
}

#[test]
fn promises_hold_for_the_last_quarter_of_a_thousand_seeds() {
    check(750..1_000);
}
