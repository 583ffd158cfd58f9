//! [`Duty`]: what one device works on, and what is told of its failures. Whatever ends its work is told
//! to both.
use super::{complaint::Complaints, job::Job};
use crate::clock::Clock;
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use std::rc::Rc;

/// The one thing that a device works on, if there is one, and how its work has gone.
pub(crate) struct Duty {
    job: Option<Job>,
    complaints: Rc<Complaints>,
}

impl Duty {
    /// Of a device that works on nothing, and of which nothing is known to be wrong.
    pub(crate) fn new(device: Name, clock: Clock) -> Self {
        Self { job: None, complaints: Rc::new(Complaints::new(device, clock)) }
    }

    pub(crate) fn device(&self) -> &Name {
        self.complaints.device()
    }

    /// What is told of its failures, for work that is tried again and again.
    pub(super) fn complaints(&self) -> Rc<Complaints> {
        Rc::clone(&self.complaints)
    }

    /// It works on `job` from now on.
    pub(super) fn begin(&mut self, job: Job) {
        tracing::debug!(device = %self.device(), job = job.what(), "begun");
        self.job = Some(job);
    }

    /// It works on nothing any more, for something more urgent; what is to be given up.
    pub(super) fn leave(&mut self) -> Option<Job> {
        let job = self.job.take()?;
        tracing::debug!(device = %self.device(), job = job.what(), "given up");
        Some(job)
    }

    /// Its job `what` came to its end.
    pub(super) fn end<T>(&mut self, what: &'static str, result: &Result<T, Fault>) {
        self.job = None;
        let device = self.device();
        match result {
            Ok(_) => {
                self.complaints.succeeded();
                tracing::debug!(%device, job = what, "done");
            }
            Err(fault) => match fault.class {
                // The caller's mistake, told to the caller.
                FaultClass::Rejected => tracing::info!(%device, job = what, %fault, "rejected"),
                // Whoever asked for it asks again until it is back.
                FaultClass::Disconnected => self.complaints.failed(what, fault),
                FaultClass::Failed | FaultClass::Lost => {
                    tracing::warn!(%device, job = what, %fault, "failed");
                }
            },
        }
    }
}
