//! `bluefly simulate`: many randomised runs on the simulated clock.
use super::CliError;
use crate::swarm::{self, Tally};
use std::{
    io::{self, Write as _},
    ops::Range,
};
use tracing::subscriber::NoSubscriber;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bluefly simulate --seeds 0..100")]
pub(crate) struct Arguments {
    /// The first seed, and the one after the last
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    seeds: Range<u64>,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(first, end)| {
        let (first, end) = (first.parse::<u64>().ok()?, end.parse::<u64>().ok()?);
        (first < end).then_some(first..end)
    });
    ends.ok_or_else(|| "expected two numbers such as 0..100, the first below the second".to_owned())
}

/// Flies one randomised run after another; fails with the first seed that breaks a promise. A single
/// seed is logged as `--log` says.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let mut tally = Tally::default();
    for seed in arguments.seeds.clone() {
        let flown = if arguments.seeds.end - arguments.seeds.start == 1 {
            swarm::run(seed)
        } else {
            // Of many, the log would be full of faults that are meant.
            tracing::subscriber::with_default(NoSubscriber::new(), || swarm::run(seed))
        };
        tally += flown.map_err(|broken| {
            let scenario = broken.scenario.trim_end().replace('\n', "; ");
            CliError::failed(format!("seed {seed}"), format!("{}; {scenario}", broken.promise))
        })?;
    }
    let num_seeds = arguments.seeds.end - arguments.seeds.start;
    let Tally { runs, successes, frames } = tally;
    let text = format!(
        "{num_seeds} seeds, every promise held\n\
         {runs} runs, {successes} to their end, {frames} frames documented\n"
    );
    io::stdout().write_all(text.as_bytes()).map_err(|error| CliError::output(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_that_is_not_empty() {
        assert_eq!(seeds("3..7"), Ok(3..7));
        for text in ["", "3", "..", "3..", "..7", "7..7", "7..3", "-1..3", "a..b", "1..2..3"] {
            assert!(seeds(text).is_err(), "{text}");
        }
    }
}
