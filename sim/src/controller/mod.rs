//! [`Controller`]: a PMAC with its driver. It executes position-velocity-time tables, moves the axes
//! of a co-ordinate system together, and triggers detectors.
mod limits;
mod motion;
mod outputs;
mod pvs;
mod table;

use self::{
    outputs::Outputs,
    pvs::{Pvs, StepPvs},
    table::{Table, Trajectory},
};
use crate::{
    config::ControllerConfig,
    detector::Detector,
    line::Line,
    motor::Motor,
    pv::{Handled, Pv},
    train::Train,
};
use bluefly_actors::{
    clock::Instant,
    logic::trajectory::{AXIS_LETTERS, ProfileStatus, StepState},
    signal::{LocalFuture, Metadata, NativeType, Value},
    watch,
};
use bluefly_protocol::{name::Name, trajectory::TriggerSource};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

/// What the controller is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Idle,
    Executing,
    /// On a move of its axes together.
    Moving,
    /// Coming to rest.
    Stopping,
}

pub(crate) struct Controller {
    pub name: Name,
    pub line: Rc<Line>,
    pvs: Pvs,
    detectors: Vec<Rc<Detector>>,
    buffer_length: usize,
    max_points: i64,
    shortest: Duration,
    source: TriggerSource,
    cs: String,
    table: RefCell<Table>,
    activity: watch::Sender<Activity>,
    /// Which activity is the latest.
    epoch: Cell<u64>,
    /// When the axes come to the point that they are on their way to.
    next_point: Cell<Option<Instant>>,
    is_catching_up: Cell<bool>,
    /// Whether the put of an execution is complete.
    is_executing: watch::Sender<bool>,
    train: Cell<Option<Train>>,
    pub outputs: Outputs,
    /// Demands that wait for `DeferMoves` to fall.
    demands: RefCell<Vec<Option<f64>>>,
    motor_pvs: Vec<(Rc<Line>, Vec<Rc<Pv>>)>,
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
            buffer_length: config.buffer_length,
            max_points: config.max_points,
            shortest: config.shortest,
            source: config.trigger_source,
            cs: config.cs.clone(),
            table: RefCell::default(),
            activity: watch::Sender::new(Activity::Idle),
            epoch: Cell::new(0),
            next_point: Cell::new(None),
            is_catching_up: Cell::new(false),
            is_executing: watch::Sender::new(false),
            train: Cell::new(None),
            outputs: Outputs::default(),
            demands: RefCell::new(vec![None; pvs.axes.len()]),
            motor_pvs: motor_pvs(&pvs, config),
            pvs,
        });
        controller.wire();
        controller
    }

    pub(crate) fn pvs(&self) -> Vec<Rc<Pv>> {
        self.pvs.all()
    }

    /// What it adds to each motor record, with the line of the motor.
    pub(crate) fn motor_pvs(&self) -> &[(Rc<Line>, Vec<Rc<Pv>>)] {
        &self.motor_pvs
    }

    fn wire(self: &Rc<Self>) {
        self.on_put(&self.pvs.build.go, |this, value| {
            if value == Value::Bool(true) {
                this.build();
            }
            Ok(None)
        });
        self.on_put(&self.pvs.append.go, |this, value| {
            if value == Value::Bool(true) {
                this.append();
            }
            Ok(None)
        });
        self.on_put(&self.pvs.execute.go, |this, value| Ok(this.execute(&value)));
        self.on_put(&self.pvs.abort, |this, _| {
            this.abort("Trajectory scan aborted");
            this.pvs.abort.post(true);
            let (at_rest, this) = (this.at_rest(), Rc::downgrade(this));
            Ok(Some(Box::pin(async move {
                at_rest.await;
                if let Some(this) = this.upgrade() {
                    this.pvs.abort.post(false);
                }
            })))
        });
        self.on_put(&self.pvs.abort_cs, |this, _| {
            this.demands.borrow_mut().fill(None);
            this.abort("Trajectory scan aborted");
            Ok(Some(this.at_rest()))
        });
        self.on_put(&self.pvs.num_points, |this, value| match value {
            Value::Int(points) if points >= 0 => {
                this.pvs.num_points.post(points);
                this.pvs.take_points(points.min(this.max_points));
                Ok(None)
            }
            _ => Err("it is no number of points".to_owned()),
        });
        self.on_put(&self.pvs.cs_name, |this, value| {
            if value == Value::Text(this.cs.clone()) {
                Ok(None)
            } else {
                Err(format!("it has no choice but {}", this.cs))
            }
        });
        self.on_put(&self.pvs.defer_moves, |this, value| this.defer(&value));
        for (i, axis) in self.pvs.axes.iter().enumerate() {
            self.on_put(&axis.demand, move |this, value| this.demand(i, &value));
        }
        let this = Rc::downgrade(self);
        self.pvs.points_scanned.compute(move || {
            let scanned = this.upgrade().map_or(0, |this| this.table.borrow().scanned);
            Value::Int(scanned.cast_signed())
        });
        let this = Rc::downgrade(self);
        self.pvs.percent.compute(move || {
            Value::Float(this.upgrade().map_or(0.0, |this| this.table.borrow().percent()))
        });
    }

    fn on_put(self: &Rc<Self>, pv: &Pv, act: impl Fn(&Rc<Self>, Value) -> Handled + 'static) {
        let this = Rc::downgrade(self);
        pv.on_put(move |value| match this.upgrade() {
            Some(this) => act(&this, value),
            None => Err("the controller is gone".to_owned()),
        });
    }

    fn now(&self) -> Instant {
        self.line.host.clock.now()
    }

    fn activity(&self) -> Activity {
        *self.activity.borrow()
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.activity() != Activity::Idle
    }

    fn set_activity(&self, activity: Activity) -> u64 {
        self.epoch.set(self.epoch.get() + 1);
        self.activity.send_replace(activity);
        self.epoch.get()
    }

    fn at_rest(&self) -> LocalFuture<()> {
        let mut activity = self.activity.subscribe();
        // A world that is gone moves nothing.
        Box::pin(async move {
            drop(activity.wait_for(|activity| *activity == Activity::Idle).await);
        })
    }

    /// Like the real one it says Ok to the put whatever comes of it.
    fn build(&self) {
        let step = &self.pvs.build;
        step.state.post(StepState::Busy);
        step.status.post(ProfileStatus::Undefined);
        match self.try_build() {
            Ok(()) => {
                self.pvs.append.status.post(ProfileStatus::Success);
                self.pvs.append.message.post(String::new());
                step.end(Ok("Profile built".to_owned()));
            }
            Err(reason) => {
                self.pvs.num_points_taken.post(0_i64);
                step.end(Err(reason));
            }
        }
    }

    fn try_build(&self) -> Result<(), String> {
        if self.activity() == Activity::Executing {
            return Err("Scan is already executing".to_owned());
        }
        self.pvs.check_versions()?;
        let mut trajectory = Trajectory::new(self.pvs.used(), self.source);
        let points = self.pvs.rows(&trajectory).points(&mut trajectory)?;
        if points.len() as u64 > self.num_points() {
            self.pvs.points_built.post(0_i64);
            return Err("Failed to build trajectory object".to_owned());
        }
        self.pvs.build.message.post("Building profile".to_owned());
        let mut table = Table::new(trajectory, self.buffer_length);
        table.add(points);
        self.pvs.points_built.post(table.built.cast_signed());
        self.table.replace(table);
        self.train.set(None);
        Ok(())
    }

    fn append(self: &Rc<Self>) {
        let step: &StepPvs = &self.pvs.append;
        step.state.post(StepState::Busy);
        step.status.post(ProfileStatus::Success);
        step.end(self.try_append());
    }

    fn try_append(self: &Rc<Self>) -> Result<String, String> {
        // What comes now is too late for a point that should have been gone on from.
        self.catch_up(self.now());
        let mut table = self.table.borrow_mut();
        if !table.is_built {
            return Err("Cannot append points, is the scan built?".to_owned());
        }
        self.pvs.append.message.post("Appending points to trajectory".to_owned());
        let points = self.pvs.rows(&table.trajectory).points(&mut table.trajectory)?;
        let count = points.len() as u64;
        if table.built + count > self.num_points() {
            return Err("Failed to append points to trajectory object".to_owned());
        }
        table.add(points);
        if self.activity() == Activity::Executing {
            table.fill_other();
        }
        self.pvs.points_built.post(table.built.cast_signed());
        Ok(format!("Appended {count} points to the trajectory"))
    }

    fn num_points(&self) -> u64 {
        u64::try_from(self.pvs.num_points_taken.get::<i64>()).unwrap_or(0)
    }

    /// Starts to execute; resolves when it ends. Without a new build it fails at once, but the put
    /// does not complete before false is put.
    fn execute(self: &Rc<Self>, value: &Value) -> Option<LocalFuture<()>> {
        if self.activity() == Activity::Executing {
            return Some(self.executed());
        }
        if *value != Value::Bool(true) && !*self.is_executing.borrow() {
            return None;
        }
        self.pvs.execute.begin();
        let started = self.try_start();
        if let Err(reason) = started {
            self.pvs.execute.end(ProfileStatus::Failure, &reason);
            self.set_executing(*value == Value::Bool(true));
            return Some(self.executed());
        }
        self.pvs.execute.message.post("Starting trajectory execution".to_owned());
        self.set_executing(true);
        self.start();
        Some(self.executed())
    }

    fn set_executing(&self, is_executing: bool) {
        self.pvs.execute.go.post(is_executing);
        self.is_executing.send_replace(is_executing);
    }

    fn executed(&self) -> LocalFuture<()> {
        let mut is_executing = self.is_executing.subscribe();
        Box::pin(async move { drop(is_executing.wait_for(|executing| !executing).await) })
    }

    fn try_start(&self) -> Result<(), String> {
        if self.activity() != Activity::Idle {
            return Err("the axes are moving".to_owned());
        }
        if let Some(motor) = self.pvs.motors().find(|motor| motor.is_moving()) {
            return Err(format!("{} is moving", motor.name));
        }
        if !self.table.borrow().is_built {
            return Err("Trajectory profile was not built successfully".to_owned());
        }
        Ok(())
    }
}

/// The signals that a controller adds to its motors: which axis of which co-ordinate system each is.
/// A compound motor tells that by its output link instead.
fn motor_pvs(pvs: &Pvs, config: &ControllerConfig) -> Vec<(Rc<Line>, Vec<Rc<Pv>>)> {
    let add = |(i, axis): (usize, &pvs::AxisPvs)| {
        let motor = axis.motor.as_ref()?;
        let text = Metadata::scalar(NativeType::String);
        let link = |port: &str| {
            let link = format!("@asyn({port},{})", i + 1);
            Pv::readback(&motor.line, format!("{}.OUT", motor.address), link).like(text.clone())
        };
        if motor.is_compound {
            return Some((motor.line.clone(), vec![link(&config.cs)]));
        }
        let port = Pv::setting(&motor.line, format!("{}:CsPort_RBV", motor.address), String::new())
            .like(Metadata::choices(&["", &config.cs]));
        let letter =
            Pv::setting(&motor.line, format!("{}:CsAxis_RBV", motor.address), String::new())
                .like(text.clone());
        let told = (port.clone(), config.cs.clone(), letter.clone(), AXIS_LETTERS[i].to_owned());
        let tell = move || {
            let (port, cs, letter, name) = &told;
            port.post(cs.clone());
            letter.post(name.clone());
        };
        if config.warm_up.is_zero() {
            tell();
        } else {
            let clock = motor.line.host.clock.clone();
            let told_at = clock.now() + config.warm_up;
            motor.line.host.spawn(async move {
                clock.sleep_until(told_at).await;
                tell();
            });
        }
        let port_name = config.name.as_str().to_uppercase();
        Some((motor.line.clone(), vec![port, letter, link(&port_name)]))
    };
    pvs.axes.iter().enumerate().filter_map(add).collect()
}
