//! [`Wired`]: a PandA whose wiring is verified before each part of a scan, and when its last frame is there.
use super::wiring::Wiring;
use crate::{
    logic::{
        detector::{Arm, Description, DetectorLogic, Doing, FilePlan, OpenFile, Summary},
        triggers::{TriggerLogic, TriggerPlan},
    },
    signal::panda::PandaSeat,
};
use bluefly_protocol::name::Name;
use std::{ops::Range, time::Duration};

/// Does what its logic does, unless somebody has changed the wiring since it was set.
pub struct Wired<L> {
    pub device: Name,
    pub seat: PandaSeat,
    pub wiring: Wiring,
    pub logic: L,
}

impl<L: DetectorLogic> DetectorLogic for Wired<L> {
    fn make_safe(&self) -> Doing<'_, Option<OpenFile>> {
        self.logic.make_safe()
    }

    fn describe(&self) -> Doing<'_, Description> {
        self.logic.describe()
    }

    fn open<'a>(&'a self, plan: &'a FilePlan) -> Doing<'a, OpenFile> {
        self.logic.open(plan)
    }

    fn arm<'a>(&'a self, arm: &'a Arm) -> Doing<'a, ()> {
        Box::pin(async move {
            self.wiring.verify(&self.device, &self.seat).await?;
            self.logic.arm(arm).await
        })
    }

    fn on_disk<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()> {
        Box::pin(async move {
            self.logic.on_disk(progress).await?;
            self.wiring.verify(&self.device, &self.seat).await
        })
    }

    fn disarm(&self) -> Doing<'_, u64> {
        self.logic.disarm()
    }

    fn close(&self) -> Doing<'_, ()> {
        self.logic.close()
    }

    fn take_one(&self, exposure: Duration) -> Doing<'_, f64> {
        self.logic.take_one(exposure)
    }

    fn summary(&self, frames: Range<u64>) -> Doing<'_, Summary> {
        self.logic.summary(frames)
    }
}

impl<L: TriggerLogic> TriggerLogic for Wired<L> {
    fn check<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()> {
        self.logic.check(plan)
    }

    fn make_safe(&self) -> Doing<'_, ()> {
        TriggerLogic::make_safe(&self.logic)
    }

    fn load<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()> {
        Box::pin(async move {
            self.wiring.verify(&self.device, &self.seat).await?;
            self.logic.load(plan).await
        })
    }

    fn enable(&self) -> Doing<'_, ()> {
        self.logic.enable()
    }

    fn follow<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()> {
        Box::pin(async move {
            self.logic.follow(progress).await?;
            self.wiring.verify(&self.device, &self.seat).await
        })
    }

    fn triggered(&self) -> Option<u64> {
        self.logic.triggered()
    }
}
