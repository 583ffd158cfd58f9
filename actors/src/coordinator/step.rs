//! Scans that step by command: the axes come to rest where a frame is, every detector is told to take
//! it, and they go on when it is taken.
use super::{
    beamline::Beamline,
    flight::{Flight, MOVE_WITHIN},
    watch::Watch,
};
use crate::{
    device::{controller::MoveAxes, detector::TakeNext},
    status::{Operation, Outcome, Work},
};
use bluefly_protocol::{fault::Fault, plan::ScanPlan};
use futures_util::future::try_join_all;
use std::{convert::Infallible, rc::Rc, sync::Arc, time::Duration};

/// How much longer than its exposures a frame may take.
const TAKE_WITHIN: Duration = Duration::from_secs(30);

/// Takes the frames of a scan, one by one.
struct Stepper {
    beamline: Rc<Beamline>,
    plan: Arc<ScanPlan>,
    /// Where the axes were told to go last.
    at: Option<Box<[f64]>>,
}

impl Flight {
    /// Starts to step through the scan from `frame` on, with all detectors armed for it.
    pub(super) async fn step_from(&self, frame: u64) -> Result<Watch, Fault> {
        let takes = self.takes().await?;
        let controller = self.plan.controller().clone();
        let steps = Operation::new(controller, 0);
        let status = steps.status();
        let mut stepper =
            Stepper { beamline: Rc::clone(&self.beamline), plan: Arc::clone(&self.plan), at: None };
        let stepping = async move {
            let never: Result<Infallible, Fault> = async {
                stepper.step_from(frame, &steps.work()).await?;
                steps.settle(Ok(Outcome::Done(())));
                std::future::pending().await
            }
            .await;
            match never {
                Err(fault) => fault,
            }
        };
        Ok(Watch::new(status, Vec::new(), takes, true).stepping(Box::pin(stepping)))
    }
}

impl Stepper {
    /// Tells `work` how many frames were taken.
    async fn step_from(&mut self, frame: u64, work: &Work<u64, ()>) -> Result<(), Fault> {
        let mut taken = 0;
        for piece in self.plan.clone().pieces(frame) {
            if let Ok(delay) = Duration::try_from_secs_f64(piece.delay_before_s) {
                self.beamline.clock.sleep(delay).await;
            }
            self.move_to(frame + taken, piece.start).await?;
            for _ in 0..piece.frames {
                self.take(frame + taken).await?;
                taken += 1;
                work.progress(taken);
            }
        }
        Ok(())
    }

    async fn move_to(&mut self, frame: u64, position: Box<[f64]>) -> Result<(), Fault> {
        if position.is_empty() || self.at.as_ref() == Some(&position) {
            return Ok(());
        }
        let axes = self.plan.axes().iter().cloned().zip(position.iter().copied()).collect();
        let controller = self.beamline.controller(self.plan.controller())?;
        controller.call(&format!("move to frame {frame}"), MoveAxes(axes), MOVE_WITHIN).await?;
        self.at = Some(position);
        Ok(())
    }

    async fn take(&self, frame: u64) -> Result<(), Fault> {
        let operation = format!("take frame {frame}");
        let within = self.plan.shortest_frame() + TAKE_WITHIN;
        let takes = self.plan.exposures().keys().map(|name| {
            let operation = &operation;
            async move { self.beamline.detector(name)?.call(operation, TakeNext, within).await }
        });
        try_join_all(takes).await.map(drop)
    }
}
