//! The table of a run: medians over its rounds, and how they stand to those of C.
use super::{
    Phase,
    peer::{Figures, Peer},
};
use std::{collections::BTreeMap, fmt::Write as _};

/// Phase, its number, figure, and what it says of it.
type Row = (&'static str, usize, String, String);

#[derive(Default)]
pub(crate) struct Table(BTreeMap<Row, BTreeMap<Peer, Vec<f64>>>);

/// Goals, by phase, number, figure and what is said of it.
const GOALS: &[(&str, usize, &str, &str, &str)] = &[
    ("connect", 10_000, "connect", "ms", "< 150"),
    ("requests", 1_000, "get", "median_us", "<= 1.25 x C"),
    ("requests", 1_000, "put", "median_us", "<= 1.25 x C"),
    ("requests", 1_000, "pipelined", "per_s", ">= 500,000"),
    ("counters", 100, "counters", "cpu_percent", "<= 8"),
    ("counters", 100, "counters", "lost_here_per_s", "0"),
    ("counters", 500, "counters", "per_s", ">= 450,000"),
    ("actor", 500, "counters", "per_s", ">= 450,000"),
    ("waveform", 10, "waveform", "gb_per_s", ">= 0.9"),
];
const LABEL_WIDTH: usize = 44;

impl Table {
    pub(crate) fn add(&mut self, phase: Phase, peer: Peer, figures: &Figures) {
        for ((figure, said), value) in figures {
            let row = (phase.name, phase.number, figure.clone(), said.clone());
            self.0.entry(row).or_default().entry(peer).or_default().push(*value);
        }
    }

    /// Medians, a line for each figure: all clients, ours by C's with the same library, the goal.
    pub(crate) fn print(mut self) {
        let mut head = format!("\n{:<LABEL_WIDTH$}", "medians");
        for peer in Peer::ALL {
            write!(head, "{:>11}", peer.name()).unwrap();
        }
        println!("{head}{:>12}  goal", "bluefly / C");
        for ((phase, number, figure, said), peers) in &mut self.0 {
            let mut line =
                format!("{:<LABEL_WIDTH$}", format!("{phase} {number}: {figure} {said}"));
            let medians = Peer::ALL.map(|peer| peers.get_mut(&peer).map(|values| median(values)));
            for median in medians {
                let text = median.map_or_else(|| "-".to_owned(), number_text);
                write!(line, "{text:>11}").unwrap();
            }
            let ratio = match medians {
                [Some(bluefly), Some(libca), ..] if libca > 0.0 => {
                    format!("{:.2}", bluefly / libca)
                }
                _ => "-".to_owned(),
            };
            let is_goal = |goal: &&(&str, usize, &str, &str, &str)| {
                (goal.0, goal.1, goal.2, goal.3) == (*phase, *number, &**figure, &**said)
            };
            let goal = GOALS.iter().find(is_goal).map_or("", |goal| goal.4);
            println!("{line}{ratio:>12}  {goal}");
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn number_text(number: f64) -> String {
    match number {
        0.0 => "0".to_owned(),
        1_000.0.. => format!("{number:.0}"),
        10.0..1_000.0 => format!("{number:.1}"),
        _ => format!("{number:.3}"),
    }
}
