//! How a controller moves its axes: along a trajectory, together to a place, and to a stop.
use super::{
    Activity, Controller,
    limits::{check_phase, is_within},
    table::Point,
};
use crate::{
    axis::{Phase, State},
    motor::UPDATE_PERIOD,
    pv::Handled,
    train::Train,
};
use bluefly_actors::{
    clock::Instant,
    logic::trajectory::{ExecuteState, ProfileStatus, TrajectoryStatus},
    signal::Value,
};
use bluefly_protocol::trajectory::Segment;
use std::{rc::Rc, time::Duration};

/// How a trajectory came to its end.
#[derive(Clone, Debug)]
struct Outcome {
    status: ProfileStatus,
    trajectory: TrajectoryStatus,
    message: String,
}

impl Outcome {
    fn finished(status: ProfileStatus, message: impl Into<String>) -> Self {
        Self { status, trajectory: TrajectoryStatus::Finished, message: message.into() }
    }

    fn error(message: impl Into<String>) -> Self {
        let (status, trajectory) = (ProfileStatus::Failure, TrajectoryStatus::Error);
        Self { status, trajectory, message: message.into() }
    }
}

impl Controller {
    /// Follows what was built.
    pub(super) fn start(self: &Rc<Self>) {
        let epoch = self.set_activity(Activity::Executing);
        self.table.borrow_mut().start();
        for motor in self.pvs.motors() {
            let this = Rc::downgrade(self);
            motor.set_brake(Some(Rc::new(move |reason| {
                if let Some(this) = this.upgrade() {
                    let now = this.now();
                    this.catch_up(now);
                    this.stop(Outcome::error(reason), now);
                }
            })));
        }
        self.pvs.trajectory_status.post(TrajectoryStatus::Running);
        self.pvs.execute.state.post(ExecuteState::Executing);
        self.pvs.execute.status.post(ProfileStatus::Success);
        self.pvs.execute.message.post("Executing trajectory scan".to_owned());
        let this = self.clone();
        self.line.host.spawn(async move { this.run(epoch).await });
    }

    async fn run(self: Rc<Self>, epoch: u64) {
        if self.epoch.get() != epoch {
            return;
        }
        self.go_on(self.now());
        while self.epoch.get() == epoch
            && let Some(point) = self.next_point.get()
        {
            self.line.host.clock.sleep_until(point.min(self.now() + UPDATE_PERIOD)).await;
            if self.epoch.get() != epoch {
                return;
            }
            self.catch_up(self.now());
            match self.next_point.get() {
                Some(point) if point <= self.now() => self.come_to(point),
                _ => self.refresh(),
            }
        }
    }

    /// Comes to every point before `now`, each at its moment: whoever looks at what moves sees the same,
    /// however late the task of this controller wakes.
    pub(crate) fn catch_up(self: &Rc<Self>, now: Instant) {
        // Whoever is told of a motion may look.
        if self.is_catching_up.replace(true) {
            return;
        }
        while let Some(point) = self.next_point.get().filter(|point| *point < now) {
            self.come_to(point);
        }
        self.is_catching_up.set(false);
    }

    fn come_to(self: &Rc<Self>, point: Instant) {
        self.next_point.set(None);
        self.table.borrow_mut().scanned += 1;
        self.outputs.come();
        self.refresh();
        self.go_on(point);
    }

    /// Begins to go to the next point.
    fn go_on(self: &Rc<Self>, start: Instant) {
        let point = self.table.borrow_mut().next();
        let Some(Point { segment, user_program }) = point else {
            return self.run_out(start);
        };
        if let Err(reason) = self.begin(&segment, start) {
            return self.stop(Outcome::error(format!("Scan failed, {reason}")), start);
        }
        let end = start + Duration::from_micros(segment.duration_us);
        if user_program != 0 {
            self.outputs.announce(end, user_program);
        }
        self.next_point.set(Some(end));
    }

    fn begin(&self, segment: &Segment, start: Instant) -> Result<(), String> {
        let duration = Duration::from_micros(segment.duration_us);
        if duration < self.shortest {
            let (scanned, shortest) = (self.table.borrow().scanned, self.shortest);
            return Err(format!("point {scanned} takes {duration:?}: less than {shortest:?}"));
        }
        let used = self.table.borrow().trajectory.used.clone();
        let motors = used.iter().filter_map(|&i| self.pvs.axes[i].motor.as_ref());
        let ends = segment.positions.iter().zip(&segment.velocities);
        let mut phases = Vec::with_capacity(used.len());
        for (motor, (&position, &velocity)) in motors.zip(ends) {
            let from = motor.axis.at(start);
            let phase = Phase { start, duration, from, to: State { position, velocity } };
            check_phase(motor, &phase)?;
            phases.push((motor, phase));
        }
        for (motor, phase) in phases {
            motor.axis.push(phase);
        }
        if segment.frames > 0 {
            let train = Train::new(start, duration, segment.frames);
            self.train.set(Some(train));
            self.detectors.iter().for_each(|detector| detector.trigger(train));
        } else {
            self.train.set(None);
        }
        Ok(())
    }

    /// No point is left to go to: the end of the trajectory, or more came too late.
    fn run_out(self: &Rc<Self>, end: Instant) {
        let (built, scanned) = {
            let table = self.table.borrow();
            (table.built, table.scanned)
        };
        if scanned < built {
            let reason = format!("Scan failed, unable to fill buffers in time ({scanned}/{built})");
            self.stop(Outcome::finished(ProfileStatus::Failure, reason), end);
        } else {
            self.stop(Outcome::finished(ProfileStatus::Success, "Trajectory scan complete"), end);
        }
    }

    /// Stops whatever is under way.
    pub(super) fn abort(self: &Rc<Self>, reason: &str) {
        let now = self.now();
        self.catch_up(now);
        match self.activity() {
            Activity::Idle => {
                self.table.borrow_mut().is_built = false;
                // Whoever waits for demands that were dropped.
                self.activity.send_replace(Activity::Idle);
            }
            Activity::Moving => self.stop(Outcome::finished(ProfileStatus::Aborted, reason), now),
            Activity::Executing => {
                tracing::debug!(device = %self.name, reason, "abort");
                self.set_executing(false);
                self.stop(Outcome::finished(ProfileStatus::Aborted, reason), now);
            }
            Activity::Stopping => {}
        }
    }

    /// Decelerates every axis from `moment` on; then all is over with this outcome.
    fn stop(self: &Rc<Self>, outcome: Outcome, moment: Instant) {
        let was = self.activity();
        if was == Activity::Stopping || was == Activity::Idle {
            return;
        }
        self.next_point.set(None);
        self.freeze_train(moment);
        self.outputs.withdraw(moment);
        let stops = self.pvs.motors().map(|motor| motor.axis.halt(moment));
        let at_rest = stops.max().unwrap_or(moment);
        let outcome = (was == Activity::Executing).then_some(outcome);
        if at_rest <= self.now() {
            return self.end(outcome);
        }
        let epoch = self.set_activity(Activity::Stopping);
        let this = self.clone();
        self.line.host.spawn(async move {
            if this.settle(epoch, at_rest).await {
                this.end(outcome);
            }
        });
    }

    /// Takes back the triggers that were to come.
    fn freeze_train(&self, now: Instant) {
        if self.train.take().is_some() {
            self.detectors.iter().for_each(|detector| detector.cut(now));
        }
    }

    fn end(&self, outcome: Option<Outcome>) {
        self.pvs.motors().for_each(|motor| motor.set_brake(None));
        if let Some(Outcome { status, trajectory, message }) = outcome {
            self.pvs.trajectory_status.post(trajectory);
            self.refresh();
            self.table.borrow_mut().spend();
            self.set_executing(false);
            self.pvs.execute.end(status, &message);
        } else {
            self.refresh();
        }
        self.set_activity(Activity::Idle);
    }

    /// Waits until `at_rest`; false if something else was begun meanwhile.
    async fn settle(&self, epoch: u64, at_rest: Instant) -> bool {
        while self.now() < at_rest {
            self.line.host.clock.sleep_until(at_rest.min(self.now() + UPDATE_PERIOD)).await;
            if self.epoch.get() != epoch {
                return false;
            }
            self.refresh();
        }
        self.epoch.get() == epoch
    }

    pub(super) fn defer(self: &Rc<Self>, value: &Value) -> Handled {
        self.pvs.defer_moves.post(*value == Value::Bool(true));
        if *value == Value::Bool(true) { Ok(None) } else { self.move_axes().map(|()| None) }
    }

    /// Takes a demand; the put completes when the axes have gone there.
    pub(super) fn demand(self: &Rc<Self>, axis: usize, value: &Value) -> Handled {
        let Value::Float(position) = *value else { return Err("it is no position".to_owned()) };
        if !position.is_finite() {
            return Err("the axis would run away".to_owned());
        }
        self.pvs.axes[axis].demand.post(position);
        self.demands.borrow_mut()[axis] = Some(position);
        if !self.pvs.defer_moves.get::<bool>() {
            self.move_axes()?;
        }
        let (mut activity, this) = (self.activity.subscribe(), Rc::downgrade(self));
        Ok(Some(Box::pin(async move {
            let is_done = |activity: &Activity| {
                let waits = this.upgrade().is_some_and(|t| t.demands.borrow()[axis].is_some());
                *activity == Activity::Idle && !waits
            };
            // A world that is gone moves nothing.
            drop(activity.wait_for(is_done).await);
        })))
    }

    /// Moves every axis that has a demand.
    fn move_axes(self: &Rc<Self>) -> Result<(), String> {
        match self.activity() {
            Activity::Executing => return Err("a trajectory is executing".to_owned()),
            Activity::Stopping => return Err("the axes are coming to rest".to_owned()),
            Activity::Idle | Activity::Moving => {}
        }
        let now = self.now();
        for (i, axis) in self.pvs.axes.iter().enumerate() {
            let demand = self.demands.borrow_mut()[i].take();
            let (Some(position), Some(motor)) = (demand, &axis.motor) else { continue };
            if !is_within(motor, position) {
                // As the real one: the demand is taken, and nothing moves.
                continue;
            }
            let start = motor.axis.halt(now);
            let velocity = motor.axis.max_velocity;
            motor.axis.travel(start, position, velocity);
        }
        // Those that are on their way already go on.
        let ends = self.pvs.motors().map(|motor| motor.axis.end().0);
        let at_rest = ends.max().unwrap_or(now);
        let epoch = self.set_activity(Activity::Moving);
        self.refresh();
        let this = self.clone();
        self.line.host.spawn(async move {
            if this.settle(epoch, at_rest).await {
                this.end(None);
            }
        });
        Ok(())
    }

    /// Tells where the axes are and how far the trajectory has come.
    fn refresh(&self) {
        self.pvs.motors().for_each(|motor| motor.refresh());
        self.pvs.percent.refresh();
        self.pvs.points_scanned.refresh();
    }
}
