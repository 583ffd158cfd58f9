//! Rows of a PandA as frames of every other detector.
use super::PandaCapture;
use crate::logic::detector::{Arm, Description, DetectorLogic, Doing, FilePlan, OpenFile, Summary};
use bluefly_protocol::fault::{Fault, FaultClass};
use futures_util::future::ready;
use std::{ops::Range, time::Duration};

impl PandaCapture {
    fn refused<T>(&self, operation: &str) -> Doing<'_, T>
    where
        T: 'static,
    {
        let reason = "it captures rows of numbers, of which there is no sum";
        let fault: Fault = self.task(operation).fault(FaultClass::Rejected, reason);
        Box::pin(ready(Err(fault)))
    }
}

impl DetectorLogic for PandaCapture {
    fn make_safe(&self) -> Doing<'_, Option<OpenFile>> {
        Box::pin(self.make_safe())
    }

    fn describe(&self) -> Doing<'_, Description> {
        Box::pin(ready(self.describe()))
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

    fn disarm(&self) -> Doing<'_, u64> {
        Box::pin(self.disarm())
    }

    fn close(&self) -> Doing<'_, ()> {
        Box::pin(self.close())
    }

    fn hurry(&self) {
        self.haste.hurry();
    }

    fn take_one(&self, _: Duration) -> Doing<'_, f64> {
        self.refused("take a single frame")
    }

    fn summary(&self, frames: Range<u64>) -> Doing<'_, Summary> {
        self.refused(&format!("summarise frames {frames:?}"))
    }
}
