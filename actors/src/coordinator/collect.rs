//! Collecting: rows that every detector has on disk are read as they become complete, and become
//! documents no sooner than the lag allows.
use super::{beamline::Beamline, publish::Rows};
use crate::{device::detector::Summarise, logic::detector::Summary};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    plan::ScanPlan,
};
use futures_util::future::{LocalBoxFuture, try_join_all};
use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// Rows in one page of documents at most: what is made of them takes less than a millisecond.
const PAGE_ROWS: u64 = 1_000;
/// How long documents may take to be written.
const PUBLISH_WITHIN: Duration = Duration::from_secs(30);

/// Collecting in the background: what was harvested, also if it went wrong on the way.
pub(super) type Collection = LocalBoxFuture<'static, (Harvest, Result<(), Fault>)>;

/// What has been read of complete frames. Detectors remember few of them, so they are read soon;
/// what may not be published yet is kept here, as much as the lag keeps back.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    /// Frames of which the rows have been read.
    pub(super) read: u64,
    /// What has been read of the frames after those, of detectors that are ahead of others: they
    /// would have forgotten it by the time the others have come as far. It is little for each frame,
    /// and a detector that is too far behind has lost frames.
    ahead: BTreeMap<Name, Summary>,
    /// Frames of which the documents are out.
    pub(super) published: u64,
    /// The rows between the two, in pages.
    pages: VecDeque<Rows>,
}

/// Whose frames are collected.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) beamline: Rc<Beamline>,
    pub(super) plan: Arc<ScanPlan>,
    /// Row of the run at which the scan begins.
    pub(super) first_row: u64,
    /// Frames of which each detector is to be read, if that is more than are complete.
    pub(super) on_disk: BTreeMap<Name, u64>,
}

impl Harvest {
    /// Frames of which a detector has been read.
    pub(super) fn read_of(&self, detector: &Name) -> u64 {
        self.read + self.ahead.get(detector).map_or(0, num_frames)
    }

    /// Forgets rows of frames that will be taken again.
    pub(super) fn forget_from(&mut self, frame: u64, first_row: u64) {
        let ahead = frame.saturating_sub(self.read) as usize;
        for summary in self.ahead.values_mut() {
            summary.total.truncate(ahead);
            summary.timestamp_s.truncate(ahead);
        }
        self.read = self.read.min(frame).max(self.published);
        let end = first_row + self.read;
        self.pages.retain(|page| page.first_row < end);
        if let Some(page) = self.pages.back_mut() {
            drop(page.split_off((end - page.first_row) as usize));
        }
    }

    /// Reads the rows of the first `complete` frames, and publishes those of the first `open`.
    pub(super) async fn collect(
        mut self,
        field: Field,
        complete: u64,
        open: u64,
    ) -> (Self, Result<(), Fault>) {
        let collected = self.read_and_publish(&field, complete, open).await;
        (self, collected)
    }

    async fn read_and_publish(
        &mut self,
        field: &Field,
        complete: u64,
        open: u64,
    ) -> Result<(), Fault> {
        let read = field.read(self, complete).await;
        // What was read before a failure has its documents nevertheless.
        let had = self.ahead.values().map(num_frames).min();
        let had = had.map_or(complete, |ahead| complete.min(self.read + ahead));
        while self.read < had {
            let end = had.min(self.read + PAGE_ROWS);
            let summaries = self
                .ahead
                .iter_mut()
                .map(|(name, summary)| (name.clone(), take(summary, (end - self.read) as usize)));
            let summaries = summaries.collect();
            self.pages.push_back(field.rows((self.read, end), summaries));
            self.read = end;
            // What is ahead may come to many pages at once: others are let in between them.
            tokio::task::yield_now().await;
        }
        while self.published < open {
            let Some(mut page) = self.pages.pop_front() else { break };
            let rest = page.split_off((open - self.published) as usize);
            let published = field.publish(&page).await;
            let count = page.times.len() as u64;
            if !rest.times.is_empty() {
                self.pages.push_front(rest);
            }
            if let Err(fault) = published {
                self.pages.push_front(page);
                return Err(fault);
            }
            self.published += count;
        }
        read
    }
}

impl Field {
    async fn publish(&self, page: &Rows) -> Result<(), Fault> {
        let (beamline, publisher) = (&self.beamline, self.beamline.publisher());
        let publish = || publisher.call("publish rows", page.clone(), PUBLISH_WITHIN);
        let patience = beamline.settings.crash_patience();
        beamline.persist(patience, &beamline.publisher.1, publish).await
    }

    /// Reads every detector as far as frames are complete, and further where it is ahead. What was
    /// read before a failure stays.
    async fn read(&self, harvest: &mut Harvest, complete: u64) -> Result<(), Fault> {
        let read = harvest.read;
        let sums_up = |name: &&Name| self.beamline.settings.has_statistics(name);
        for name in self.beamline.detectors.keys().filter(sums_up) {
            harvest.ahead.entry(name.clone()).or_default();
        }
        let reads = harvest.ahead.iter_mut().map(|(name, summary)| async move {
            let end = self.on_disk.get(name).map_or(complete, |frames| complete.max(*frames));
            let detector = self.beamline.detector(name)?;
            loop {
                let start = read + num_frames(summary);
                if start >= end {
                    return Ok::<_, Fault>(());
                }
                let [first, last] = [start, end.min(start + PAGE_ROWS)].map(|i| self.first_row + i);
                let more = detector.ask("summarise", Summarise(first..last)).await?;
                let more = more.map_err(gone)?;
                summary.total.extend(more.total);
                summary.timestamp_s.extend(more.timestamp_s);
            }
        });
        try_join_all(reads).await.map(drop)
    }

    /// What is said of each frame: where the axes were to be, and what each detector summed up.
    fn rows(&self, (start, end): (u64, u64), summaries: Vec<(Name, Summary)>) -> Rows {
        let (beamline, first_row) = (&self.beamline, self.first_row + start);
        let chunk = self.plan.stack().frames(start..end);
        let mut columns = BTreeMap::new();
        for (axis, midpoints) in self.plan.axes().iter().zip(chunk.midpoints()) {
            columns.insert(axis.to_string(), midpoints.clone());
        }
        let mut times: Option<Vec<f64>> = None;
        for (name, summary) in summaries {
            columns.insert(total_key(name.as_str()), summary.total);
            times.get_or_insert(summary.timestamp_s);
        }
        let now = beamline.clock.unix_s(beamline.clock.now());
        let times = times.unwrap_or_else(|| vec![now; (end - start) as usize]);
        Rows { first_row, times, columns }
    }
}

/// Frames of which there is a summary.
fn num_frames(summary: &Summary) -> u64 {
    summary.total.len() as u64
}

/// Takes the first `count` frames out of a summary.
fn take(summary: &mut Summary, count: usize) -> Summary {
    let rest = |column: &mut Vec<f64>| column.split_off(count.min(column.len()));
    let rest = Summary {
        first_index: summary.first_index + count as u64,
        total: rest(&mut summary.total),
        timestamp_s: rest(&mut summary.timestamp_s),
    };
    std::mem::replace(summary, rest)
}

/// A summary that a detector does not remember is no lost frame: the frame is on disk, and taking
/// it again would be of no use.
fn gone(fault: Fault) -> Fault {
    match fault.class {
        FaultClass::Lost => Fault { class: FaultClass::Failed, ..fault },
        FaultClass::Rejected | FaultClass::Disconnected | FaultClass::Failed => fault,
    }
}

/// Data key of the sum of a detector's pixels.
pub(super) fn total_key(detector: &str) -> String {
    format!("{detector}_total")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    /// 10 frames of which all is read, and of one detector 3 more.
    fn harvest() -> Harvest {
        let numbers = vec![10.0, 11.0, 12.0];
        let ahead = Summary { total: numbers.clone(), timestamp_s: numbers, first_index: 0 };
        let ahead = BTreeMap::from([(name("fast"), ahead), (name("slow"), Summary::default())]);
        Harvest { read: 10, ahead, ..Harvest::default() }
    }

    #[test]
    fn what_was_read_ahead_of_frames_that_are_taken_again_is_forgotten() {
        let check = |frame, expected: (u64, u64)| {
            let mut harvest = harvest();
            harvest.forget_from(frame, 0);
            assert_eq!((harvest.read, harvest.read_of(&name("fast"))), expected, "from {frame}");
            assert_eq!(harvest.read_of(&name("slow")), harvest.read, "from {frame}");
        };
        check(13, (10, 13));
        check(12, (10, 12));
        check(10, (10, 10));
        check(7, (7, 7));
    }

    #[test]
    fn what_was_read_ahead_is_taken_from_its_beginning() {
        let mut ahead = harvest().ahead;
        let fast = ahead.get_mut(&name("fast")).expect("it is there");
        assert_eq!((take(fast, 2).total, &fast.timestamp_s), (vec![10.0, 11.0], &vec![12.0]));
        assert_eq!((take(fast, 2).timestamp_s, num_frames(fast)), (vec![12.0], 0));
    }
}
