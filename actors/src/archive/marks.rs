//! [`Marks`]: where documents of runs are, by their numbers, as far as they were read.

/// Documents from one mark to the next.
const EVERY: usize = 64;
/// Runs that have marks: those of which documents were read last.
const RUNS: usize = 8;

/// Marks in the runs of one file.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Run>);

#[derive(Debug)]
struct Run {
    /// Where its first document is.
    start: u64,
    /// Where every document of a number that [`EVERY`] divides is, without the first.
    offsets: Vec<u64>,
}

impl Marks {
    /// The last document that is marked, up to that of `number`: its number and where it is.
    pub(super) fn before(&self, start: u64, number: usize) -> (usize, u64) {
        let run = self.0.iter().find(|run| run.start == start);
        let found = run.and_then(|run| {
            let marks = run.offsets.len().min(number / EVERY);
            Some((marks * EVERY, *run.offsets.get(marks.checked_sub(1)?)?))
        });
        found.unwrap_or((0, start))
    }

    /// Takes note that the document of `number` is at `offset`, if it is one to be marked.
    pub(super) fn note(&mut self, start: u64, number: usize, offset: u64) {
        if number == 0 || !number.is_multiple_of(EVERY) {
            return;
        }
        let mut run = match self.0.iter().position(|run| run.start == start) {
            Some(place) => self.0.remove(place),
            None => Run { start, offsets: Vec::new() },
        };
        if run.offsets.len() + 1 == number / EVERY {
            run.offsets.push(offset);
        }
        if self.0.len() == RUNS {
            self.0.remove(0);
        }
        self.0.push(run);
    }
}
