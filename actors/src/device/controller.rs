//! [`Controller`]: guards the order of what is asked of a trajectory controller.
use super::{
    complaint::Complaints,
    job::{Job, Worker},
    until_safe,
};
use crate::{
    clock::Clock,
    logic::trajectory::TrajectoryLogic,
    status::{Operation, Outcome, Status, Work},
    supervise::Ping,
};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, FaultClass, Refused},
    name::Name,
    trajectory::Batch,
};
use std::{rc::Rc, time::Duration};
use tokio::sync::mpsc;

/// A batch on its way to the controller, and the operation that ends once it is there.
type Fed = (Batch, Operation<(), ()>);
type Feed = mpsc::Sender<Fed>;

#[derive(Debug)]
enum Phase {
    /// A new incarnation assumes nothing: it stops all motion first.
    Recovering(Status<(), ()>),
    Idle,
    Moving,
    Building,
    Built,
    Executing(Feed),
    Halting(Status<(), ()>),
    /// The hardware could not be brought to a known state; only halt is accepted.
    Unknown,
}

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Self::Recovering(_) => "recovering",
            Self::Idle => "idle",
            Self::Moving => "moving",
            Self::Building => "building",
            Self::Built => "built",
            Self::Executing(_) => "executing",
            Self::Halting(_) => "halting",
            Self::Unknown => "in an unknown state",
        }
    }
}

/// A supervised trajectory controller with the axes of its co-ordinate system.
pub struct Controller {
    name: Name,
    logic: Rc<TrajectoryLogic>,
    clock: Clock,
    phase: Phase,
    job: Option<Job>,
    complaints: Rc<Complaints>,
    /// It was told to come to rest, and to nothing else since.
    must_rest: bool,
}

/// Batches that may wait for room in the controller's buffer.
const MAX_WAITING_BATCHES: usize = 2;
/// How often a full buffer is looked at again, if what it holds does not ask for more.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often it is looked at again at most.
const LOOK_SOON: Duration = Duration::from_millis(1);

impl Controller {
    /// A controller whose axes may be moving; it stops them as soon as it starts.
    pub fn new(name: Name, logic: Rc<TrajectoryLogic>, clock: Clock) -> Self {
        let complaints = Rc::new(Complaints::new(name.clone(), clock.clone()));
        Self { name, logic, clock, phase: Phase::Unknown, job: None, complaints, must_rest: true }
    }

    fn recover(&mut self, ctx: &mut Context<Self>) {
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.make_safe().await };
        let status = self.begin(ctx, "recovering", (), (task, then(Phase::Idle)));
        self.phase = Phase::Recovering(status);
    }
}

impl Actor for Controller {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        self.recover(ctx);
    }
}

impl Worker for Controller {
    fn name(&self) -> &Name {
        &self.name
    }
    fn job(&mut self) -> &mut Option<Job> {
        &mut self.job
    }
    fn complaints(&self) -> &Complaints {
        &self.complaints
    }
    fn ended(&mut self, ctx: &mut Context<Self>) {
        if let (Phase::Unknown, true) = (&self.phase, self.must_rest) {
            self.keep_trying(ctx);
        }
    }
}

impl Controller {
    /// Whoever told it to come to rest may have lost patience, but it has to nevertheless. It stays
    /// in an unknown state until then, so that it can be told again at any time.
    fn keep_trying(&mut self, ctx: &mut Context<Self>) {
        let (logic, clock) = (Rc::clone(&self.logic), self.clock.clone());
        let complaints = Rc::clone(&self.complaints);
        let task = move |_| async move {
            until_safe(&clock, &complaints, || logic.make_safe()).await;
            Ok(())
        };
        let done = |actor: &mut Self, _: &Result<(), Fault>| actor.phase = Phase::Idle;
        self.begin(ctx, "coming to rest", (), (task, done));
    }

    fn halt_now(&mut self, ctx: &mut Context<Self>) -> Status<(), ()> {
        match &self.phase {
            Phase::Recovering(status) | Phase::Halting(status) => return status.clone(),
            _ => self.drop_job(ctx),
        }
        self.must_rest = true;
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.make_safe().await };
        let status = self.begin(ctx, "halting", (), (task, then(Phase::Idle)));
        self.phase = Phase::Halting(status.clone());
        status
    }
}

/// Indices of the axes of these names.
fn indices<'a>(
    device: &Name,
    logic: &TrajectoryLogic,
    axes: impl Iterator<Item = &'a Name>,
) -> Result<Vec<usize>, Fault> {
    let index = |axis: &Name| {
        let found = logic.axes().iter().position(|own| own == axis);
        found.ok_or_else(|| Fault {
            device: device.clone(),
            operation: format!("move axis {axis}"),
            class: FaultClass::Rejected,
            reason: format!("it has the axes {:?} only", logic.axes()),
        })
    };
    axes.map(index).collect()
}

/// Where a move or a build leaves the controller.
fn then(next: Phase) -> impl FnOnce(&mut Controller, &Result<(), Fault>) {
    |actor, result| actor.phase = if result.is_ok() { next } else { Phase::Unknown }
}

/// Moves these axes, from rest to rest, to these positions (EGU). Others are left alone. Refused
/// unless idle.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct MoveAxes(pub Vec<(Name, f64)>);

impl Handler<MoveAxes> for Controller {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, MoveAxes(axes): MoveAxes, ctx: &mut Context<Self>) -> Self::Result {
        let Phase::Idle = self.phase else {
            return Err(self.refused("move", self.phase.name()));
        };
        (self.phase, self.must_rest) = (Phase::Moving, false);
        let logic = Rc::clone(&self.logic);
        let device = self.name.clone();
        let task = move |_| async move {
            let moved = indices(&device, &logic, axes.iter().map(|(axis, _)| axis))?;
            let wanted: Vec<f64> = axes.iter().map(|(_, position)| *position).collect();
            logic.move_axes(&moved, &wanted).await
        };
        Ok(self.begin(ctx, "moving", (), (task, then(Phase::Idle))))
    }
}

/// Builds the first batch of a trajectory over these axes. Refused unless idle.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct Build {
    /// The axes that take part, in the order of the segments' columns.
    pub axes: Vec<Name>,
    pub batch: Batch,
}

impl Handler<Build> for Controller {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, build: Build, ctx: &mut Context<Self>) -> Self::Result {
        let Phase::Idle = self.phase else {
            return Err(self.refused("build", self.phase.name()));
        };
        (self.phase, self.must_rest) = (Phase::Building, false);
        let logic = Rc::clone(&self.logic);
        let device = self.name.clone();
        let task = move |_| async move {
            let moved = indices(&device, &logic, build.axes.iter())?;
            logic.build_axes(&moved, &build.batch).await
        };
        Ok(self.begin(ctx, "building", (), (task, then(Phase::Built))))
    }
}

/// Runs what was built; progress counts frames gone through, done at the end of the trajectory.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<u64, ()>, Refused>")]
pub struct Execute;

impl Handler<Execute> for Controller {
    type Result = Result<Status<u64, ()>, Refused>;
    fn handle(&mut self, Execute: Execute, ctx: &mut Context<Self>) -> Self::Result {
        let Phase::Built = self.phase else {
            return Err(self.refused("execute", self.phase.name()));
        };
        let (feed, batches) = mpsc::channel(MAX_WAITING_BATCHES);
        self.phase = Phase::Executing(feed);
        let (logic, clock) = (Rc::clone(&self.logic), self.clock.clone());
        let task = move |work: Work<u64, ()>| async move {
            let mut batches = batches;
            prime(&logic, &clock, &mut batches).await?;
            tokio::select! { biased;
                executed = logic.execute(|frames| work.progress(frames)) => executed,
                fault = feed_batches(&logic, &clock, batches) => Err(fault),
            }
        };
        Ok(self.begin(ctx, "executing", 0, (task, then(Phase::Idle))))
    }
}

/// How long the points may take to come that an execution begins with.
const PRIME_WITHIN: Duration = Duration::from_secs(30);

/// Appends what an execution must begin with.
async fn prime(
    logic: &TrajectoryLogic,
    clock: &Clock,
    batches: &mut mpsc::Receiver<Fed>,
) -> Result<(), Fault> {
    while !logic.is_primed().await? {
        let fed = clock.timeout(PRIME_WITHIN, batches.recv()).await;
        let Ok(Some((batch, operation))) = fed else {
            return Err(logic.is_starved(PRIME_WITHIN));
        };
        let appended = logic.append(&batch).await;
        operation.settle(appended.clone().map(Outcome::Done).map_err(Into::into));
        appended?;
    }
    Ok(())
}

/// Appends batches as room comes free; resolves only if that fails.
async fn feed_batches(
    logic: &TrajectoryLogic,
    clock: &Clock,
    mut batches: mpsc::Receiver<Fed>,
) -> Fault {
    let mut pause = LOOK_AGAIN;
    while let Some((batch, operation)) = batches.recv().await {
        let next_pause = look_again_after(&batch);
        match append_when_free(logic, (clock, pause), &batch).await {
            Ok(()) => {
                pause = next_pause;
                operation.settle(Ok(Outcome::Done(())));
            }
            Err(fault) => {
                operation.settle(Err(fault.clone().into()));
                return fault;
            }
        }
    }
    std::future::pending().await
}

/// Looks for room every `pause`.
async fn append_when_free(
    logic: &TrajectoryLogic,
    (clock, pause): (&Clock, Duration),
    batch: &Batch,
) -> Result<(), Fault> {
    while !logic.buffer().await?.is_low() {
        clock.sleep(pause).await;
    }
    logic.append(batch).await
}

/// How often to look for room behind a batch: it is all that is left to follow once there is room,
/// so a part of its time.
fn look_again_after(batch: &Batch) -> Duration {
    let duration = Duration::from_micros(batch.durations_us.iter().sum());
    (duration / 4).clamp(LOOK_SOON, LOOK_AGAIN)
}

/// Appends to the running trajectory; done once the controller has it. Refused unless executing or
/// if two batches wait already.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct Append(pub Batch);

impl Handler<Append> for Controller {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, Append(batch): Append, _: &mut Context<Self>) -> Self::Result {
        let Phase::Executing(feed) = &self.phase else {
            return Err(self.refused("append", self.phase.name()));
        };
        let operation = Operation::new(self.name.clone(), ());
        let status = operation.status();
        match feed.try_send((batch, operation)) {
            Ok(()) => Ok(status),
            Err(_) => Err(self.refused("append", "two batches wait for room")),
        }
    }
}

/// Brings every axis to rest and forgets the trajectory. Legal in every phase, twice, and while
/// something else is under way.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct Halt;

impl Handler<Halt> for Controller {
    type Result = MessageResult<Halt>;
    fn handle(&mut self, Halt: Halt, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(match &self.phase {
            Phase::Idle => Status::done(self.name.clone(), (), ()),
            _ => self.halt_now(ctx),
        })
    }
}

/// As [`Halt`], but also if nothing was asked of it: somebody else may have.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct HaltNow;

impl Handler<HaltNow> for Controller {
    type Result = MessageResult<HaltNow>;
    fn handle(&mut self, HaltNow: HaltNow, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.halt_now(ctx))
    }
}

/// Frames gone through since execute began, as the controller itself counts them.
#[derive(Debug, Message)]
#[rtype(result = "Result<u64, Fault>")]
pub struct FramesDone;

impl Handler<FramesDone> for Controller {
    type Result = ResponseFuture<Result<u64, Fault>>;
    fn handle(&mut self, FramesDone: FramesDone, _: &mut Context<Self>) -> Self::Result {
        let logic = Rc::clone(&self.logic);
        Box::pin(async move { logic.frames_done().await })
    }
}

impl Handler<Ping> for Controller {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}
