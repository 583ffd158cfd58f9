//! The steps of a run: each has its undo, and each ends in a [`Conclusion`] that says where the
//! coordinator stands afterwards.
use super::{
    absent::Patience,
    beamline::Beamline,
    bulletin::Bulletin,
    flight::{Cut, Flight, Flown},
    open::{Opening, describe, open_run},
    phase::{Board, Conclusion, Phase, Session},
    publish::EndRun,
    request::Stage,
};
use crate::{
    device::{generator::Plan, motor::MayFly, triggers::Check},
    logic::triggers::TriggerPlan,
    status::{Intent, Outcome},
    storage::MasterEnd,
};
use bluefly_protocol::{
    document::{ExitStatus, Outcome as Ending},
    fault::{Fault, FaultClass},
    plan::ScanPlan,
    run::{RunEnd, RunPhase, RunProgress},
    scan::Spec,
};
use futures_util::future::try_join_all;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// How long checking a specification may take.
const PLAN_WITHIN: Duration = Duration::from_mins(10);
/// How long an undo waits, in all, for devices whose actor is being restarted, and for those that are
/// away and have not been waited for.
const UNDO_PATIENCE: Patience =
    Patience { restart: Duration::from_secs(10), away: Duration::from_secs(5) };
/// How long the disk may take to say how much is free.
const ROOM_WITHIN: Duration = Duration::from_secs(10);
/// How long documents may take to be written.
const PUBLISH_WITHIN: Duration = Duration::from_secs(30);

/// What every step works with.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) beamline: Rc<Beamline>,
    pub(super) bulletin: Bulletin,
    pub(super) board: Board,
    /// Why the run was told to end, if it was.
    pub(super) reason: Rc<RefCell<Option<String>>>,
    /// Frames to take again when the flight is resumed.
    pub(super) retake: Rc<Cell<u64>>,
    /// Tells the steps of this process apart.
    pub(super) kickoff: u64,
}

impl Setting {
    /// Makes everything safe and closes what an earlier run may have left open.
    pub(super) async fn stage(mut self, Stage { run: uid, metadata }: Stage) -> Conclusion {
        let beamline = Rc::clone(&self.beamline);
        self.bulletin.described(None);
        self.board.update(|progress| {
            *progress = RunProgress {
                phase: RunPhase::Staging,
                operation: progress.operation.take(),
                ended: progress.ended.take(),
                ..RunProgress::default()
            };
        });
        beamline.absent.forget();
        let patience = Patience::from(beamline.settings.device_timeout);
        let safe = async {
            let begun = beamline.clock.now();
            let rest = beamline.come_to_rest(patience).await;
            rest.faults.into_iter().next().map_or(Ok(()), Err)?;
            let patience = patience.after(beamline.clock.now() - begun);
            beamline.close_files(patience).await.into_iter().next().map_or(Ok(()), Err)
        };
        match self.board.unless_told(safe).await {
            Ok(Ok(())) => {
                let session = Session { uid, metadata, ..Session::default() };
                Conclusion { next: Phase::Staged(session), end: Ok(Outcome::Done(0)) }
            }
            Ok(Err(fault)) => failed(Phase::Idle, fault),
            Err(intent) => told(Phase::Idle, intent, 0),
        }
    }

    /// Checks a specification; where it cannot be flown the session stays as it was, with `before`,
    /// the plan that was ready.
    pub(super) async fn prepare(
        mut self,
        session: Session,
        before: Option<Arc<ScanPlan>>,
        spec: Spec,
    ) -> Conclusion {
        self.board.phase(RunPhase::Preparing);
        let planning = self.clone();
        let planned = async {
            let plan = planning.plan(&session, spec).await?;
            planning.may_fly(&plan).await?;
            planning.may_trigger(&plan).await?;
            let description = describe(&planning.beamline, &plan, &session).await?;
            Ok::<_, Fault>((plan, description))
        };
        let planned = self.board.unless_told(planned).await;
        match planned {
            Ok(Ok((plan, description))) => {
                let before = session.frames;
                self.bulletin.described(Some(Arc::new(description)));
                let (total, bytes) = (plan.num_frames(), plan.file_bytes());
                let predicted = plan.prediction().duration;
                self.board.update(|progress| {
                    progress.frames_before = before;
                    progress.frames_total = total;
                    progress.frames_done = 0;
                    progress.frames_published = 0;
                    progress.detectors.clear();
                    progress.predicted_s = predicted.as_secs_f64();
                    progress.predicted_bytes = bytes;
                });
                Conclusion { next: Phase::Ready(session, plan), end: Ok(Outcome::Done(0)) }
            }
            Ok(Err(fault)) => failed(settled(session, before), fault),
            Err(intent) => {
                let ending = self.told(intent);
                self.unstage(session, ending).await
            }
        }
    }

    async fn plan(&self, session: &Session, spec: Spec) -> Result<Arc<ScanPlan>, Fault> {
        let (beamline, generator) = (&self.beamline, self.beamline.generator());
        let plan = || {
            let capabilities = Arc::clone(&beamline.capabilities);
            let plan = Plan { spec: spec.clone(), capabilities };
            generator.call("plan the scan", plan, PLAN_WITHIN)
        };
        let patience = beamline.settings.device_timeout;
        let plan: Arc<ScanPlan> = beamline.persist(patience, &beamline.generator.1, plan).await?;
        match &session.run {
            Some(run) if run.axes != plan.axes() => {
                let reason = format!(
                    "$: axes {:?} differ from {:?}, those of the run that is open",
                    plan.axes(),
                    run.axes
                );
                Err(generator.fault("plan the scan", FaultClass::Rejected, reason))
            }
            _ => self.find_room(&plan).await.map(|()| plan),
        }
    }

    /// Fails if a motor that the scan moves would not follow.
    async fn may_fly(&self, plan: &ScanPlan) -> Result<(), Fault> {
        let beamline = &self.beamline;
        let patience = beamline.settings.device_timeout;
        try_join_all(plan.axes().iter().map(|axis| async move {
            let motor = beamline.motor(axis)?;
            let may_fly = || async { motor.ask("fly", MayFly).await? };
            beamline.persist(patience, &beamline.motors[axis], may_fly).await
        }))
        .await
        .map(drop)
    }

    /// Fails if a source of triggers could not trigger the scan.
    async fn may_trigger(&self, plan: &Arc<ScanPlan>) -> Result<(), Fault> {
        let beamline = &self.beamline;
        let patience = beamline.settings.device_timeout;
        try_join_all(beamline.triggers.iter().map(|(name, source)| async move {
            let caller = beamline.triggers(name)?;
            let check = || {
                let check = Check(TriggerPlan { plan: Arc::clone(plan), first_frame: 0 });
                caller.call("trigger the scan", check, PLAN_WITHIN)
            };
            beamline.persist(patience, source, check).await
        }))
        .await
        .map(drop)
    }

    /// Fails if the scan cannot be begun now: nothing was changed then.
    async fn may_begin(&self, plan: &Arc<ScanPlan>) -> Result<(), Fault> {
        self.find_room(plan).await?;
        self.beamline.rest_from_hands(self.beamline.settings.device_timeout).await?;
        self.may_fly(plan).await?;
        // A source that was away when the scan was prepared may take less than was thought.
        self.may_trigger(plan).await
    }

    /// Fails if the disk has no room for what the scan is to leave: better before it than in the
    /// middle of the night.
    async fn find_room(&self, plan: &ScanPlan) -> Result<(), Fault> {
        let beamline = &self.beamline;
        let directory = &beamline.settings.directory;
        let fault =
            |class, reason| beamline.generator().fault("find room for the scan", class, reason);
        let room = beamline.storage.room(directory.join("any"));
        let room = beamline.clock.timeout(ROOM_WITHIN, room).await.map_err(|_| {
            fault(FaultClass::Failed, format!("the disk says nothing for {ROOM_WITHIN:?}"))
        })?;
        let room = room.map_err(|error| fault(FaultClass::Failed, error.to_string()))?;
        let (frames, bytes) = (plan.num_frames(), plan.file_bytes());
        if bytes <= room {
            return Ok(());
        }
        let (place, needed, left) = (directory.display(), size(bytes), size(room));
        let reason = format!(
            "$: {frames} frames need {needed} in {place}, which has room for {left} (data.min_free \
             is kept free)"
        );
        Err(fault(FaultClass::Rejected, reason))
    }

    /// Flies a prepared scan; undoes everything unless all frames are taken. Where the disk has no
    /// room for it any more, or a motor cannot be brought to rest that was moved by hand, nothing is
    /// begun and the session stays as it was.
    pub(super) async fn fly(mut self, mut session: Session, plan: Arc<ScanPlan>) -> Conclusion {
        self.board.phase(RunPhase::Starting);
        let asking = self.clone();
        // Hours may lie between prepare and kickoff.
        let found = tokio::select! { biased;
            intent = self.board.ended() => Err(intent),
            found = asking.may_begin(&plan) => Ok(found),
        };
        match found {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return failed(Phase::Ready(session, plan), fault),
            Err(intent) => {
                let ending = self.told(intent);
                return self.unstage(session, ending).await;
            }
        }
        let (board, beamline) = (self.board.clone(), Rc::clone(&self.beamline));
        if session.run.is_none() {
            let opening = Opening { plan: &plan, session: &session, kickoff: self.kickoff };
            match open_run(&beamline, (&self.bulletin, &board), opening).await {
                Ok(run) => session.run = Some(run),
                Err(Cut::Told(intent)) => {
                    let (session, ending) = (self.bulletin.left_behind(), self.told(intent));
                    return self.unstage(session, ending).await;
                }
                Err(Cut::Fault(fault)) => {
                    let session = self.bulletin.left_behind();
                    return self.fail(session, fault).await;
                }
            }
        }
        let mut flight = Flight::new(beamline, Arc::clone(&plan), board, &session);
        flight.retake = Rc::clone(&self.retake);
        let flown = flight.fly().await;
        session.troubles = flight.troubles;
        // What is wanted while the last documents go out is not forgotten.
        if let Ok(Flown::Completed) = flown
            && self.board.intent() < Intent::Stop
        {
            let frames = flight.tally.complete();
            session.frames += frames;
            return Conclusion { next: Phase::Completed(session), end: Ok(Outcome::Done(frames)) };
        }
        self.board.phase(RunPhase::Undoing);
        // Whatever cannot come to rest is met again, and told of, by the undo; what is wrong with frames
        // is told once.
        if let Err(fault) = flight.rest_for_good().await {
            tracing::warn!(%fault, "not at rest yet");
            if flown.is_ok() && flight.is_of_frames(&fault) {
                session.frames += flight.tally.published();
                return self.fail(session, fault).await;
            }
        }
        let untold = flight.publish_all().await.err().map(|fault| flight.untold(fault));
        session.frames += flight.tally.published();
        match flown {
            // An abort that came after a stop, while everything came to rest, counts more.
            Ok(_) => match (untold, self.told(self.board.intent())) {
                (Some((_, fault)), Ending::Success) => self.fail(session, fault).await,
                (_, ending) => self.unstage(session, ending).await,
            },
            Err(fault) => {
                let moreover = untold.map(|(frames, Fault { device, reason, .. })| {
                    format!("; moreover, no document tells of {frames} ({device}: {reason})")
                });
                let reason = format!("{}{}", fault.reason, moreover.unwrap_or_default());
                self.fail(session, Fault { reason, ..fault }).await
            }
        }
    }

    /// How a run ends that was told to. One that was stopped is a success: it has what it has.
    pub(super) fn told(&self, intent: Intent) -> Ending {
        match intent {
            Intent::Abort => {
                let reason = self.reason.borrow().clone();
                Ending::Abort { reason: reason.unwrap_or_else(|| "aborted by request".to_owned()) }
            }
            Intent::Run | Intent::Pause | Intent::Stop => Ending::Success,
        }
    }

    async fn fail(self, session: Session, fault: Fault) -> Conclusion {
        tracing::warn!(%fault, "the run failed");
        // Whatever is rejected after the plan was accepted is no mistake of the caller.
        let class = match fault.class {
            FaultClass::Rejected => FaultClass::Failed,
            class @ (FaultClass::Disconnected | FaultClass::Failed | FaultClass::Lost) => class,
        };
        let fault = Fault { class, ..fault };
        let text = fault.to_string();
        self.board.update(|progress| progress.trouble = Some(text.clone()));
        let faults = self.wind_up(&session, &Ending::Fail { reason: text }).await;
        let is_it = |undo: &Fault| is_away(undo) && is_away(&fault) && undo.device == fault.device;
        let look = if faults.iter().any(is_it) { LOOK } else { "" };
        let moreover = all(faults.into_iter().filter(|undo| !is_it(undo)).collect());
        let moreover = moreover.map(|undo| format!("; moreover, when undoing: {undo}"));
        let reason = format!("{}{look}{}", fault.reason, moreover.unwrap_or_default());
        failed(Phase::Idle, Fault { reason, ..fault })
    }

    /// Brings everything to rest, closes files, ends the run's documents. Legal whatever was done
    /// before; fails with the first thing that could not be undone, having done all the others.
    pub(super) async fn unstage(self, session: Session, ending: Ending) -> Conclusion {
        let faults = self.wind_up(&session, &ending).await;
        let frames = session.frames;
        let end = match (all(faults), ending) {
            (Some(fault), _) => Err(fault.into()),
            (None, Ending::Abort { .. }) => Ok(Outcome::Aborted),
            (None, Ending::Success | Ending::Fail { .. }) => Ok(Outcome::Done(frames)),
        };
        Conclusion { next: Phase::Idle, end }
    }

    /// As [`unstage`](Self::unstage); what could not be undone.
    async fn wind_up(&self, session: &Session, ending: &Ending) -> Vec<Fault> {
        self.board.phase(match ending {
            Ending::Success => RunPhase::Unstaging,
            Ending::Abort { .. } | Ending::Fail { .. } => RunPhase::Undoing,
        });
        let mut faults = undo(&self.beamline).await;
        self.end_run(session, ending, &mut faults).await;
        for fault in &faults {
            tracing::warn!(%fault, "could not be undone");
        }
        faults
    }

    /// Finishes the master file and publishes the stop document; adds what failed to `faults`. A run
    /// that could not be undone is no success.
    async fn end_run(&self, session: &Session, ending: &Ending, faults: &mut Vec<Fault>) {
        let beamline = &self.beamline;
        if let Some(master) = session.run.as_ref().and_then(|run| run.master.clone()) {
            let ending = honest(ending, faults);
            let (exit_status, reason) = match &ending {
                Ending::Success => ("success", ""),
                Ending::Abort { reason } => ("abort", reason.as_str()),
                Ending::Fail { reason } => ("fail", reason.as_str()),
            };
            let end = MasterEnd {
                end_time: super::iso8601(beamline.clock.unix_s(beamline.clock.now())),
                exit_status: exit_status.to_owned(),
                reason: reason.to_owned(),
                num_frames: session.frames,
            };
            let finish = beamline.storage.finish_master(master, end);
            let finished = match beamline.clock.timeout(PUBLISH_WITHIN, finish).await {
                Ok(finished) => finished.map_err(|error| error.to_string()),
                Err(_) => Err(format!("it takes longer than {PUBLISH_WITHIN:?}")),
            };
            faults.extend(finished.err().map(|reason| {
                let publisher = beamline.publisher();
                publisher.fault("finish the master file", FaultClass::Failed, reason)
            }));
        }
        // Also if no run is known here: whoever began one may have died before it heard of it.
        let publisher = beamline.publisher();
        let ending = honest(ending, faults);
        let end = || publisher.call("end the run", EndRun(ending.clone()), PUBLISH_WITHIN);
        let ended = beamline.persist(UNDO_PATIENCE, &beamline.publisher.1, end).await;
        faults.extend(ended.err());
        // Also if its documents have no end: nothing will be added to them.
        self.bulletin.closed(run_end(session, honest(&ending, faults)));
    }
}

/// Brings everything to rest and closes files, having waited once for whoever is not there: what
/// could not be done, each device that is away once.
async fn undo(beamline: &Beamline) -> Vec<Fault> {
    let begun = beamline.clock.now();
    let patience = || UNDO_PATIENCE.after(beamline.clock.now() - begun);
    let mut faults = beamline.hands_off(beamline.come_to_rest(patience())).await.faults;
    faults.extend(beamline.stop_motors(patience()).await);
    faults.extend(beamline.close_files(patience()).await);
    let mut away = BTreeSet::new();
    faults.retain(|fault| !is_away(fault) || away.insert(fault.device.clone()));
    for fault in faults.iter_mut().filter(|fault| is_away(fault)) {
        fault.reason.push_str(LOOK);
    }
    faults
}

const fn is_away(fault: &Fault) -> bool {
    matches!(fault.class, FaultClass::Disconnected)
}

/// What is to be done about a device that nothing could be told.
const LOOK: &str = "; nobody knows whether it is at rest: look";

/// How a run ended, for those who ask later.
fn run_end(session: &Session, ending: Ending) -> RunEnd {
    let (exit_status, reason) = match ending {
        Ending::Success => (ExitStatus::Success, String::new()),
        Ending::Abort { reason } => (ExitStatus::Abort, reason),
        Ending::Fail { reason } => (ExitStatus::Fail, reason),
    };
    let run = session.run.as_ref().map(|run| run.uid.clone()).unwrap_or_default();
    RunEnd { run, exit_status, reason, num_frames: session.frames }
}

/// A number of bytes in the unit in which people compare it.
fn size(bytes: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let bytes = bytes as f64;
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(|| format!("{bytes} B"), |(unit, name)| format!("{:.1} {name}", bytes / unit))
}

/// How a run ends, given what could not be undone.
fn honest(ending: &Ending, faults: &[Fault]) -> Ending {
    match (ending, faults.first()) {
        (Ending::Success, Some(fault)) => Ending::Fail { reason: fault.to_string() },
        _ => ending.clone(),
    }
}

/// The first fault, with the others in its text; what a device has said once is not repeated.
fn all(faults: Vec<Fault>) -> Option<Fault> {
    let mut causes = BTreeSet::new();
    let is_new = |fault: &Fault| causes.insert((fault.device.clone(), fault.reason.clone()));
    let mut faults = faults.into_iter().filter(is_new);
    let first = faults.next()?;
    let reason = faults.fold(first.reason, |reason, fault| format!("{reason}; {fault}"));
    Some(Fault { reason, ..first })
}

/// Where a session stands that is not being worked on.
fn settled(session: Session, plan: Option<Arc<ScanPlan>>) -> Phase {
    match plan {
        Some(plan) => Phase::Ready(session, plan),
        None if session.run.is_some() => Phase::Completed(session),
        None => Phase::Staged(session),
    }
}

fn failed(next: Phase, fault: Fault) -> Conclusion {
    Conclusion { next, end: Err(fault.into()) }
}

fn told(next: Phase, intent: Intent, frames: u64) -> Conclusion {
    let end = match intent {
        Intent::Abort => Ok(Outcome::Aborted),
        Intent::Run | Intent::Pause | Intent::Stop => Ok(Outcome::Done(frames)),
    };
    Conclusion { next, end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_was_named_for_everything_that_it_kept_from_being_undone() {
        let fault = |device: &str, operation: &str, reason: &str| Fault {
            device: device.parse().expect("it is a name"),
            operation: operation.to_owned(),
            class: FaultClass::Failed,
            reason: reason.to_owned(),
        };
        let check = |faults: &[Fault], expected: Option<&str>| {
            assert_eq!(all(faults.to_vec()).map(|fault| fault.to_string()).as_deref(), expected);
        };
        check(&[], None);
        let gone = |operation| fault("camera", operation, "it is disconnected");
        let other = fault("x", "stop", "it is disconnected");
        check(
            &[gone("disarm"), gone("close the file"), other, gone("stop")],
            Some("camera: cannot disarm: it is disconnected; x: cannot stop: it is disconnected"),
        );
        check(
            &[gone("disarm"), fault("camera", "close", "it takes longer than 5s")],
            Some(
                "camera: cannot disarm: it is disconnected; camera: cannot close: it takes longer \
                 than 5s",
            ),
        );
    }
}
