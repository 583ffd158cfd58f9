//! An areaDetector as every other detector.
use super::AreaDetector;
use crate::logic::detector::{
    Arm, Description, DetectorLogic, Doing, FilePlan, OpenFile, Stepper, Summary,
};
use bluefly_protocol::beamline::Trigger;
use std::{ops::Range, rc::Rc, time::Duration};

impl DetectorLogic for AreaDetector {
    fn make_safe(&self) -> Doing<'_, Option<OpenFile>> {
        Box::pin(self.make_safe())
    }

    fn describe(&self) -> Doing<'_, Description> {
        Box::pin(self.describe())
    }

    fn open<'a>(&'a self, plan: &'a FilePlan) -> Doing<'a, OpenFile> {
        Box::pin(self.open(plan))
    }

    fn arm<'a>(&'a self, arm: &'a Arm) -> Doing<'a, ()> {
        Box::pin(self.arm(arm))
    }

    fn on_disk<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()> {
        Box::pin(self.on_disk(progress))
    }

    fn stepper(self: Rc<Self>) -> Option<Rc<dyn Stepper>> {
        match self.setup.trigger {
            Trigger::Software => Some(self),
            Trigger::Internal | Trigger::Edge | Trigger::Gate => None,
        }
    }

    fn hurry(&self) {
        self.patience.hurry();
    }

    fn disarm(&self) -> Doing<'_, u64> {
        Box::pin(self.disarm())
    }

    fn close(&self) -> Doing<'_, ()> {
        Box::pin(self.close())
    }

    fn take_one(&self, exposure: Duration) -> Doing<'_, f64> {
        Box::pin(self.take_one(exposure))
    }

    fn summary(&self, frames: Range<u64>) -> Doing<'_, Summary> {
        Box::pin(self.summary(frames))
    }
}
