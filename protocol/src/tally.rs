//! [`Tally`]: which frames of a scan are complete; [`Gate`]: which of them may be published.
use crate::{beamline::Lag, name::Name};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Which frames of a scan are complete.
///
/// A frame is complete when the motion went through all of it at speed *and* every detector has it
/// on disk, with every exposure that it takes of it. Scans of one run share files: the tally knows at
/// which row of the run the scan begins, and speaks of frames of the scan everywhere else. A row of the
/// run is what one frame comes to in the documents, however many rows it has in a detector's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    first_row: u64,
    total: u64,
    attempt: Attempt,
    /// Rows of the run on disk without a hole, as far as they are of the present attempt or before.
    on_disk: BTreeMap<Name, u64>,
    complete: u64,
    published: u64,
    /// Whether the motion itself triggers the frames.
    is_paced_by_motion: bool,
}

/// Whether what is heard at present tells of frames that are being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// Nothing is in the air: what devices still tell is of an attempt that is over.
    Grounded,
    /// From this frame on, so many have been passed.
    Flying { from: u64, passed: u64 },
}

impl Tally {
    /// A scan of `total` frames, which begins at row `first_row` of its run.
    pub fn new(detectors: impl IntoIterator<Item = Name>, first_row: u64, total: u64) -> Self {
        let on_disk = detectors.into_iter().map(|name| (name, first_row)).collect();
        let attempt = Attempt::Grounded;
        let is_paced_by_motion = true;
        Self { first_row, total, attempt, on_disk, complete: 0, published: 0, is_paced_by_motion }
    }

    /// Something else than the motion triggers the frames: it goes on when the motion stands still,
    /// and a frame that a detector has tells nothing of the motion.
    pub fn paced_apart(self) -> Self {
        Self { is_paced_by_motion: false, ..self }
    }

    /// Number of frames of the scan.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn complete(&self) -> u64 {
        self.complete
    }

    /// Frames whose documents are out; never more than are complete.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Row of the run at which a frame lands.
    pub fn row(&self, frame: u64) -> u64 {
        self.first_row + frame
    }

    /// Whether frames are being taken.
    pub fn is_flying(&self) -> bool {
        self.attempt != Attempt::Grounded
    }

    /// Frames on disk without a hole, per detector.
    pub fn on_disk(&self) -> impl Iterator<Item = (&Name, u64)> {
        self.on_disk.iter().map(|(name, rows)| (name, rows.saturating_sub(self.first_row)))
    }

    /// Frames that one detector has on disk without a hole.
    pub fn on_disk_of(&self, detector: &Name) -> u64 {
        self.on_disk.get(detector).map_or(0, |rows| rows.saturating_sub(self.first_row))
    }

    /// Begins a new attempt at the first frame that is not complete, which it returns. What was on
    /// disk beyond it will be taken again, and counts no more.
    pub fn enter(&mut self) -> u64 {
        self.attempt = Attempt::Grounded;
        let row = self.row(self.complete);
        self.on_disk.values_mut().for_each(|rows| *rows = row);
        self.complete
    }

    /// The motion of the attempt has begun, and every detector is armed for it.
    pub fn launch(&mut self) {
        self.attempt = Attempt::Flying { from: self.complete, passed: 0 };
    }

    /// Everything is at rest: no frame will be added.
    pub fn land(&mut self) {
        self.attempt = Attempt::Grounded;
    }

    /// The motion has gone through `frames` frames since it was launched.
    pub fn pass(&mut self, frames: u64) {
        if let Attempt::Flying { from, passed } = &mut self.attempt {
            *passed = frames.min(self.total - *from).max(*passed);
        }
        self.count();
    }

    /// The same of a motion that went on when triggers ended: `triggered` frames of the scan, if that is
    /// known, were triggered to their end.
    pub fn pass_triggered(&mut self, frames: u64, triggered: Option<u64>) {
        if let Attempt::Flying { from, .. } = self.attempt {
            let triggered = triggered.map_or(frames, |triggered| triggered.saturating_sub(from));
            self.pass(frames.min(triggered));
        }
    }

    /// So many frames of the scan were triggered to their end before the motion was halted.
    pub fn trigger(&mut self, frames: u64) {
        if let Attempt::Flying { from, .. } = self.attempt {
            self.pass(frames.saturating_sub(from));
        }
    }

    /// The motion has gone through all frames.
    pub fn pass_all(&mut self) {
        self.pass(self.total);
    }

    /// Frames that the motion has gone through.
    pub fn passed(&self) -> u64 {
        match self.attempt {
            Attempt::Grounded => self.complete,
            Attempt::Flying { from, passed } => from + passed,
        }
    }

    /// A detector has `rows` rows of the run on disk without a hole.
    pub fn hear(&mut self, detector: &Name, rows: u64) {
        if self.is_flying()
            && let Some(known) = self.on_disk.get_mut(detector)
        {
            *known = rows.max(*known);
        }
        // A frame that a detector has was begun, and the motion had gone through the one before.
        let begun = rows.saturating_sub(self.first_row);
        if let Attempt::Flying { from, .. } = self.attempt
            && self.is_paced_by_motion
        {
            self.pass(begun.saturating_sub(1).saturating_sub(from));
        }
        self.count();
    }

    fn count(&mut self) {
        if let Attempt::Flying { from, passed } = self.attempt {
            let passed = from + passed;
            let on_disk = self.on_disk.values().map(|rows| rows.saturating_sub(self.first_row));
            self.complete = on_disk.min().unwrap_or(passed).min(passed).max(self.complete);
        }
    }

    /// Documents of the first `frames` frames are out.
    pub fn publish(&mut self, frames: u64) {
        self.published = frames.clamp(self.published, self.complete);
    }

    /// Forgets the last `frames` complete frames, so that they are taken again; never one whose
    /// documents are out.
    pub fn retake(&mut self, frames: u64) {
        self.complete = self.complete.saturating_sub(frames).max(self.published);
        self.enter();
    }
}

/// Decides how many complete frames may be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    lag: Lag,
    /// When how many frames were complete; kept only for a lag in time.
    marks: VecDeque<(Duration, u64)>,
}

impl Gate {
    pub fn new(lag: Lag) -> Self {
        Self { lag, marks: VecDeque::new() }
    }

    /// How many of `complete` frames may be published at `now`, time since some fixed moment.
    pub fn open_to(&mut self, now: Duration, complete: u64) -> u64 {
        let lag = match self.lag {
            Lag::Eager => return complete,
            Lag::Frames(frames) => return complete.saturating_sub(frames),
            Lag::Time(lag) => lag,
        };
        // A rewind takes back what was marked.
        while self.marks.back().is_some_and(|&(_, marked)| marked > complete) {
            self.marks.pop_back();
        }
        if self.marks.back().is_none_or(|&(_, marked)| marked < complete) {
            self.marks.push_back((now, complete));
        }
        let is_old = |&&(marked, _): &&(Duration, u64)| now.saturating_sub(marked) >= lag;
        let old = self.marks.iter().take_while(is_old).count();
        // The newest of the old ones is what is open; those before it say nothing any more.
        self.marks.drain(..old.saturating_sub(1));
        if old == 0 { 0 } else { self.marks[0].1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    #[test]
    fn frames_that_were_taken_while_the_motion_stood_still_were_complete() {
        let mut tally = flying().paced_apart();
        tally.pass(3);
        for detector in ["a", "b"] {
            tally.hear(&name(detector), 108);
        }
        assert_eq!((tally.passed(), tally.complete()), (3, 3));
        tally.pass(5);
        assert_eq!(tally.complete(), 5);
    }

    #[test]
    fn a_frame_of_which_the_triggers_were_cut_was_complete() {
        let mut tally = flying().paced_apart();
        tally.pass(4);
        for detector in ["a", "b"] {
            tally.hear(&name(detector), 106);
        }
        assert_eq!(tally.enter(), 4);
        tally.launch();
        for detector in ["a", "b"] {
            tally.hear(&name(detector), 108);
        }
        tally.pass_triggered(4, Some(7));
        assert_eq!(tally.complete(), 7);
        tally.pass_triggered(4, Some(3));
        assert_eq!(tally.complete(), 7);
        tally.trigger(6);
        assert_eq!(tally.complete(), 7);
        tally.pass_triggered(4, None);
        assert_eq!(tally.complete(), 8);
        for detector in ["a", "b"] {
            tally.hear(&name(detector), 110);
        }
        tally.trigger(9);
        assert_eq!(tally.complete(), 9);
    }

    /// A scan of 10 frames at row 100 of its run, in the air.
    fn flying() -> Tally {
        let mut tally = Tally::new([name("a"), name("b")], 100, 10);
        assert_eq!(tally.enter(), 0);
        tally.launch();
        tally
    }

    #[test]
    fn a_frame_is_complete_when_it_was_passed_and_all_have_it() {
        let mut tally = flying();
        tally.pass(5);
        assert_eq!(tally.complete(), 0);
        tally.hear(&name("a"), 107);
        assert_eq!((tally.complete(), tally.passed()), (0, 6));
        tally.hear(&name("b"), 103);
        assert_eq!(tally.complete(), 3);
        tally.hear(&name("b"), 107);
        assert_eq!(
            tally.complete(),
            6,
            "7 are on disk, 5 were passed for sure, 6 since 7 were begun"
        );
        assert_eq!((tally.on_disk_of(&name("a")), tally.row(5)), (7, 105));
    }

    #[test]
    fn what_one_detector_had_beyond_a_rewind_counts_no_more() {
        let mut tally = flying();
        tally.pass(9);
        tally.hear(&name("a"), 109);
        tally.hear(&name("b"), 102);
        assert_eq!((tally.complete(), tally.enter()), (2, 2));
        tally.launch();
        tally.pass(6);
        tally.hear(&name("b"), 108);
        assert_eq!(tally.complete(), 2, "a has taken nothing again");
        tally.hear(&name("a"), 104);
        assert_eq!(tally.complete(), 4);
    }

    #[test]
    fn what_is_heard_before_the_launch_is_of_an_attempt_that_is_over() {
        let mut tally = flying();
        tally.pass(4);
        tally.hear(&name("a"), 104);
        tally.hear(&name("b"), 104);
        assert_eq!(tally.enter(), 4);
        tally.pass(4);
        tally.hear(&name("a"), 106);
        tally.hear(&name("b"), 106);
        assert_eq!((tally.complete(), tally.passed()), (4, 4));
    }

    #[test]
    fn frames_are_taken_again_as_far_back_as_was_not_published() {
        let mut tally = flying();
        tally.pass_all();
        tally.hear(&name("a"), 110);
        tally.hear(&name("b"), 110);
        tally.publish(6);
        tally.retake(3);
        assert_eq!((tally.complete(), tally.on_disk_of(&name("a"))), (7, 7));
        tally.retake(5);
        assert_eq!((tally.complete(), tally.published()), (6, 6));
    }

    #[test]
    fn without_detectors_what_was_passed_is_complete() {
        let mut tally = Tally::new([], 0, 3);
        tally.enter();
        tally.launch();
        tally.pass(2);
        assert_eq!(tally.complete(), 2);
    }

    fn check(lag: Lag, told: &[(u64, u64)], expected: &[u64]) {
        let mut gate = Gate::new(lag);
        let open = |&(now_s, complete)| gate.open_to(Duration::from_secs(now_s), complete);
        assert_eq!(told.iter().map(open).collect::<Vec<_>>(), expected, "{lag:?}");
    }

    #[test]
    fn a_gate_opens_as_far_as_the_lag_allows() {
        check(Lag::Eager, &[(0, 3), (1, 7)], &[3, 7]);
        check(Lag::Frames(5), &[(0, 3), (1, 7), (2, 7)], &[0, 2, 2]);
        let two = Lag::Time(Duration::from_secs(2));
        check(two, &[(0, 3), (1, 7), (2, 7), (3, 9), (4, 9), (5, 9)], &[0, 0, 3, 7, 7, 9]);
        // It elapses although nothing new is complete, and a rewind takes back what was marked.
        check(two, &[(0, 5), (1, 5), (2, 5)], &[0, 0, 5]);
        check(two, &[(0, 5), (1, 8), (2, 6), (3, 6), (4, 6)], &[0, 0, 5, 5, 6]);
    }
}
