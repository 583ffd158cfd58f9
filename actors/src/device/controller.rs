//! [`Controller`]: guards the order of what is asked of a trajectory controller.
use super::{
    job::Worker as _,
    kind::{Device, Kind, then},
};
use crate::{
    clock::Clock,
    logic::trajectory::TrajectoryLogic,
    status::{Operation, Outcome, Status, Work},
};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, FaultClass, Refused},
    name::Name,
    trajectory::Batch,
};
use std::{rc::Rc, time::Duration};
use tokio::sync::mpsc;

/// A supervised trajectory controller with the axes of its co-ordinate system, which may be moving at
/// first; it stops them as soon as the actor starts. Brought to rest, it forgets its trajectory.
pub type Controller = Device<ControllerKind>;

/// A batch on its way to the controller, and the operation that ends once it is there.
type Fed = (Batch, Operation<(), ()>);
type Feed = mpsc::Sender<Fed>;

/// How far a controller has come.
#[derive(Debug)]
pub enum Phase {
    Idle,
    Moving,
    Building,
    Built,
    Executing(Feed),
}

#[derive(Default)]
pub struct ControllerKind;

impl Kind for ControllerKind {
    type Logic = TrajectoryLogic;
    type Phase = Phase;
    type Told = ();
    type Undo = ();
    const HALTING: &'static str = "halting";
    const RETRYING: &'static str = "coming to rest";

    fn phase_name(phase: &Phase) -> &'static str {
        match phase {
            Phase::Idle => "idle",
            Phase::Moving => "moving",
            Phase::Building => "building",
            Phase::Built => "built",
            Phase::Executing(_) => "executing",
        }
    }

    fn at_rest(phase: &Phase) -> Option<()> {
        matches!(phase, Phase::Idle).then_some(())
    }

    async fn recover(logic: Rc<TrajectoryLogic>) -> Result<(Phase, ()), Fault> {
        logic.make_safe().await.map(|()| (Phase::Idle, ()))
    }
}

/// Batches that may wait for room in the controller's buffer.
const MAX_WAITING_BATCHES: usize = 2;
/// How often a full buffer is looked at again, if what it holds does not ask for more.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often it is looked at again at most.
const LOOK_SOON: Duration = Duration::from_millis(1);

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

/// Moves these axes, from rest to rest, to these positions (EGU). Others are left alone. Refused
/// unless idle.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct MoveAxes(pub Vec<(Name, f64)>);

impl Handler<MoveAxes> for Controller {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, MoveAxes(axes): MoveAxes, ctx: &mut Context<Self>) -> Self::Result {
        let Some(Phase::Idle) = self.phase() else { return Err(self.refuses("move")) };
        let logic = Rc::clone(&self.logic);
        let device = self.name().clone();
        let task = move |_| async move {
            let moved = indices(&device, &logic, axes.iter().map(|(axis, _)| axis))?;
            let wanted: Vec<f64> = axes.iter().map(|(_, position)| *position).collect();
            logic.move_axes(&moved, &wanted).await
        };
        Ok(self.work(ctx, "moving", ((), Phase::Moving), (task, then(Phase::Idle))))
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
        let Some(Phase::Idle) = self.phase() else { return Err(self.refuses("build")) };
        let logic = Rc::clone(&self.logic);
        let device = self.name().clone();
        let task = move |_| async move {
            let moved = indices(&device, &logic, build.axes.iter())?;
            logic.build_axes(&moved, &build.batch).await
        };
        Ok(self.work(ctx, "building", ((), Phase::Building), (task, then(Phase::Built))))
    }
}

/// Runs what was built; progress counts frames gone through, done at the end of the trajectory.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<u64, ()>, Refused>")]
pub struct Execute;

impl Handler<Execute> for Controller {
    type Result = Result<Status<u64, ()>, Refused>;
    fn handle(&mut self, Execute: Execute, ctx: &mut Context<Self>) -> Self::Result {
        let Some(Phase::Built) = self.phase() else { return Err(self.refuses("execute")) };
        let (feed, batches) = mpsc::channel(MAX_WAITING_BATCHES);
        let (logic, clock) = (Rc::clone(&self.logic), self.clock.clone());
        let task = move |work: Work<u64, ()>| async move {
            let mut batches = batches;
            prime(&logic, &clock, &mut batches).await?;
            tokio::select! { biased;
                executed = logic.execute(|frames| work.progress(frames)) => executed,
                fault = feed_batches(&logic, &clock, batches) => Err(fault),
            }
        };
        Ok(self.work(ctx, "executing", (0, Phase::Executing(feed)), (task, then(Phase::Idle))))
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
        let Some(Phase::Executing(feed)) = self.phase() else {
            return Err(self.refuses("append"));
        };
        let operation = Operation::new(self.name().clone(), ());
        let status = operation.status();
        match feed.try_send((batch, operation)) {
            Ok(()) => Ok(status),
            Err(_) => Err(self.refused("append", "two batches wait for room")),
        }
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
