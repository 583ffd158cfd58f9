//! Collecting: rows that every detector has on disk become documents, no sooner than the lag allows.
use super::{beamline::Beamline, publish::Rows};
use crate::{clock::Instant, device::detector::Summarise};
use bluefly_protocol::{beamline::Lag, fault::Fault, plan::ScanPlan};
use futures_util::future::try_join_all;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// Rows in one page of documents at most.
const PAGE_ROWS: u64 = 10_000;
/// How long documents may take to be written.
const PUBLISH_WITHIN: Duration = Duration::from_secs(30);

/// Decides up to which frame documents may be published.
#[derive(Debug)]
pub(super) struct Gate {
    lag: Lag,
    /// When how many frames were complete; kept only for a lag in time.
    marks: VecDeque<(Instant, u64)>,
}

impl Gate {
    pub(super) fn new(lag: Lag) -> Self {
        Self { lag, marks: VecDeque::new() }
    }

    /// How many of the `complete` frames may be published at `now`.
    pub(super) fn open_to(&mut self, now: Instant, complete: u64) -> u64 {
        match self.lag {
            Lag::Eager => complete,
            Lag::Frames(frames) => complete.saturating_sub(frames),
            Lag::Time(lag) => {
                // A rewind takes back what was marked.
                while self.marks.back().is_some_and(|&(_, marked)| marked >= complete) {
                    self.marks.pop_back();
                }
                self.marks.push_back((now, complete));
                let old = |&&(marked, _): &&(Instant, u64)| now - marked >= lag;
                let count = self.marks.iter().take_while(old).count();
                let open = count.checked_sub(1).map_or(0, |last| self.marks[last].1);
                self.marks.drain(..count.saturating_sub(1));
                open
            }
        }
    }
}

/// Publishes `frames` of the plan, which are rows `base + frames` of the run.
pub(super) async fn publish(
    beamline: Rc<Beamline>,
    plan: Arc<ScanPlan>,
    base: u64,
    frames: Range<u64>,
) -> Result<u64, Fault> {
    let mut first = frames.start;
    while first < frames.end {
        let end = frames.end.min(first + PAGE_ROWS);
        let rows = rows(&beamline, &plan, base, first..end).await?;
        let publisher = beamline.publisher();
        let publish = || publisher.call("publish rows", rows.clone(), PUBLISH_WITHIN);
        let patience = beamline.settings.crash_patience();
        beamline.persist(patience, &beamline.publisher.1, publish).await?;
        first = end;
    }
    Ok(frames.end)
}

/// What is said of each frame: where the axes were to be, and what each detector summed up.
async fn rows(
    beamline: &Beamline,
    plan: &ScanPlan,
    base: u64,
    frames: Range<u64>,
) -> Result<Rows, Fault> {
    let summaries = try_join_all(beamline.detectors.keys().map(|name| {
        let summarise = Summarise(base + frames.start..base + frames.end);
        async move {
            let detector = beamline.detector(name)?;
            Ok::<_, Fault>((name, detector.ask("summarise", summarise).await??))
        }
    }))
    .await?;
    let chunk = plan.stack().frames(frames.clone());
    let mut columns = BTreeMap::new();
    for (axis, midpoints) in plan.axes().iter().zip(chunk.midpoints()) {
        columns.insert(axis.to_string(), midpoints.clone());
    }
    let mut times: Option<Vec<f64>> = None;
    for (name, summary) in summaries {
        columns.insert(total_key(name.as_str()), summary.total);
        times.get_or_insert(summary.timestamp_s);
    }
    let count = (frames.end - frames.start) as usize;
    let now = beamline.clock.unix_s(beamline.clock.now());
    let times = times.unwrap_or_else(|| vec![now; count]);
    Ok(Rows { first_row: base + frames.start, times, columns })
}

/// Data key of the sum of a detector's pixels.
pub(super) fn total_key(detector: &str) -> String {
    format!("{detector}_total")
}
