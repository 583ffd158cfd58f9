//! Coming to rest in the middle of a flight: to pause, and to get over trouble.
use super::{
    beamline::Beamline,
    collect::{Collection, Field},
    flight::Flight,
};
use crate::{
    clock::Instant,
    status::{Intent, OperationPhase},
};
use bluefly_protocol::{
    beamline::OnCrash,
    fault::{Fault, FaultClass},
    name::Name,
    run::RunPhase,
};
use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

/// What a run has put up with, over all its scans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Troubles {
    /// Crashes and lost connections.
    crashes: u32,
    /// Rewinds because of lost frames.
    rewinds: u32,
}

impl Troubles {
    /// Counts a fault; whether the run may go on after it.
    fn may_go_on(&mut self, fault: &Fault, beamline: &Beamline) -> bool {
        let settings = &beamline.settings;
        match fault.class {
            FaultClass::Disconnected => {
                self.crashes += 1;
                settings.on_crash == OnCrash::Resume && self.crashes <= settings.max_crashes
            }
            FaultClass::Lost => {
                self.rewinds += 1;
                self.rewinds <= settings.max_rewinds
            }
            FaultClass::Rejected | FaultClass::Failed => false,
        }
    }
}

/// Everything is at rest, unless something more urgent is wanted.
type Rested = Result<(), Intent>;

impl Flight {
    /// Brings everything to rest at a safe point and stays there until something else is wanted.
    pub(super) async fn pause(&mut self) -> Result<Intent, Fault> {
        self.board.phase(RunPhase::Pausing);
        self.board.operation(OperationPhase::Pausing);
        let rested = match self.rest_and_publish().await {
            Ok(rested) => rested,
            Err(fault) => self.recover(fault).await?,
        };
        let intent = match rested {
            Ok(()) => {
                tracing::info!(complete = self.tally.complete(), "paused");
                self.board.clone().stay().await
            }
            Err(intent) => intent,
        };
        if intent == Intent::Run {
            self.board.operation(OperationPhase::Running);
            self.go_back(self.retake.take());
        }
        Ok(intent)
    }

    /// Frames that were complete and are not what they were are taken again. Fails if that cannot be:
    /// documents tell of some of them.
    fn take_back(&mut self) -> Result<(), Fault> {
        let Some((device, row)) = self.overwritten.take() else { return Ok(()) };
        let (complete, published) = (self.tally.complete(), self.tally.published());
        let first = self.tally.row(0);
        self.go_back(complete.saturating_sub(row.saturating_sub(first)));
        let documented = self.tally.row(published);
        if row >= documented {
            return Ok(());
        }
        let reason = format!(
            "frames from {row} on may be overwritten, and documents tell of the first {documented}"
        );
        let operation = "take frames again".to_owned();
        Err(Fault { device, operation, class: FaultClass::Failed, reason })
    }

    /// After a fault of a source of triggers, frames that it does not vouch for are taken again.
    pub(super) fn doubt(&mut self, fault: &Fault) {
        let is_source = self.beamline.triggers.contains_key(&fault.device);
        // What was refused changed nothing.
        let is_of_frames = fault.class != FaultClass::Rejected;
        if !is_source || !is_of_frames || self.vouched == u64::MAX {
            return;
        }
        let row = self.tally.row(self.vouched);
        if self.overwritten.as_ref().is_none_or(|(_, lowest)| row < *lowest) {
            self.overwritten = Some((fault.device.clone(), row));
        }
    }

    fn go_back(&mut self, frames: u64) {
        if frames > 0 {
            self.tally.retake(frames);
            self.harvest.forget_from(self.tally.complete(), self.tally.row(0));
            tracing::info!(frames, complete = self.tally.complete(), "frames are taken again");
            self.show();
        }
    }

    /// After trouble: makes everything safe, waits for the device, and returns if the run may go on
    /// from the last complete frame. Fails with the first trouble if it may not; further trouble on
    /// the way counts as well.
    pub(super) async fn recover(&mut self, first: Fault) -> Result<Rested, Fault> {
        let mut fault = first.clone();
        loop {
            if !self.troubles.may_go_on(&fault, &self.beamline) {
                return Err(self.naming_the_frame(first).await);
            }
            let complete = self.tally.complete();
            tracing::warn!(%fault, complete, "recovering");
            self.note_absence(&fault);
            let Troubles { crashes, rewinds } = self.troubles;
            self.board.update(|progress| {
                progress.phase = RunPhase::Recovering;
                progress.recoveries = crashes + rewinds;
                progress.trouble = Some(fault.to_string());
            });
            let (begun, timeout) =
                (self.beamline.clock.now(), self.beamline.settings.device_timeout);
            match self.rest_and_publish().await {
                Ok(rested) => return Ok(rested),
                // It was waited for, and stays away: to wait again would be the same trouble twice.
                Err(next)
                    if next.class == FaultClass::Disconnected
                        && self.was_waited_for(begun, timeout) =>
                {
                    return Err(self.given_up(first, begun));
                }
                Err(next)
                    if first.class == FaultClass::Lost && next.class == FaultClass::Failed =>
                {
                    let reason = format!("{}; moreover: {next}", first.reason);
                    return Err(Fault { class: next.class, reason, ..first });
                }
                Err(next) => fault = next,
            }
        }
    }

    fn was_waited_for(&self, begun: Instant, timeout: Duration) -> bool {
        let now = self.beamline.clock.now();
        now >= begun + timeout || self.beamline.absent.longest(now) >= timeout
    }

    fn note_absence(&mut self, fault: &Fault) {
        if fault.class == FaultClass::Disconnected {
            self.away.entry(fault.device.clone()).or_insert_with(|| fault.reason.clone());
        }
    }

    /// A fault that says since when the device was waited for.
    fn given_up(&self, fault: Fault, since: Instant) -> Fault {
        let clock = &self.beamline.clock;
        let (waited, reason) = (clock.now() - since, &fault.reason);
        let since = super::iso8601_s(clock.unix_s(since));
        Fault {
            reason: format!("{reason}; it was waited for since {since}, for {waited:?}"),
            ..fault
        }
    }

    /// A fault that says which frame is lost: known only once everything else is on disk.
    async fn naming_the_frame(&mut self, fault: Fault) -> Fault {
        let takes_frames = self.plan.exposures().contains_key(&fault.device);
        if fault.class != FaultClass::Lost || !takes_frames {
            return fault;
        }
        let is_overwritten = self.overwritten.is_some();
        if let Err(next) = self.rest_now().await {
            tracing::warn!(fault = %next, "not at rest yet");
            if is_overwritten {
                let reason = format!("{}; moreover: {next}", fault.reason);
                return Fault { reason, ..fault };
            }
        }
        let frame = self.tally.on_disk_of(&fault.device);
        if frame < self.tally.total() {
            Fault { reason: format!("{}: frame {frame} is missing", fault.reason), ..fault }
        } else {
            fault
        }
    }

    async fn rest_and_publish(&mut self) -> Result<Rested, Fault> {
        let rested = self.rest().await?;
        if rested.is_ok() {
            self.publish_ready().await?;
        }
        Ok(rested)
    }

    /// Brings everything to rest and counts what is complete; waits for devices that are down, but
    /// no longer than the holder of the run wants to.
    async fn rest(&mut self) -> Result<Rested, Fault> {
        // What is up comes to rest at once and in any case; only then is the rest waited for.
        let Err(fault) = self.rest_now().await else {
            self.tally.land();
            return Ok(Ok(()));
        };
        if fault.class != FaultClass::Disconnected {
            return Err(fault);
        }
        tracing::warn!(%fault, "waiting for it");
        self.board.update(|progress| progress.trouble = Some(fault.to_string()));
        let (beamline, mut board) = (Rc::clone(&self.beamline), self.board.clone());
        let waited = beamline.come_to_rest(beamline.settings.device_timeout);
        let rest = tokio::select! { biased;
            intent = board.ended() => return Ok(Err(intent)),
            rest = waited => rest,
        };
        self.note(&rest.on_disk).await;
        rest.faults.into_iter().next().map_or(Ok(()), Err)?;
        self.tally.land();
        Ok(Ok(()))
    }

    /// Brings to rest whatever is up, and counts what is complete. Fails with the first device that
    /// is not at rest.
    pub(super) async fn rest_now(&mut self) -> Result<(), Fault> {
        let stopping = self.stopping.take();
        let stopped = async {
            match stopping {
                Some(stopping) => stopping.finish().await,
                None => Vec::new(),
            }
        };
        let (mut rest, stopped) =
            futures_util::join!(self.beamline.come_to_rest(Duration::ZERO), stopped);
        for fault in rest.faults.iter().chain(&stopped) {
            self.note_absence(fault);
            self.doubt(fault);
        }
        // Who was away then may be at rest now; what a source does not vouch for it tells once.
        let is_lasting = |fault: &Fault| fault.class != FaultClass::Disconnected;
        for fault in stopped.into_iter().filter(is_lasting) {
            if !rest.faults.contains(&fault) {
                rest.faults.push(fault);
            }
        }
        self.vouched = u64::MAX;
        self.note(&rest.on_disk).await;
        if let Some(collection) = self.collection.take() {
            let (harvest, collected) = collection.await;
            self.harvested(harvest);
            if let Err(fault) = collected {
                // Goes on from where it is known to have come.
                tracing::warn!(%fault, "collection interrupted");
            }
        }
        let mut faults = self.take_back().err().into_iter().chain(rest.faults);
        let Some(first) = faults.next() else { return Ok(()) };
        let reason = faults.fold(first.reason, |reason, fault| format!("{reason}; {fault}"));
        Err(Fault { reason, ..first })
    }

    /// As [`rest_now`](Self::rest_now), for a flight that is over: nobody moves anything by hand either.
    pub(super) async fn rest_for_good(&mut self) -> Result<(), Fault> {
        let beamline = Rc::clone(&self.beamline);
        beamline.hands_off(self.rest_now()).await
    }

    /// Takes note of what is on disk after everything came to rest.
    async fn note(&mut self, on_disk: &BTreeMap<Name, u64>) {
        if self.tally.is_flying() && !self.plan.is_stepped() {
            // What was heard while it ran is a lower bound, and all there is if the controller died, or
            // what counts the triggers: the motion may have gone on through a frame that it cut.
            let passed = self.beamline.frames_done(self.plan.controller()).await;
            let triggered = self.beamline.frames_triggered().await;
            if let (Ok(frames), Ok(triggered)) = (passed, triggered) {
                self.tally.pass_triggered(frames, triggered);
            }
        }
        for (name, rows) in on_disk {
            self.tally.hear(name, *rows);
        }
        self.show();
    }

    /// Shows what is complete to everybody.
    pub(super) fn show(&self) {
        let (complete, published) = (self.tally.complete(), self.tally.published());
        self.board.update(|progress| {
            progress.frames_done = complete;
            progress.frames_published = published;
            for (name, frames) in self.tally.on_disk() {
                if progress.detectors.get(name) != Some(&frames) {
                    progress.detectors.insert(name.clone(), frames);
                }
            }
        });
    }

    /// How many frames may be published now: none that may have to be taken again.
    fn open(&mut self) -> u64 {
        let complete = self.tally.complete().min(self.vouched);
        self.gate.open_to(self.beamline.clock.now().since_start(), complete)
    }

    /// Publishes what may be published now.
    async fn publish_ready(&mut self) -> Result<(), Fault> {
        let open = self.open();
        self.publish_to(open).await
    }

    /// Publishes every complete frame: nothing will be taken again.
    pub(super) async fn publish_all(&mut self) -> Result<(), Fault> {
        self.publish_to(self.tally.complete()).await
    }

    /// Which complete frames have no documents at the end, for this reason.
    pub(super) fn untold(&self, fault: Fault) -> (String, Fault) {
        let [first, end] =
            [self.tally.published(), self.tally.complete()].map(|i| self.tally.row(i));
        tracing::warn!(%fault, first, end, "frames on disk have no documents");
        let frames = format!("frames {first} to {}, which are on disk", end.saturating_sub(1));
        let operation = format!("document {frames}");
        (frames, Fault { operation, ..fault })
    }

    async fn publish_to(&mut self, open: u64) -> Result<(), Fault> {
        let harvest = std::mem::take(&mut self.harvest);
        let (harvest, collected) =
            harvest.collect(self.field(BTreeMap::new()), self.tally.complete(), open).await;
        self.harvested(harvest);
        collected
    }

    /// Starts to collect in the background, if there is anything to read or to publish.
    pub(super) fn collect(&mut self) -> Option<Collection> {
        let (open, complete) = (self.open(), self.tally.complete());
        let settings = &self.beamline.settings;
        let is_read = |(name, frames): (&Name, u64)| {
            self.harvest.read_of(name) >= frames || !settings.has_statistics(name)
        };
        if self.harvest.read >= complete
            && self.harvest.published >= open
            && self.tally.on_disk().all(is_read)
        {
            return None;
        }
        let harvest = std::mem::take(&mut self.harvest);
        let on_disk = self.tally.on_disk().map(|(name, frames)| (name.clone(), frames)).collect();
        Some(Box::pin(harvest.collect(self.field(on_disk), complete, open)))
    }

    /// Takes back what collected.
    pub(super) fn harvested(&mut self, harvest: super::collect::Harvest) {
        self.harvest = harvest;
        self.tally.publish(self.harvest.published);
        self.show();
    }

    fn field(&self, on_disk: BTreeMap<Name, u64>) -> Field {
        let (beamline, plan) = (Rc::clone(&self.beamline), Arc::clone(&self.plan));
        Field { beamline, plan, first_row: self.tally.row(0), on_disk }
    }
}
