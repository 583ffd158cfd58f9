//! Flying a prepared scan: one [`attempt`](Flight::attempt) after another, each from the last
//! complete frame, until all frames are taken or the run is told or forced to end.
use super::{
    beamline::Beamline,
    collect::{Collection, Harvest},
    open::file_plan,
    phase::{Board, Session},
    recover::Troubles,
    stopping::Stopping,
    watch::{TRIGGER, Watch},
};
use crate::{
    device::{
        controller::{Build, Execute, MoveAxes},
        detector::{ArmFrames, Take},
        generator::{Enter, Entered},
        triggers::{Enable, Follow, Load},
    },
    logic::{detector::Arm, triggers::TriggerPlan},
    status::{Intent, Status},
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    plan::ScanPlan,
    run::RunPhase,
    tally::{Gate, Tally},
};
use futures_util::future::try_join_all;
use std::{cell::Cell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

/// How long a detector may take to get ready for triggers.
const ARM_WITHIN: Duration = Duration::from_secs(20);
/// How long a controller may take to accept a trajectory.
const BUILD_WITHIN: Duration = Duration::from_secs(20);
/// How long a source of triggers may take to get ready.
const LOAD_WITHIN: Duration = Duration::from_mins(2);
/// How long it may take to let triggers leave.
const ENABLE_WITHIN: Duration = Duration::from_secs(20);
/// How long a move to the start of a trajectory may take.
pub(super) const MOVE_WITHIN: Duration = Duration::from_hours(1);

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
    Told,
}

/// A scan in the air.
pub(super) struct Flight {
    pub(super) beamline: Rc<Beamline>,
    pub(super) plan: Arc<ScanPlan>,
    pub(super) board: Board,
    pub(super) tally: Tally,
    pub(super) gate: Gate,
    /// What was read of complete frames; with the collection while one is under way.
    pub(super) harvest: Harvest,
    pub(super) collection: Option<Collection>,
    /// Frames to take again when the flight is resumed.
    pub(super) retake: Rc<Cell<u64>>,
    /// A detector that lost rows which it had, and the first of them.
    pub(super) overwritten: Option<(Name, u64)>,
    /// Frames up to here were triggered as they should be, as sources of triggers tell.
    pub(super) vouched: u64,
    /// Triggers that come to rest, until all have been heard of.
    pub(super) stopping: Option<Stopping>,
    /// What the run has put up with so far.
    pub(super) troubles: Troubles,
    /// Devices that were away since everything was armed last, and why.
    pub(super) away: BTreeMap<Name, String>,
}

impl Flight {
    pub(super) fn new(
        beamline: Rc<Beamline>,
        plan: Arc<ScanPlan>,
        board: Board,
        session: &Session,
    ) -> Self {
        let gate = Gate::new(beamline.settings.lag);
        let detectors = beamline.detectors.keys().cloned();
        let tally = Tally::new(detectors, session.frames, plan.num_frames());
        let tally = if beamline.triggers.is_empty() { tally } else { tally.paced_apart() };
        Self {
            beamline,
            plan,
            board,
            tally,
            gate,
            harvest: Harvest::default(),
            collection: None,
            retake: Rc::default(),
            overwritten: None,
            vouched: u64::MAX,
            stopping: None,
            troubles: session.troubles,
            away: BTreeMap::new(),
        }
    }

    /// Whether a fault says that something is wrong with the frames of a detector.
    pub(super) fn is_of_frames(&self, fault: &Fault) -> bool {
        self.plan.exposures().contains_key(&fault.device)
            && !matches!(fault.class, FaultClass::Disconnected)
    }

    /// Flies until the end, whatever it is. Leaves everything at rest if it returns
    /// [`Flown::Completed`]; otherwise bringing it to rest is up to the caller.
    pub(super) async fn fly(&mut self) -> Result<Flown, Fault> {
        loop {
            let intent = match self.attempt().await {
                Ok(()) => return Ok(Flown::Completed),
                Err(Cut::Told(intent)) => intent,
                Err(Cut::Fault(fault)) => match self.recover(fault).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(intent)) => intent,
                    // Whoever wants it to end gets that, whatever else went wrong meanwhile.
                    Err(fault) if self.board.intent() >= Intent::Stop => {
                        tracing::warn!(%fault, "trouble while the run was to end");
                        return Ok(Flown::Told);
                    }
                    Err(fault) => return Err(fault),
                },
            };
            let intent = match intent {
                Intent::Pause => self.pause().await?,
                intent => intent,
            };
            match intent {
                Intent::Run | Intent::Pause => {}
                Intent::Stop | Intent::Abort => return Ok(Flown::Told),
            }
        }
    }

    /// Flies from the last complete frame to the end of the scan.
    async fn attempt(&mut self) -> Result<(), Cut> {
        if self.tally.complete() == self.tally.total() {
            return Ok(self.publish_all().await?);
        }
        self.board.phase(RunPhase::Starting);
        let mut board = self.board.clone();
        let patience = self.beamline.settings.crash_patience();
        board.unless_told(self.beamline.rest_from_hands(patience)).await??;
        let first = self.tally.enter();
        self.harvest.forget_from(first, self.tally.row(0));
        let entered = board.unless_told(self.enter(first)).await??;
        board.unless_told(self.move_to(&entered.start)).await??;
        board.unless_told(self.arm(first)).await??;
        if !self.plan.is_stepped() {
            board.unless_told(self.load_triggers(first)).await??;
        }
        self.away.clear();
        let watch = if self.plan.is_stepped() {
            board.unless_told(self.step_from(first)).await??
        } else {
            board.unless_told(self.launch(entered)).await??
        };
        self.tally.launch();
        self.board.phase(RunPhase::Running);
        self.follow(watch).await
    }

    async fn enter(&self, frame: u64) -> Result<Entered, Fault> {
        let (beamline, generator) = (&self.beamline, self.beamline.generator());
        let operation = format!("enter the scan at frame {frame}");
        let enter = || {
            let enter = Enter { plan: Arc::clone(&self.plan), frame };
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

    async fn arm(&self, frame: u64) -> Result<(), Fault> {
        let arms = self.plan.exposures().iter().map(|(name, exposure)| {
            let arm = Arm {
                first_index: self.tally.row(frame),
                frames: self.tally.total() - frame,
                frame_duration: self.plan.shortest_frame(),
                exposure: *exposure,
            };
            async move {
                let detector = self.beamline.detector(name)?;
                match detector.begin("arm", ArmFrames(arm)).await {
                    Ok(arming) => detector.finish("arm", &arming, ARM_WITHIN).await,
                    Err(fault) => Err(self.telling_what_is_there(fault)),
                }
            }
        });
        try_join_all(arms).await.map(drop)
    }

    /// A detector may come back without the file that it had: what is in there is worth knowing.
    fn telling_what_is_there(&self, fault: Fault) -> Fault {
        let frames = self.tally.on_disk_of(&fault.device);
        if fault.class != FaultClass::Failed || frames == 0 {
            return fault;
        }
        let reason = match (self.away.get(&fault.device), self.board.run()) {
            (Some(why), Some(uid)) => {
                let file = file_plan(&self.beamline, (&uid, &fault.device), frames);
                let path = file.directory.join(file.file_name);
                format!("{why} and came back without its file {}", path.display())
            }
            _ => fault.reason,
        };
        Fault { reason: format!("{reason}: {frames} of its frames are on disk"), ..fault }
    }

    /// Only now: a source that is loaded is bound to the detectors as they are armed.
    async fn load_triggers(&self, first_frame: u64) -> Result<(), Fault> {
        let loads = self.beamline.triggers.keys().map(|name| async move {
            let plan = TriggerPlan { plan: Arc::clone(&self.plan), first_frame };
            self.beamline.triggers(name)?.call("load triggers", Load(plan), LOAD_WITHIN).await
        });
        try_join_all(loads).await.map(drop)
    }

    /// Lets triggers leave, and follows them.
    async fn enable_triggers(&self) -> Result<Vec<(Name, Status<u64, ()>)>, Fault> {
        let enables = self.beamline.triggers.keys().map(|name| async move {
            let source = self.beamline.triggers(name)?;
            source.call("enable triggers", Enable, ENABLE_WITHIN).await?;
            Ok::<_, Fault>((name.clone(), source.begin(TRIGGER, Follow).await?))
        });
        try_join_all(enables).await
    }

    /// Builds the trajectory and starts it: what is under way from here on is in the watch.
    async fn launch(&self, entered: Entered) -> Result<Watch, Fault> {
        let controller = self.beamline.controller(self.plan.controller())?;
        let (axes, is_last) = (self.plan.axes().to_vec(), entered.batch.last);
        let build = Build { axes, batch: entered.batch };
        controller.call("build the trajectory", build, BUILD_WITHIN).await?;
        let takes = self.takes().await?;
        let triggers = self.enable_triggers().await?;
        let motion = controller.begin("execute the trajectory", Execute).await?;
        Ok(Watch::new(motion, triggers, takes, is_last))
    }

    /// Every detector begins to follow its frames.
    pub(super) async fn takes(&self) -> Result<Vec<(Name, Status<u64, ()>)>, Fault> {
        let takes = self.plan.exposures().keys().map(|name| async move {
            let take = self.beamline.detector(name)?.begin("take frames", Take).await?;
            Ok((name.clone(), take))
        });
        try_join_all(takes).await
    }
}
