//! Flying a prepared scan: one [`attempt`](Flight::attempt) after another, each from the last
//! complete frame, until all frames are taken or the run is told or forced to end.
use super::{
    beamline::Beamline,
    collect::Gate,
    phase::{Board, Session},
    watch::{Collection, Watch},
};
use crate::{
    device::{
        controller::{Build, Execute, MoveAxes},
        detector::{ArmFrames, Take},
        generator::{Enter, Entered},
    },
    logic::detector::Arm,
    status::{Intent, OperationPhase},
};
use bluefly_protocol::{
    beamline::OnCrash,
    fault::{Fault, FaultClass},
    name::Name,
    plan::ScanPlan,
    run::RunPhase,
};
use futures_util::future::try_join_all;
use std::{cell::Cell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

/// How long a detector may take to get ready for triggers.
const ARM_WITHIN: Duration = Duration::from_secs(20);
/// How long a controller may take to accept a trajectory.
const BUILD_WITHIN: Duration = Duration::from_secs(20);
/// How long a move to the start of a trajectory may take.
const MOVE_WITHIN: Duration = Duration::from_hours(1);

/// Why an attempt ended before its last frame.
#[derive(Debug)]
pub(super) enum Cut {
    /// The holder of the run wants something else.
    Told(Intent),
    Fault(Fault),
}

impl From<Fault> for Cut {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Intent> for Cut {
    fn from(intent: Intent) -> Self {
        Self::Told(intent)
    }
}

/// How a flight ended that no fault ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flown {
    /// Every frame is taken.
    Completed,
    /// It was told to end early.
    Stopped,
    Aborted,
}

/// A scan in the air.
pub(super) struct Flight {
    pub(super) beamline: Rc<Beamline>,
    pub(super) plan: Arc<ScanPlan>,
    pub(super) board: Board,
    /// Frames of earlier scans of this run: where frame 0 of this one lands.
    pub(super) base: u64,
    /// Frames that the motion has gone through and every detector has on disk.
    pub(super) complete: u64,
    /// Frames whose documents are out; never more than `complete`.
    pub(super) published: u64,
    pub(super) gate: Gate,
    /// Contiguous frames on disk in the run, as last heard.
    pub(super) on_disk: BTreeMap<Name, u64>,
    /// Frame at which the present attempt began, and how many it has gone through.
    pub(super) entered: u64,
    pub(super) passed: u64,
    /// Documents on their way out.
    pub(super) collection: Option<Collection>,
    /// Frames to take again when the flight is resumed.
    pub(super) retake: Rc<Cell<u64>>,
    crashes: u32,
    rewinds: u32,
}

impl Flight {
    pub(super) fn new(
        beamline: Rc<Beamline>,
        plan: Arc<ScanPlan>,
        board: Board,
        session: &Session,
    ) -> Self {
        let gate = Gate::new(beamline.settings.lag);
        let base = session.frames;
        let on_disk = beamline.detectors.keys().map(|name| (name.clone(), base)).collect();
        Self {
            beamline,
            plan,
            board,
            base,
            complete: 0,
            published: 0,
            gate,
            on_disk,
            entered: 0,
            passed: 0,
            collection: None,
            retake: Rc::default(),
            crashes: 0,
            rewinds: 0,
        }
    }

    /// Flies until the end, whatever it is. Leaves everything at rest if it returns
    /// [`Flown::Completed`]; otherwise bringing it to rest is up to the caller.
    pub(super) async fn fly(&mut self) -> Result<Flown, Fault> {
        loop {
            let intent = match self.attempt().await {
                Ok(()) => return Ok(Flown::Completed),
                Err(Cut::Told(intent)) => intent,
                Err(Cut::Fault(fault)) => match self.recover(fault).await? {
                    Ok(()) => continue,
                    Err(intent) => intent,
                },
            };
            let intent = match intent {
                Intent::Pause => self.pause().await?,
                intent => intent,
            };
            match intent {
                Intent::Run | Intent::Pause => {}
                Intent::Stop => return Ok(Flown::Stopped),
                Intent::Abort => return Ok(Flown::Aborted),
            }
        }
    }

    /// Flies from the last complete frame to the end of the scan.
    async fn attempt(&mut self) -> Result<(), Cut> {
        if self.complete == self.plan.num_frames() {
            return Ok(self.publish_all().await?);
        }
        self.board.phase(RunPhase::Starting);
        let mut board = self.board.clone();
        self.entered = self.complete;
        self.passed = 0;
        let entered = board.unless_told(self.enter()).await??;
        board.unless_told(self.move_to(&entered.start)).await??;
        board.unless_told(self.arm()).await??;
        let watch = board.unless_told(self.launch(entered)).await??;
        self.board.phase(RunPhase::Running);
        self.follow(watch).await
    }

    async fn enter(&self) -> Result<Entered, Fault> {
        let (beamline, generator) = (&self.beamline, self.beamline.generator());
        let operation = format!("enter the scan at frame {}", self.complete);
        let enter = || {
            let enter = Enter { plan: Arc::clone(&self.plan), frame: self.complete };
            generator.ask(&operation, enter)
        };
        let patience = beamline.settings.crash_patience();
        let entered = beamline.persist(patience, &beamline.generator.1, enter).await?;
        entered.map_err(|refused| generator.fault(&operation, FaultClass::Failed, refused))
    }

    async fn move_to(&self, start: &[f64]) -> Result<(), Fault> {
        let axes = self.plan.axes().iter().cloned().zip(start.iter().copied()).collect();
        let controller = self.beamline.controller(self.plan.controller())?;
        controller.call("move to the start of the trajectory", MoveAxes(axes), MOVE_WITHIN).await
    }

    async fn arm(&self) -> Result<(), Fault> {
        let arms =
            self.plan.exposures().iter().map(|(name, exposure)| {
                let arm = Arm {
                    first_index: self.base + self.complete,
                    frames: self.plan.num_frames() - self.complete,
                    frame_duration: self.plan.shortest_frame(),
                    exposure: *exposure,
                };
                async move {
                    self.beamline.detector(name)?.call("arm", ArmFrames(arm), ARM_WITHIN).await
                }
            });
        try_join_all(arms).await.map(drop)
    }

    /// Builds the trajectory and starts it: what is under way from here on is in the watch.
    async fn launch(&self, entered: Entered) -> Result<Watch, Fault> {
        let controller = self.beamline.controller(self.plan.controller())?;
        let (axes, is_last) = (self.plan.axes().to_vec(), entered.batch.last);
        let build = Build { axes, batch: entered.batch };
        controller.call("build the trajectory", build, BUILD_WITHIN).await?;
        let takes = self.plan.exposures().keys().map(|name| async move {
            let take = self.beamline.detector(name)?.begin("take frames", Take).await?;
            Ok::<_, Fault>((name.clone(), take))
        });
        let takes = try_join_all(takes).await?;
        let motion = controller.begin("execute the trajectory", Execute).await?;
        Ok(Watch::new(motion, takes, is_last))
    }

    /// Brings everything to rest at a safe point and stays there until something else is wanted.
    async fn pause(&mut self) -> Result<Intent, Fault> {
        self.board.phase(RunPhase::Pausing);
        self.board.operation(OperationPhase::Pausing);
        let mut intent = Intent::Pause;
        if let Err(told) = self.rest().await? {
            intent = told;
        }
        if intent <= Intent::Pause {
            self.publish_ready().await?;
            self.board.phase(RunPhase::Paused);
            self.board.operation(OperationPhase::Paused);
            tracing::info!(complete = self.complete, "paused");
            intent = self.board.unpaused().await;
        }
        if intent == Intent::Run {
            self.board.operation(OperationPhase::Running);
            self.go_back(self.retake.take());
        }
        Ok(intent)
    }

    /// Forgets the last `frames` complete frames, so that they are taken again; never those whose
    /// documents are out.
    fn go_back(&mut self, frames: u64) {
        if frames == 0 {
            return;
        }
        self.complete = self.complete.saturating_sub(frames).max(self.published);
        (self.entered, self.passed) = (self.complete, 0);
        let end = self.base + self.complete;
        self.on_disk.values_mut().for_each(|known| *known = end.min(*known));
        tracing::info!(frames, complete = self.complete, "frames are taken again");
        self.count();
    }

    /// After trouble: makes everything safe, waits for the device, and returns if the run may go on
    /// from the last complete frame. Fails with the trouble itself if it may not.
    async fn recover(&mut self, fault: Fault) -> Result<Result<(), Intent>, Fault> {
        let settings = &self.beamline.settings;
        let goes_on = match fault.class {
            FaultClass::Disconnected => {
                self.crashes += 1;
                settings.on_crash == OnCrash::Resume && self.crashes <= settings.max_crashes
            }
            FaultClass::Lost => {
                self.rewinds += 1;
                self.rewinds <= settings.max_rewinds
            }
            FaultClass::Rejected | FaultClass::Failed => false,
        };
        if !goes_on {
            return Err(self.naming_the_frame(fault).await);
        }
        tracing::warn!(%fault, complete = self.complete, "recovering");
        let recoveries = self.crashes + self.rewinds;
        self.board.update(|progress| {
            progress.phase = RunPhase::Recovering;
            progress.recoveries = recoveries;
            progress.trouble = Some(fault.to_string());
        });
        let rested = self.rest().await?;
        if rested.is_ok() {
            self.publish_ready().await?;
        }
        Ok(rested)
    }

    /// A fault that says which frame is lost: known only once everything else is on disk.
    async fn naming_the_frame(&mut self, fault: Fault) -> Fault {
        if fault.class != FaultClass::Lost {
            return fault;
        }
        if let Err(fault) = self.rest_now().await {
            tracing::warn!(%fault, "not at rest yet");
        }
        match self.on_disk.get(&fault.device) {
            Some(frames) if *frames < self.base + self.plan.num_frames() => {
                let frame = frames.saturating_sub(self.base);
                Fault { reason: format!("{}: frame {frame} is missing", fault.reason), ..fault }
            }
            _ => fault,
        }
    }

    /// Brings everything to rest and counts what is complete; waits for devices that are down, but
    /// no longer than the holder of the run wants to.
    pub(super) async fn rest(&mut self) -> Result<Result<(), Intent>, Fault> {
        // What is up comes to rest at once and in any case; only then is the rest waited for.
        let Err(fault) = self.rest_now().await else { return Ok(Ok(())) };
        if fault.class != FaultClass::Disconnected {
            return Err(fault);
        }
        tracing::warn!(%fault, "waiting for it");
        let (beamline, mut board) = (Rc::clone(&self.beamline), self.board.clone());
        let patience = beamline.settings.device_timeout;
        let waited = beamline.come_to_rest(patience);
        let rest = tokio::select! { biased;
            intent = board.ended() => return Ok(Err(intent)),
            rest = waited => rest,
        };
        self.note(&rest.on_disk).await;
        rest.faults.into_iter().next().map_or(Ok(Ok(())), Err)
    }

    /// Brings to rest whatever is up, and counts what is complete. Fails with the first device that
    /// is not at rest.
    pub(super) async fn rest_now(&mut self) -> Result<(), Fault> {
        let rest = self.beamline.come_to_rest(Duration::ZERO).await;
        self.note(&rest.on_disk).await;
        if let Some(collection) = self.collection.take() {
            match collection.await {
                Ok(published) => self.published(published),
                // Published again from where it is known to have come.
                Err(fault) => tracing::warn!(%fault, "collection interrupted"),
            }
        }
        rest.faults.into_iter().next().map_or(Ok(()), Err)
    }

    /// Takes note of what is on disk after everything came to rest.
    async fn note(&mut self, on_disk: &BTreeMap<Name, u64>) {
        for (name, frames) in on_disk {
            let known = self.on_disk.entry(name.clone()).or_default();
            *known = (*known).max(*frames);
        }
        // What was heard while it ran is a lower bound, and all there is if the controller died.
        if let Ok(frames) = self.beamline.frames_done(self.plan.controller()).await {
            self.passed = self.passed.max(frames.min(self.plan.num_frames() - self.entered));
        }
        self.count();
    }

    /// Counts complete frames: those that the motion went through at speed and every detector has
    /// on disk. The frame during which the motion was halted is on disk too, but not complete.
    pub(super) fn count(&mut self) {
        let on_disk = self.on_disk.values().map(|frames| frames.saturating_sub(self.base)).min();
        let passed = self.entered + self.passed;
        self.complete = self.complete.max(on_disk.unwrap_or(passed).min(passed));
        let (complete, base) = (self.complete, self.base);
        let detectors: BTreeMap<Name, u64> = self.on_disk.clone();
        self.board.update(|progress| {
            progress.frames_done = complete;
            progress.detectors =
                detectors.into_iter().map(|(name, n)| (name, n.saturating_sub(base))).collect();
        });
    }

    /// Publishes what may be published now.
    pub(super) async fn publish_ready(&mut self) -> Result<(), Fault> {
        let to = self.gate.open_to(self.beamline.clock.now(), self.complete);
        self.publish_to(to).await
    }

    /// Publishes every complete frame: nothing will be taken again.
    pub(super) async fn publish_all(&mut self) -> Result<(), Fault> {
        self.publish_to(self.complete).await
    }

    async fn publish_to(&mut self, to: u64) -> Result<(), Fault> {
        if to > self.published {
            let (beamline, plan) = (Rc::clone(&self.beamline), Arc::clone(&self.plan));
            let frames = self.published..to;
            self.published(super::collect::publish(beamline, plan, self.base, frames).await?);
        }
        Ok(())
    }

    pub(super) fn published(&mut self, published: u64) {
        self.published = published;
        self.board.update(|progress| progress.frames_published = published);
    }
}
