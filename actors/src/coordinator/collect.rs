//! Collecting: rows that every detector has on disk are read as they become complete, and become
//! documents no sooner than the lag allows.
use super::{beamline::Beamline, publish::Rows};
use crate::device::detector::Summarise;
use bluefly_protocol::{
    fault::{Fault, FaultClass},
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
}

impl Harvest {
    /// Forgets rows of frames that will be taken again.
    pub(super) fn forget_from(&mut self, frame: u64, first_row: u64) {
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
        while self.read < complete {
            let end = complete.min(self.read + PAGE_ROWS);
            self.pages.push_back(field.rows(self.read, end).await?);
            self.read = end;
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
        Ok(())
    }
}

impl Field {
    async fn publish(&self, page: &Rows) -> Result<(), Fault> {
        let (beamline, publisher) = (&self.beamline, self.beamline.publisher());
        let publish = || publisher.call("publish rows", page.clone(), PUBLISH_WITHIN);
        let patience = beamline.settings.crash_patience();
        beamline.persist(patience, &beamline.publisher.1, publish).await
    }

    /// What is said of each frame: where the axes were to be, and what each detector summed up.
    async fn rows(&self, start: u64, end: u64) -> Result<Rows, Fault> {
        let (beamline, first_row) = (&self.beamline, self.first_row + start);
        let summaries = try_join_all(beamline.detectors.keys().map(|name| {
            let summarise = Summarise(first_row..self.first_row + end);
            async move {
                let detector = beamline.detector(name)?;
                let summary = detector.ask("summarise", summarise).await?;
                Ok::<_, Fault>((name, summary.map_err(gone)?))
            }
        }))
        .await?;
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
        Ok(Rows { first_row, times, columns })
    }
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
