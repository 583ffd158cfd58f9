//! [`Wired`]: a PandA whose settings are those of the scan, from before each part of it to its last frame.
use super::{
    capture::PandaCapture,
    guard::{Guard, Settled, Told},
    triggers::PandaTriggers,
    wiring::Wiring,
};
use crate::{
    logic::{
        detector::{Arm, Description, DetectorLogic, Doing, FilePlan, OpenFile, Summary},
        triggers::{TriggerLogic, TriggerPlan},
    },
    signal::panda::PandaSeat,
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    plan::ScanPlan,
};
use std::{
    cell::{Cell, RefCell},
    ops::Range,
    sync::Arc,
    time::Duration,
};

/// Does what its logic does, and vouches for nothing that came of it after somebody else has set what
/// it relies on.
pub struct Wired<L> {
    guard: Guard,
    logic: L,
    /// Frames that are vouched for, if those on disk are not.
    good: Cell<Option<u64>>,
    /// The scan that was loaded last.
    scan: RefCell<Option<Arc<ScanPlan>>>,
}

impl<L> Wired<L> {
    pub fn new(device: Name, (seat, wiring): (PandaSeat, Wiring), logic: L) -> Self {
        let guard = Guard::new(device, seat, wiring);
        Self { guard, logic, good: Cell::default(), scan: RefCell::default() }
    }
}

impl Wired<PandaCapture> {
    /// What came since the last look counts if nobody set anything.
    async fn settle(&self, operation: &str) -> Result<(), Fault> {
        let settled = self.guard.settle(operation).await;
        match settled {
            Ok(Settled::Clean) => self.good.set(None),
            Ok(Settled::Over) => {}
            Ok(Settled::Told | Settled::Unknown(_)) | Err(_) => self.forget()?,
        }
        settled.map(drop)
    }

    /// Takes what is not vouched for out of the file.
    fn forget(&self) -> Result<(), Fault> {
        self.good.get().map_or(Ok(()), |good| self.logic.forget_from(good))
    }

    fn vouched(&self, frames: u64) -> u64 {
        self.good.get().map_or(frames, |good| frames.min(good))
    }
}

impl DetectorLogic for Wired<PandaCapture> {
    fn make_safe(&self) -> Doing<'_, Option<OpenFile>> {
        Box::pin(async move {
            let file = DetectorLogic::make_safe(&self.logic).await?;
            if let Err(fault) = self.settle("make safe").await {
                tracing::warn!(%fault, "what came since is not vouched for");
            }
            Ok(file.map(|file| {
                let frames_on_disk = self.vouched(file.frames_on_disk);
                OpenFile { frames_on_disk, ..file }
            }))
        })
    }

    fn describe(&self) -> Doing<'_, Description> {
        DetectorLogic::describe(&self.logic)
    }

    fn open<'a>(&'a self, plan: &'a FilePlan) -> Doing<'a, OpenFile> {
        self.guard.forget();
        self.good.set(None);
        DetectorLogic::open(&self.logic, plan)
    }

    fn arm<'a>(&'a self, arm: &'a Arm) -> Doing<'a, ()> {
        Box::pin(async move {
            let last = arm.first_index + arm.frames.saturating_sub(1);
            let operation = format!("arm for frames {} to {last}", arm.first_index);
            self.guard.begin(&operation, self.logic.blocks()).await?;
            self.good.set(Some(arm.first_index));
            DetectorLogic::arm(&self.logic, arm).await
        })
    }

    fn on_disk<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()> {
        Box::pin(async move {
            let told = Told::default();
            let tell = |frames| told.tell(frames);
            let vouch = |frames| {
                self.good.set(Some(frames));
                progress(frames);
            };
            let work = DetectorLogic::on_disk(&self.logic, &tell);
            let ended = self.guard.accompany(TAKE, work, (&told, &vouch)).await;
            match &ended {
                Ok(()) => self.good.set(None),
                Err(_) if self.guard.is_over() => self.forget()?,
                // What is vouched for is known when it is at rest.
                Err(_) => {}
            }
            ended
        })
    }

    fn disarm(&self) -> Doing<'_, u64> {
        Box::pin(async move {
            let disarmed = self.logic.disarm().await;
            if !disarmed.as_ref().is_err_and(is_away) {
                self.settle("disarm").await?;
            }
            disarmed.map(|frames| self.vouched(frames))
        })
    }

    fn close(&self) -> Doing<'_, ()> {
        DetectorLogic::close(&self.logic)
    }

    fn hurry(&self) {
        self.logic.hurry();
    }

    fn take_one(&self, exposure: Duration) -> Doing<'_, f64> {
        self.logic.take_one(exposure)
    }

    fn summary(&self, frames: Range<u64>) -> Doing<'_, Summary> {
        self.logic.summary(frames)
    }
}

fn is_away(fault: &Fault) -> bool {
    fault.class == FaultClass::Disconnected
}

/// What a detector does, and a source of triggers.
const TAKE: &str = "bring its rows to disk";
const TRIGGER: &str = "trigger the frames";

impl Wired<PandaTriggers> {
    /// That a connection was lost is told once: it is no news when the triggers are safe again.
    fn told(&self, done: Result<(), Fault>) -> Result<(), Fault> {
        if done.as_ref().is_err_and(is_away) {
            self.guard.give_up();
        }
        done
    }
}

impl TriggerLogic for Wired<PandaTriggers> {
    fn check<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()> {
        self.logic.check(plan)
    }

    fn make_safe(&self) -> Doing<'_, ()> {
        Box::pin(async move {
            self.told(TriggerLogic::make_safe(&self.logic).await)?;
            match self.guard.settle(TRIGGER).await? {
                Settled::Unknown(fault) => Err(fault),
                Settled::Clean | Settled::Told | Settled::Over => Ok(()),
            }
        })
    }

    fn load<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()> {
        Box::pin(async move {
            let before = self.scan.replace(Some(Arc::clone(&plan.plan)));
            if !before.is_some_and(|before| Arc::ptr_eq(&before, &plan.plan)) {
                self.guard.forget();
            }
            self.guard.begin("load triggers", self.logic.blocks()).await?;
            self.logic.load(plan).await
        })
    }

    fn enable(&self) -> Doing<'_, ()> {
        self.logic.enable()
    }

    fn follow<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()> {
        Box::pin(async move {
            let told = Told::default();
            // Of a frame that is live nobody can vouch: what is set before its end is of it.
            let tell = |_| self.logic.triggered().into_iter().for_each(|whole| told.tell(whole));
            let work = self.logic.follow(&tell);
            self.told(self.guard.accompany(TRIGGER, work, (&told, progress)).await)
        })
    }

    fn triggered(&self) -> Option<u64> {
        self.logic.triggered()
    }
}
