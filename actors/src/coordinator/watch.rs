//! Following a flight while it runs: feeding the controller, counting frames, collecting, and
//! noticing at once when a device fails or a frame does not come.
use super::{
    beamline::Beamline,
    collect::{Collection, Harvest},
    flight::{Cut, Flight},
    stopping::stopped,
};
use crate::{
    clock::Instant,
    device::{controller::Append, generator::NextBatch},
    status::{Ended, Intent, Outcome, Status},
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::future::{LocalBoxFuture, select_all};
use std::{rc::Rc, sync::Arc, time::Duration};

/// Exposures of one detector that may wait before they are collected ahead of the period: detectors
/// remember few.
const EARLY_EXPOSURES: u64 = 1_024;
/// How long an append may take: as long as the controller follows what it has.
const APPEND_WITHIN: Duration = Duration::from_hours(24);

/// Everything that is under way.
pub(super) struct Watch {
    motion: Status<u64, ()>,
    triggers: Vec<Source>,
    takes: Vec<Take>,
    is_fed: bool,
    /// What takes frame after frame in place of a trajectory; resolves only if that fails.
    stepping: Option<LocalBoxFuture<'static, Fault>>,
}

/// One source of triggers at work.
struct Source {
    name: Name,
    status: Status<u64, ()>,
    /// When its last trigger must have left.
    due: Option<Instant>,
}

/// How long after the motion the last trigger may be known to have left.
const TRIGGERED_WITHIN: Duration = Duration::from_secs(5);

/// One detector at work.
struct Take {
    name: Name,
    status: Status<u64, ()>,
    /// The frames that must be on disk by then.
    due: Option<(u64, Instant)>,
}

impl Watch {
    pub(super) fn new(
        motion: Status<u64, ()>,
        triggers: Vec<(Name, Status<u64, ()>)>,
        takes: Vec<(Name, Status<u64, ()>)>,
        is_fed: bool,
    ) -> Self {
        let triggers =
            triggers.into_iter().map(|(name, status)| Source { name, status, due: None });
        let takes = takes.into_iter().map(|(name, status)| Take { name, status, due: None });
        Self {
            motion,
            triggers: triggers.collect(),
            takes: takes.collect(),
            is_fed,
            stepping: None,
        }
    }

    /// No trajectory is followed: `stepping` takes frame after frame.
    pub(super) fn stepping(self, stepping: LocalBoxFuture<'static, Fault>) -> Self {
        Self { stepping: Some(stepping), ..self }
    }

    fn is_over(&self) -> bool {
        let triggers = self.triggers.iter().map(|source| &source.status);
        let takes = self.takes.iter().map(|take| &take.status);
        takes.chain(triggers).chain([&self.motion]).all(|status| status.ended().is_some())
    }

    /// Resolves when motion, triggers or any detector have something new to tell; never if all have
    /// ended.
    async fn changed(&mut self) {
        let takes = self.takes.iter_mut().map(|take| &mut take.status);
        let triggers = self.triggers.iter_mut().map(|source| &mut source.status);
        let all = takes.chain([&mut self.motion]).chain(triggers);
        let live = all.filter(|status| status.ended().is_none());
        let changes: Vec<LocalBoxFuture<'_, bool>> = live
            .map(|status| {
                let change: LocalBoxFuture<'_, bool> = Box::pin(status.changed());
                change
            })
            .collect();
        if changes.is_empty() {
            std::future::pending::<()>().await;
        }
        select_all(changes).await;
    }

    pub(super) fn is_moving(&self) -> bool {
        self.motion.ended().is_none()
    }

    /// What detectors have told whose frames do not come any more.
    pub(super) fn faults(&self, beamline: &Beamline) -> impl Iterator<Item = Fault> {
        self.takes.iter().filter_map(|take| match take.status.ended()? {
            Ok(Outcome::Done(())) => None,
            end => Some(ended_badly(beamline, (&take.name, end))),
        })
    }

    /// The first moment at which a frame, or a trigger, counts as lost.
    fn deadline(&self) -> Option<Instant> {
        let frames = self.takes.iter().filter_map(|take| take.due.map(|(_, due)| due));
        frames.chain(self.triggers.iter().filter_map(|source| source.due)).min()
    }
}

impl Flight {
    /// Follows the flight until every frame is complete and published.
    pub(super) async fn follow(&mut self, mut watch: Watch) -> Result<(), Cut> {
        let clock = self.beamline.clock.clone();
        let mut board = self.board.clone();
        let mut feeding: LocalBoxFuture<'static, Fault> = match watch.stepping.take() {
            Some(stepping) => stepping,
            None if watch.is_fed => Box::pin(std::future::pending()),
            None => self.feed(),
        };
        let mut next_collection = clock.now() + self.beamline.settings.collect_period;
        loop {
            self.hear(&mut watch)?;
            let known = if self.stopping.is_some() { Intent::Pause } else { Intent::Run };
            if watch.is_over() && known == Intent::Run {
                break;
            }
            if self.collection.is_none()
                && (clock.now() >= next_collection || self.is_collection_urgent())
            {
                next_collection = clock.now() + self.beamline.settings.collect_period;
                self.collection = self.collect();
            }
            let (deadline, idle) = (watch.deadline(), self.collection.is_none());
            tokio::select! { biased;
                intent = board.beyond(known) => {
                    if intent != Intent::Pause || watch.triggers.is_empty() {
                        return Err(Cut::Told(intent));
                    }
                    self.stop_triggers();
                }
                () = watch.changed() => {}
                stopped = stopped(&mut self.stopping, &clock) => {
                    return Err(self.cut(stopped, &watch));
                }
                fault = &mut feeding => return Err(Cut::Fault(fault)),
                (harvest, collected) = pending_or(&mut self.collection) => {
                    self.collection = None;
                    self.harvested(harvest);
                    collected?;
                }
                () = sleep_or_never(&clock, deadline) => return Err(self.late(&watch).into()),
                () = clock.sleep_until(next_collection), if idle => {}
            }
        }
        self.finish().await
    }

    /// Whether a detector would soon forget what has not been read, however far the others are.
    fn is_collection_urgent(&self) -> bool {
        let timings = &self.beamline.capabilities.detectors;
        self.tally.on_disk().any(|(name, frames)| {
            let per_frame = timings.get(name).map_or(1, |timing| timing.exposures_per_frame.get());
            let early_frames = (EARLY_EXPOSURES / u64::from(per_frame)).max(1);
            frames >= self.harvest.read_of(name) + early_frames
        })
    }

    async fn finish(&mut self) -> Result<(), Cut> {
        if let Some(collection) = self.collection.take() {
            let (harvest, collected) = collection.await;
            self.harvested(harvest);
            collected?;
        }
        let (complete, total) = (self.tally.complete(), self.tally.total());
        if complete < total {
            let reason = format!("{complete} of {total} frames are complete");
            let controller = self.beamline.controller(self.plan.controller())?;
            return Err(controller.fault("fly the scan", FaultClass::Lost, reason).into());
        }
        Ok(self.publish_all().await?)
    }

    /// Takes in what motion and detectors have told.
    fn hear(&mut self, watch: &mut Watch) -> Result<(), Fault> {
        let (beamline, is_stopping) = (Rc::clone(&self.beamline), self.stopping.is_some());
        if !is_stopping {
            self.tally.pass(watch.motion.report().progress);
        }
        match watch.motion.ended() {
            // What it goes through while triggers come to rest may not be triggered.
            Some(Ok(Outcome::Done(()))) if is_stopping => {}
            None => {}
            Some(Ok(Outcome::Done(()))) => self.tally.pass_all(),
            Some(end) => {
                let controller = beamline.controller(self.plan.controller())?;
                return Err(match end {
                    Err(error) => controller.ended_badly("execute the trajectory", error),
                    Ok(_) => controller.fault("execute the trajectory", FaultClass::Failed, HALTED),
                });
            }
        }
        let (now, frame) = (beamline.clock.now(), self.plan.shortest_frame());
        // First: a frame that was not triggered is no fault of its detector.
        self.hear_triggers(watch, now)?;
        let mut first = None;
        for take in &mut watch.takes {
            let rows = take.status.report().progress;
            self.tally.hear(&take.name, rows);
            let (on_disk, passed) = (self.tally.on_disk_of(&take.name), self.tally.passed());
            match take.status.ended() {
                None => {
                    let due = now + beamline.frame_timeout(&take.name);
                    if beamline.has_own_pace(&take.name) {
                        // However far behind the motion it is: it has a frame for each of its periods.
                        take.hear(on_disk, passed.min(on_disk + 1), due + frame);
                    } else {
                        take.hear(on_disk, passed, due);
                    }
                }
                Some(Ok(Outcome::Done(()))) => take.due = None,
                Some(end) => {
                    let fault = ended_badly(&beamline, (&take.name, end));
                    let is_overwritten = rows < self.tally.row(on_disk);
                    let is_lowest = self.overwritten.as_ref().is_none_or(|(_, row)| rows < *row);
                    if fault.class == FaultClass::Lost && is_overwritten && is_lowest {
                        self.overwritten = Some((take.name.clone(), rows));
                    }
                    take.due = None;
                    // It may lack no more than the triggers that were stopped.
                    if !is_stopping || fault.class != FaultClass::Lost || is_overwritten {
                        first.get_or_insert(fault);
                    }
                }
            }
        }
        self.show();
        first.map_or(Ok(()), Err)
    }

    /// Takes in what sources of triggers have told.
    fn hear_triggers(&mut self, watch: &mut Watch, now: Instant) -> Result<(), Fault> {
        let (beamline, is_over) = (Rc::clone(&self.beamline), watch.motion.ended().is_some());
        let left = watch.triggers.iter().map(|source| source.status.report().progress);
        self.vouched = left.min().unwrap_or(u64::MAX);
        let mut first = None;
        for source in &mut watch.triggers {
            let caller = beamline.triggers(&source.name)?;
            source.due = match source.status.ended() {
                None if is_over => source.due.or(Some(now + TRIGGERED_WITHIN)),
                None | Some(Ok(Outcome::Done(()))) => None,
                // As it was told here.
                Some(Ok(Outcome::Aborted)) if self.stopping.is_some() => None,
                Some(Ok(Outcome::Aborted)) => {
                    first.get_or_insert(caller.fault(TRIGGER, FaultClass::Failed, MADE_SAFE));
                    None
                }
                Some(Err(error)) => {
                    let fault = caller.ended_badly(TRIGGER, error);
                    self.doubt(&fault);
                    first.get_or_insert(fault);
                    None
                }
            };
        }
        first.map_or(Ok(()), Err)
    }

    /// What to say of whoever is overdue: of the first detector whose frame is, or of the triggers.
    fn late(&self, watch: &Watch) -> Fault {
        let now = self.beamline.clock.now();
        let is_due = |source: &&Source| source.due.is_some_and(|due| due <= now);
        if let Some(source) = watch.triggers.iter().find(is_due) {
            let (frames, total) = (source.status.report().progress, self.tally.total());
            let reason = format!(
                "the motion has ended for {TRIGGERED_WITHIN:?}, and the triggers of {frames} of \
                 {total} frames have left"
            );
            let (device, operation) = (source.name.clone(), TRIGGER.to_owned());
            return Fault { device, operation, class: FaultClass::Lost, reason };
        }
        let late = watch.takes.iter().filter(|take| take.due.is_some());
        let take = late.min_by_key(|take| take.due.map(|(_, due)| due)).expect("one is overdue");
        let frame = self.tally.on_disk_of(&take.name);
        let after = self.beamline.frame_timeout(&take.name);
        Fault {
            device: take.name.clone(),
            operation: "take frames".to_owned(),
            class: FaultClass::Lost,
            reason: format!(
                "frame {frame} is not on disk {after:?} after the motion went through it{}",
                untriggered(watch, frame)
            ),
        }
    }

    /// Gives the controller batch after batch; resolves only if that fails.
    fn feed(&self) -> LocalBoxFuture<'static, Fault> {
        let (beamline, plan) = (Rc::clone(&self.beamline), Arc::clone(&self.plan));
        let feed = async move {
            loop {
                let generator = beamline.generator();
                let batch = generator.ask("give the next batch", NextBatch).await?;
                let batch = batch.map_err(|refused| {
                    generator.fault("give a batch", FaultClass::Disconnected, refused)
                })?;
                let is_last = batch.last;
                let controller = beamline.controller(plan.controller())?;
                controller.call("append to the trajectory", Append(batch), APPEND_WITHIN).await?;
                if is_last {
                    return std::future::pending().await;
                }
            }
        };
        Box::pin(async move {
            let never: Result<std::convert::Infallible, Fault> = feed.await;
            match never {
                Err(fault) => fault,
            }
        })
    }
}

/// Why a detector takes no frames any more.
fn ended_badly(beamline: &Beamline, (name, end): (&Name, Ended<()>)) -> Fault {
    match (beamline.detector(name), end) {
        (Ok(detector), Err(error)) => detector.ended_badly("take frames", error),
        (Ok(detector), Ok(_)) => detector.fault("take frames", FaultClass::Failed, DISARMED),
        (Err(unknown), _) => unknown,
    }
}

/// Whose triggers have not come as far as `frame`, if it is known of anybody.
fn untriggered(watch: &Watch, frame: u64) -> String {
    let all = watch.triggers.iter().map(|source| (source, source.status.report().progress));
    let behind = all.filter(|(_, triggered)| *triggered <= frame);
    let told = behind.map(|(Source { name, .. }, triggered)| {
        format!(": {name} tells of the triggers of {triggered} frames only")
    });
    told.collect()
}

/// What a source of triggers does.
pub(super) const TRIGGER: &str = "trigger the frames";
const MADE_SAFE: &str = "it was made safe by another request";
const HALTED: &str = "it was halted by another request";
const DISARMED: &str = "it was disarmed by another request";

impl Take {
    /// Notes by when the frames that the motion went through must be on disk.
    fn hear(&mut self, on_disk: u64, passed: u64, due: Instant) {
        match self.due {
            Some((frames, _)) if on_disk < frames => {}
            _ => self.due = (on_disk < passed).then_some((passed, due)),
        }
    }
}

async fn pending_or(collection: &mut Option<Collection>) -> (Harvest, Result<(), Fault>) {
    match collection {
        Some(collection) => collection.await,
        None => std::future::pending().await,
    }
}

async fn sleep_or_never(clock: &crate::clock::Clock, deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => clock.sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
