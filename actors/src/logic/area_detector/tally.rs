//! [`Tally`]: which rows of the file are on disk, as far as that can be told.
use bluefly_protocol::exposures::Exposures;

/// Counts rows on disk without a hole from row 0.
///
/// The file writer only says how many frames it wrote, those before a rewind among them: a row is
/// known from where the detector was armed, and from how many frames were written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    /// Rows on disk when it was armed, or when the file was opened.
    before: u64,
    /// What it is armed for.
    pub(super) first: u64,
    pub(super) count: u64,
    /// Frames on disk since.
    flushed: u64,
    /// The first row since that will never come.
    lost_from: Option<u64>,
}

impl Tally {
    /// Nothing is armed, and nothing on disk.
    pub(super) const NONE: Self =
        Self { before: 0, first: 0, count: 0, flushed: 0, lost_from: None };

    /// Armed for `count` rows from `first` on: those that are there will be overwritten.
    pub(super) fn arm(&mut self, Exposures(first): Exposures, Exposures(count): Exposures) {
        let before = self.on_disk().0.min(first);
        *self = Self { before, first, count, flushed: 0, lost_from: None };
    }

    /// So many frames are on disk since it was armed.
    pub(super) fn flushed(&mut self, frames: u64) {
        self.flushed = self.flushed.max(frames);
    }

    /// Rows from here on are not where they belong, or will never come.
    pub(super) fn lose_from(&mut self, row: u64) {
        self.lost_from = Some(self.lost_from.map_or(row, |first| first.min(row)));
    }

    pub(super) const fn knows_a_loss(&self) -> bool {
        self.lost_from.is_some()
    }

    pub(super) fn on_disk(&self) -> Exposures {
        if self.before < self.first {
            return Exposures(self.before);
        }
        let end = self.first + self.flushed.min(self.count);
        Exposures(self.lost_from.map_or(end, |lost| end.min(lost)))
    }

    /// Whether every row that it is armed for is on disk.
    pub(super) const fn is_complete(&self) -> bool {
        self.flushed >= self.count && self.lost_from.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(tally: &mut Tally, first: u64, count: u64, flushed: u64) -> u64 {
        tally.arm(Exposures(first), Exposures(count));
        tally.flushed(flushed);
        tally.on_disk().0
    }

    #[test]
    fn a_rewind_takes_rows_back_until_they_come_again() {
        let mut tally = Tally::NONE;
        assert_eq!(tally.on_disk(), Exposures(0));
        assert_eq!(armed(&mut tally, 0, 10, 0), 0);
        assert_eq!(armed(&mut tally, 0, 10, 7), 7);
        assert_eq!(armed(&mut tally, 4, 6, 0), 4);
        assert_eq!(armed(&mut tally, 4, 6, 6), 10);
        assert!(tally.is_complete());
    }

    #[test]
    fn rows_beyond_a_hole_do_not_count() {
        let mut tally = Tally::NONE;
        assert_eq!(armed(&mut tally, 0, 10, 8), 8);
        tally.lose_from(5);
        tally.lose_from(6);
        assert_eq!((tally.on_disk(), tally.is_complete()), (Exposures(5), false));
        // Armed beyond what is there: the rows between are missing.
        assert_eq!(armed(&mut tally, 7, 3, 3), 5);
    }
}
