//! [`Generator`]: the scan-point generator. It checks a specification against the beamline, and
//! then gives out the trajectory in batches, from any frame.
use super::{duty::Duty, job::Worker};
use crate::{clock::Clock, logic::generator::GeneratorLogic, status::Status, supervise::Ping};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, FaultClass, Refused},
    name::Name,
    plan::{Capabilities, ScanPlan},
    scan::{Piece, Spec},
    trajectory::{Batch, Trajectory},
};
use std::{rc::Rc, sync::Arc};

enum Phase {
    Empty,
    Planning,
    /// A trajectory is being given out.
    Giving(Box<Giving>),
}

/// A trajectory, and how many of its frames were given out.
struct Giving {
    plan: Arc<ScanPlan>,
    trajectory: Trajectory<Pieces>,
    sent: u64,
}

type Pieces = Box<dyn Iterator<Item = Piece>>;

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Planning => "planning",
            Self::Giving(_) => "giving out a trajectory",
        }
    }
}

/// A supervised scan-point generator. A new incarnation is empty: whoever has the plan enters it
/// again at the frame where it wants to go on.
pub struct Generator {
    logic: Rc<GeneratorLogic>,
    clock: Clock,
    phase: Phase,
    duty: Duty,
}

impl Generator {
    pub fn new(name: Name, logic: Rc<GeneratorLogic>, clock: Clock) -> Self {
        let duty = Duty::new(name, clock.clone());
        Self { logic, clock, phase: Phase::Empty, duty }
    }

    /// Tells the record how far the trajectory was given out. Nothing depends on it, so a failure
    /// is only logged.
    fn tell(&self, ctx: &mut Context<Self>, total: u64, sent: u64) {
        let (logic, name) = (Rc::clone(&self.logic), self.name().clone());
        let told = async move {
            let told = if sent == 0 { logic.load(total).await } else { logic.sent(sent).await };
            if let Err(fault) = told {
                tracing::warn!(device = %name, %fault, "the record was not updated");
            }
        };
        ctx.spawn(told.into_actor(self));
    }
}

impl Actor for Generator {
    type Context = Context<Self>;
}

impl Worker for Generator {
    fn duty(&self) -> &Duty {
        &self.duty
    }
    fn duty_mut(&mut self) -> &mut Duty {
        &mut self.duty
    }
    fn ended(&mut self, _: &mut Context<Self>) {}
}

/// Checks a specification; the fault of one that cannot be flown is rejected and names the place.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), Arc<ScanPlan>>, Refused>")]
pub struct Plan {
    pub spec: Spec,
    pub capabilities: Arc<Capabilities>,
}

impl Handler<Plan> for Generator {
    type Result = Result<Status<(), Arc<ScanPlan>>, Refused>;
    fn handle(&mut self, plan: Plan, ctx: &mut Context<Self>) -> Self::Result {
        // Whoever asked before has been told to end: the newest request counts.
        self.drop_job(ctx);
        self.phase = Phase::Planning;
        let (clock, device) = (self.clock.clone(), self.name().clone());
        let task = move |_| async move {
            let planned = clock.foreign(move || ScanPlan::new(plan.spec, &plan.capabilities)).await;
            planned.map(Arc::new).map_err(|error| Fault {
                device,
                operation: "plan the scan".to_owned(),
                class: FaultClass::Rejected,
                reason: error.to_string(),
            })
        };
        let done = |actor: &mut Self, _: &Result<_, Fault>| actor.phase = Phase::Empty;
        Ok(self.begin(ctx, "planning", (), (task, done)))
    }
}

/// Where a trajectory begins, and its first segments.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// Where the axes of the plan must stand still before it starts, EGU.
    pub start: Box<[f64]>,
    pub batch: Batch,
}

/// Starts to give out the trajectory of `plan` from `frame` on, forgetting any other.
#[derive(Debug, Message)]
#[rtype(result = "Result<Entered, Refused>")]
pub struct Enter {
    pub plan: Arc<ScanPlan>,
    pub frame: u64,
}

impl Handler<Enter> for Generator {
    type Result = Result<Entered, Refused>;
    fn handle(&mut self, Enter { plan, frame }: Enter, ctx: &mut Context<Self>) -> Self::Result {
        if let Phase::Planning = self.phase {
            return Err(self.refused("enter", self.phase.name()));
        }
        let pieces: Pieces = Box::new(plan.pieces(frame));
        let mut trajectory = plan.planner().plan(pieces);
        let start = trajectory.start();
        let batch = trajectory.next_batch(batch_size(plan.max_segments()));
        let sent = frames(&batch);
        self.tell(ctx, plan.num_frames() - frame, 0);
        self.phase = Phase::Giving(Box::new(Giving { plan, trajectory, sent }));
        Ok(Entered { start, batch })
    }
}

/// The next segments of the trajectory that was entered.
#[derive(Debug, Message)]
#[rtype(result = "Result<Batch, Refused>")]
pub struct NextBatch;

impl Handler<NextBatch> for Generator {
    type Result = Result<Batch, Refused>;
    fn handle(&mut self, NextBatch: NextBatch, ctx: &mut Context<Self>) -> Self::Result {
        let Phase::Giving(giving) = &mut self.phase else {
            return Err(self.refused("give the next batch", self.phase.name()));
        };
        let batch = giving.trajectory.next_batch(batch_size(giving.plan.max_segments()));
        giving.sent += frames(&batch);
        let (total, sent) = (giving.plan.num_frames(), giving.sent);
        self.tell(ctx, total, sent.max(1));
        Ok(batch)
    }
}

/// Segments that are worked out while nothing else runs: some milliseconds of work.
const MAX_BATCH: usize = 2_000;

/// Half a buffer: one half can be filled while the other is followed. No more than a handler may
/// take on, however large the buffer is.
fn batch_size(max_segments: usize) -> usize {
    (max_segments / 2).clamp(1, MAX_BATCH)
}

fn frames(batch: &Batch) -> u64 {
    batch.frames.iter().sum()
}

impl Handler<Ping> for Generator {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_was_half_of_the_largest_buffer() {
        for (max_segments, expected) in [(1, 1), (4, 2), (1_000, 500), (1_000_000, 2_000)] {
            assert_eq!(batch_size(max_segments), expected);
        }
    }
}
