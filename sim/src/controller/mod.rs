//! [`Controller`]: executes position-velocity-time tables and triggers detectors.
mod limits;
mod pvs;

use self::{
    limits::{check_phase, is_within},
    pvs::Pvs,
};
use crate::{
    axis::{Phase, State},
    config::ControllerConfig,
    detector::Detector,
    line::Line,
    motor::{Motor, UPDATE_PERIOD},
    pv::{Handled, Pv},
    train::Train,
};
use bluefly_actors::{
    clock::Instant,
    logic::trajectory::ProfileStatus,
    signal::{LocalFuture, Value},
    watch,
};
use bluefly_protocol::{name::Name, trajectory::Segment};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

/// What was built, and how far it was executed.
#[derive(Debug, Default)]
struct Table {
    queue: VecDeque<Segment>,
    total: u64,
    scanned: u64,
    is_complete: bool,
    is_built: bool,
}

/// Whether segments begin a trajectory or go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    Build,
    Append,
}

/// What the controller is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Idle,
    Executing,
    /// Coming to rest, or on a direct move.
    Moving,
}

/// What the present segment does with frames.
#[derive(Clone, Copy, Debug, Default)]
struct Present {
    /// The last frame it begins, or that was open before, goes on in the next.
    frame_goes_on: bool,
    /// A frame that began earlier was open when it began.
    has_open_frame: bool,
}

pub(crate) struct Controller {
    pub name: Name,
    pub line: Rc<Line>,
    pvs: Pvs,
    detectors: Vec<Rc<Detector>>,
    capacity: usize,
    table: RefCell<Table>,
    activity: watch::Sender<Activity>,
    /// Which activity is the latest.
    epoch: Cell<u64>,
    train: Cell<Option<Train>>,
    /// Frames that were over before the present segment.
    frames_before: Cell<u64>,
    /// What the present segment does with frames.
    present: Cell<Present>,
    /// Demands that wait for `DeferMoves` to fall.
    demands: RefCell<Vec<Option<f64>>>,
}

impl Controller {
    pub(crate) fn new(
        line: &Rc<Line>,
        config: &ControllerConfig,
        motors: &[Rc<Motor>],
        detectors: &[Rc<Detector>],
    ) -> Rc<Self> {
        let pvs = Pvs::new(line, config, motors);
        let controller = Rc::new(Self {
            name: config.name.clone(),
            line: line.clone(),
            detectors: detectors.to_vec(),
            capacity: config.capacity,
            table: RefCell::default(),
            activity: watch::Sender::new(Activity::Idle),
            epoch: Cell::new(0),
            train: Cell::new(None),
            frames_before: Cell::new(0),
            present: Cell::default(),
            demands: RefCell::new(vec![None; pvs.axes.len()]),
            pvs,
        });
        controller.wire();
        controller
    }

    pub(crate) fn pvs(&self) -> Vec<Rc<Pv>> {
        self.pvs.all()
    }

    fn wire(self: &Rc<Self>) {
        self.on_true(&self.pvs.build.go, |this| {
            this.load(Load::Build);
            Ok(None)
        });
        self.on_true(&self.pvs.append.go, |this| {
            this.load(Load::Append);
            Ok(None)
        });
        self.on_true(&self.pvs.execute.go, |this| Ok(Some(this.start())));
        let this = Rc::downgrade(self);
        self.pvs.abort.on_put(move |_| {
            if let Some(this) = this.upgrade() {
                this.abort("aborted");
            }
            Ok(None)
        });
        let this = Rc::downgrade(self);
        self.pvs.defer_moves.on_put(move |value| match (this.upgrade(), value) {
            (Some(this), Value::Bool(true)) => {
                this.pvs.defer_moves.post(true);
                Ok(None)
            }
            (Some(this), Value::Bool(false)) => this.move_axes(),
            _ => Err("it is neither true nor false".to_owned()),
        });
        for (i, axis) in self.pvs.axes.iter().enumerate() {
            let this = Rc::downgrade(self);
            axis.demand.on_put(move |value| match (this.upgrade(), value) {
                (Some(this), Value::Float(position)) if position.is_finite() => {
                    this.pvs.axes[i].demand.post(position);
                    this.demands.borrow_mut()[i] = Some(position);
                    if this.pvs.defer_moves.get() { Ok(None) } else { this.move_axes() }
                }
                _ => Err("the axis would run away".to_owned()),
            });
        }
        let this = Rc::downgrade(self);
        self.pvs.frames_done.compute(move || {
            let frames = this.upgrade().map_or(0, |this| this.frames_done());
            Value::Int(i64::try_from(frames).unwrap_or(i64::MAX))
        });
    }

    /// Runs `act` when true is written; false does nothing.
    fn on_true(self: &Rc<Self>, pv: &Pv, act: impl Fn(&Rc<Self>) -> Handled + 'static) {
        let this = Rc::downgrade(self);
        pv.on_put(move |value| match (this.upgrade(), value) {
            (Some(this), Value::Bool(true)) => act(&this),
            _ => Ok(None),
        });
    }

    fn now(&self) -> Instant {
        self.line.host.clock.now()
    }

    pub(crate) fn is_moving(&self) -> bool {
        *self.activity.borrow() != Activity::Idle
    }

    /// Frames whose time is over since execution began.
    pub(crate) fn frames_done(&self) -> u64 {
        self.frames_before.get() + self.frames_over(self.now())
    }

    /// Frames of the present segment that are over at `now`.
    fn frames_over(&self, now: Instant) -> u64 {
        let done = self.train.get().map_or(0, |train| train.frames_done(now).min(train.count));
        let Present { frame_goes_on, .. } = self.present.get();
        // The last one is not over before the segment in which it ends.
        let sent = self.train.get().map_or(0, |train| train.frames);
        if frame_goes_on { done.min(sent.saturating_sub(1)) } else { done }
    }

    /// The present segment has ended: counts what is over with it.
    fn pass_segment(&self) {
        let sent = self.train.take().map_or(0, |train| train.frames);
        let Present { frame_goes_on, has_open_frame } = self.present.get();
        let over = (sent + u64::from(has_open_frame)).saturating_sub(u64::from(frame_goes_on));
        self.frames_before.set(self.frames_before.get() + over);
        self.present.set(Present { frame_goes_on: false, has_open_frame: frame_goes_on });
    }

    fn set_activity(&self, activity: Activity) -> u64 {
        self.epoch.set(self.epoch.get() + 1);
        self.activity.send_replace(activity);
        self.pvs.is_moving.post(activity != Activity::Idle);
        self.epoch.get()
    }

    fn at_rest(&self) -> LocalFuture<()> {
        let mut activity = self.activity.subscribe();
        // A world that is gone moves nothing.
        Box::pin(async move {
            drop(activity.wait_for(|activity| *activity == Activity::Idle).await);
        })
    }

    /// Builds or appends; like the real one it says Ok to the put whatever comes of it.
    fn load(&self, load: Load) {
        let step = if load == Load::Build { &self.pvs.build } else { &self.pvs.append };
        step.end(self.try_load(load));
    }

    fn try_load(&self, load: Load) -> Result<(), String> {
        let is_executing = *self.activity.borrow() == Activity::Executing;
        let segments = self.pvs.read_segments()?;
        let mut table = self.table.borrow_mut();
        if load == Load::Build {
            if is_executing {
                return Err("a trajectory is executing".to_owned());
            }
            *table = Table { is_built: true, ..Table::default() };
            self.frames_before.set(0);
            self.present.set(Present::default());
            self.train.set(None);
        } else if !table.is_built {
            return Err("nothing was built that could be appended to".to_owned());
        } else if table.is_complete {
            return Err("the trajectory already has its end".to_owned());
        }
        let (queued, new) = (table.queue.len(), segments.len());
        if queued + new > self.capacity {
            let capacity = self.capacity;
            return Err(format!("{new} segments do not fit: {queued} of {capacity} are taken"));
        }
        table.total += new as u64;
        table.is_complete = self.pvs.is_last.get();
        table.queue.extend(segments);
        self.pvs.segments_total.post(table.total.cast_signed());
        self.pvs.segments_scanned.post(table.scanned.cast_signed());
        Ok(())
    }

    /// Starts to execute; resolves when it ends. Without a new build it fails at once, but the put
    /// never completes.
    fn start(self: &Rc<Self>) -> LocalFuture<()> {
        self.pvs.execute.status.post(ProfileStatus::Undefined);
        self.pvs.execute.go.post(true);
        if let Err(reason) = self.try_start() {
            self.pvs.execute.end(Err(reason));
            self.pvs.execute.go.post(true);
            return Box::pin(std::future::pending());
        }
        let epoch = self.set_activity(Activity::Executing);
        for axis in &self.pvs.axes {
            let this = Rc::downgrade(self);
            axis.motor.set_brake(Some(Box::new(move |reason| {
                if let Some(this) = this.upgrade() {
                    this.abort(reason);
                }
            })));
        }
        let this = self.clone();
        self.line.host.spawn(async move { this.run(epoch).await });
        self.at_rest()
    }

    fn try_start(&self) -> Result<(), String> {
        let table = self.table.borrow();
        if *self.activity.borrow() != Activity::Idle {
            return Err("the axes are moving".to_owned());
        }
        if let Some(axis) = self.pvs.axes.iter().find(|axis| axis.motor.is_moving()) {
            return Err(format!("{} is moving", axis.motor.name));
        }
        if !table.is_built || table.queue.is_empty() {
            return Err("no trajectory was built".to_owned());
        }
        Ok(())
    }

    async fn run(self: Rc<Self>, epoch: u64) {
        let mut start = self.now();
        loop {
            let segment = self.table.borrow_mut().queue.pop_front();
            let Some(segment) = segment else {
                return self.run_out();
            };
            if let Err(reason) = self.begin(&segment, start) {
                return self.fail(&reason);
            }
            let end = start + Duration::from_micros(segment.duration_us);
            while self.now() < end {
                self.line.host.clock.sleep_until(end.min(self.now() + UPDATE_PERIOD)).await;
                if self.epoch.get() != epoch {
                    return;
                }
                self.refresh();
            }
            start = end;
        }
    }

    fn begin(&self, segment: &Segment, start: Instant) -> Result<(), String> {
        let duration = Duration::from_micros(segment.duration_us);
        let mut phases = Vec::with_capacity(self.pvs.axes.len());
        for (i, axis) in self.pvs.axes.iter().enumerate() {
            let from = axis.motor.axis.at(start);
            let to = State { position: segment.positions[i], velocity: segment.velocities[i] };
            let phase = Phase { start, duration, from, to };
            check_phase(&axis.motor, &phase)?;
            phases.push(phase);
        }
        for (axis, phase) in self.pvs.axes.iter().zip(phases) {
            axis.motor.axis.push(phase);
        }
        self.pass_segment();
        let present = Present { frame_goes_on: segment.frame_goes_on, ..self.present.get() };
        self.present.set(present);
        if segment.frames > 0 {
            let train = Train::new(start, duration, segment.frames);
            self.train.set(Some(train));
            self.detectors.iter().for_each(|detector| detector.trigger(train));
        }
        let mut table = self.table.borrow_mut();
        table.scanned += 1;
        self.pvs.segments_scanned.post(table.scanned.cast_signed());
        Ok(())
    }

    /// No segment is left: the end of the trajectory, or it came too late.
    fn run_out(self: &Rc<Self>) {
        let (is_complete, scanned) = {
            let table = self.table.borrow();
            (table.is_complete, table.scanned)
        };
        let is_at_rest = self.pvs.axes.iter().all(|axis| axis.motor.axis.end().1.velocity == 0.0);
        if !is_complete {
            self.fail(&format!("unable to fill buffers in time ({scanned} segments done)"));
        } else if !is_at_rest {
            self.fail("the trajectory ends in motion");
        } else {
            self.finish(Ok(()));
        }
    }

    fn fail(self: &Rc<Self>, reason: &str) {
        self.rest(Err(format!("Scan failed, {reason}")));
    }

    /// Stops whatever is under way.
    pub(crate) fn abort(self: &Rc<Self>, reason: &str) {
        match *self.activity.borrow() {
            Activity::Idle => {
                self.table.borrow_mut().is_built = false;
                return;
            }
            Activity::Moving => {}
            Activity::Executing => tracing::debug!(device = %self.name, reason, "abort"),
        }
        self.rest(Err(reason.to_owned()));
    }

    /// Decelerates every axis; then all is over with this outcome.
    fn rest(self: &Rc<Self>, outcome: Result<(), String>) {
        let now = self.now();
        let was_executing = *self.activity.borrow() == Activity::Executing;
        self.freeze_train(now);
        let stops = self.pvs.axes.iter().map(|axis| axis.motor.axis.halt(now));
        let at_rest = stops.max().unwrap_or(now);
        let epoch = self.set_activity(Activity::Moving);
        if was_executing {
            *self.table.borrow_mut() = Table::default();
        }
        let this = self.clone();
        self.line.host.spawn(async move {
            if this.settle(epoch, at_rest).await {
                this.end(was_executing.then_some(outcome));
            }
        });
    }

    /// Takes back the triggers that were to come.
    fn freeze_train(&self, now: Instant) {
        self.frames_before.set(self.frames_before.get() + self.frames_over(now));
        self.present.set(Present::default());
        if self.train.take().is_some() {
            self.detectors.iter().for_each(|detector| detector.cut(now));
        }
    }

    fn finish(self: &Rc<Self>, outcome: Result<(), String>) {
        self.pass_segment();
        *self.table.borrow_mut() = Table::default();
        self.end(Some(outcome));
    }

    fn end(&self, outcome: Option<Result<(), String>>) {
        self.pvs.axes.iter().for_each(|axis| axis.motor.set_brake(None));
        self.refresh();
        if let Some(outcome) = outcome {
            self.pvs.execute.end(outcome);
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

    /// Moves every axis that has a demand; the put completes when all stand still.
    fn move_axes(self: &Rc<Self>) -> Handled {
        self.pvs.defer_moves.post(false);
        if *self.activity.borrow() == Activity::Executing {
            return Err("a trajectory is executing".to_owned());
        }
        let now = self.now();
        let mut at_rest = now;
        for (i, axis) in self.pvs.axes.iter().enumerate() {
            let Some(position) = self.demands.borrow_mut()[i].take() else { continue };
            if !is_within(&axis.motor, position) {
                // As the real one: the demand is taken, and nothing moves.
                continue;
            }
            let start = axis.motor.axis.halt(now);
            let velocity = axis.motor.axis.max_velocity;
            at_rest = at_rest.max(axis.motor.axis.travel(start, position, velocity));
        }
        let epoch = self.set_activity(Activity::Moving);
        self.refresh();
        let this = self.clone();
        self.line.host.spawn(async move {
            if this.settle(epoch, at_rest).await {
                this.end(None);
            }
        });
        Ok(Some(self.at_rest()))
    }

    /// Tells where the axes are and how far the trajectory has come.
    fn refresh(&self) {
        for axis in &self.pvs.axes {
            axis.readback.refresh();
            axis.motor.refresh();
        }
        self.pvs.frames_done.refresh();
    }
}
