//! [`Motor`]: a motor record and the axis behind it.
use crate::{
    axis::Axis,
    config::MotorConfig,
    line::Line,
    pv::{Handled, Pv},
};
use bluefly_actors::{
    clock::Instant,
    signal::{Alarm, Metadata, NativeType, Severity, Value},
    watch,
};
use bluefly_protocol::name::Name;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

/// How often a moving motor tells where it is.
pub(crate) const UPDATE_PERIOD: Duration = Duration::from_millis(100);

/// What stops whatever drives the motor besides its own record.
type Brake = Box<dyn Fn(&str)>;

pub(crate) struct Motor {
    pub name: Name,
    pub line: Rc<Line>,
    pub axis: Axis,
    pub low: f64,
    pub high: f64,
    setpoint: Rc<Pv>,
    readback: Rc<Pv>,
    done_moving: Rc<Pv>,
    velocity: Rc<Pv>,
    pvs: Vec<Rc<Pv>>,
    /// Which motion is the latest, so that an old one falls silent.
    motion: Cell<u64>,
    is_moving: watch::Sender<bool>,
    /// Set while a controller drives the axis.
    brake: RefCell<Option<Brake>>,
}

impl Motor {
    pub(crate) fn new(line: &Rc<Line>, config: &MotorConfig) -> Rc<Self> {
        let field = |name: &str| format!("{}.{name}", config.address);
        let limits = &config.limits;
        let (max_velocity, max_acceleration) = (limits.max_velocity, limits.max_acceleration);
        let position = Metadata::scalar(NativeType::Double).in_unit(&config.unit, 4);
        let setpoint = Pv::readback(line, field("VAL"), config.position).like(position.clone());
        let readback = Pv::readback(line, field("RBV"), config.position).like(position);
        let done_moving =
            Pv::readback(line, field("DMOV"), true).like(Metadata::scalar(NativeType::Short));
        let velocity = Pv::setting(line, field("VELO"), max_velocity);
        let stop = Pv::readback(line, field("STOP"), 0_i64);
        let constants = [
            ("VMAX", max_velocity),
            ("ACCL", max_velocity / max_acceleration),
            ("LLM", limits.low),
            ("HLM", limits.high),
            ("RDBD", 0.0),
            ("DLY", limits.settle_s),
        ];
        let mut pvs = vec![
            setpoint.clone(),
            readback.clone(),
            done_moving.clone(),
            velocity.clone(),
            stop.clone(),
            Pv::readback(line, field("EGU"), config.unit.clone()),
        ];
        pvs.extend(constants.map(|(name, value)| Pv::readback(line, field(name), value)));
        let motor = Rc::new(Self {
            name: config.name.clone(),
            line: line.clone(),
            axis: Axis::new(config.position, max_velocity, max_acceleration),
            low: limits.low,
            high: limits.high,
            setpoint,
            readback,
            done_moving,
            velocity,
            pvs,
            motion: Cell::new(0),
            is_moving: watch::Sender::new(false),
            brake: RefCell::new(None),
        });
        motor.wire(&stop);
        motor
    }

    pub(crate) fn pvs(&self) -> &[Rc<Pv>] {
        &self.pvs
    }

    fn wire(self: &Rc<Self>, stop: &Pv) {
        let motor = Rc::downgrade(self);
        self.setpoint.on_put(move |value| match (motor.upgrade(), value) {
            (Some(motor), Value::Float(position)) => motor.go(position),
            _ => Err("it is no position".to_owned()),
        });
        let motor = Rc::downgrade(self);
        stop.on_put(move |_| {
            if let Some(motor) = motor.upgrade() {
                motor.stop("stopped by its motor record");
            }
            Ok(None)
        });
        let motor = Rc::downgrade(self);
        self.readback.compute(move || Value::Float(motor.upgrade().map_or(0.0, |m| m.position())));
    }

    fn now(&self) -> Instant {
        self.line.host.clock.now()
    }

    pub(crate) fn position(&self) -> f64 {
        self.axis.at(self.now()).position
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.axis.is_moving(self.now())
    }

    /// The motor record's answer to a new setpoint: a position beyond the limits is taken, and the
    /// setpoint reverts.
    fn go(self: &Rc<Self>, position: f64) -> Handled {
        if self.brake.borrow().is_some() {
            return Err("the axis follows a trajectory".to_owned());
        }
        if !position.is_finite() {
            return Err("the axis would run away".to_owned());
        }
        let is_limited = self.low != 0.0 || self.high != 0.0;
        if is_limited && !(self.low..=self.high).contains(&position) {
            return Ok(None);
        }
        self.setpoint.post(position);
        self.travel(position);
        Ok(Some(self.at_rest()))
    }

    /// Starts towards `position`, once it has stopped whatever it does.
    pub(crate) fn travel(self: &Rc<Self>, position: f64) {
        self.readback.post_alarm(Alarm::default());
        let start = self.axis.halt(self.now());
        self.axis.travel(start, position, self.velocity.get());
        self.follow();
    }

    /// Resolves once the motor stands still.
    pub(crate) fn at_rest(&self) -> bluefly_actors::signal::LocalFuture<()> {
        let mut is_moving = self.is_moving.subscribe();
        // A world that is gone moves nothing.
        Box::pin(async move { drop(is_moving.wait_for(|moving| !moving).await) })
    }

    fn stop(self: &Rc<Self>, reason: &str) {
        match &*self.brake.borrow() {
            Some(brake) => brake(&format!("{}: {reason}", self.name)),
            None => self.halt(),
        }
    }

    /// Decelerates; the setpoint becomes where it stops.
    pub(crate) fn halt(self: &Rc<Self>) {
        if self.is_moving() {
            self.axis.halt(self.now());
            self.follow();
        }
    }

    /// Stops because of a fault of the hardware.
    pub(crate) fn fail(self: &Rc<Self>, text: &str) {
        self.readback.post_alarm(Alarm { severity: Severity::Major, text: text.to_owned() });
        self.stop(text);
    }

    /// Hands the axis to a controller, or takes it back.
    pub(crate) fn set_brake(&self, brake: Option<Brake>) {
        *self.brake.borrow_mut() = brake;
    }

    /// Tells where it is, and whether it moves, until it stands still.
    fn follow(self: &Rc<Self>) {
        let motion = self.motion.get() + 1;
        self.motion.set(motion);
        self.is_moving.send_replace(true);
        self.done_moving.post(false);
        let motor = self.clone();
        self.line.host.spawn(async move {
            let (end, state) = motor.axis.end();
            loop {
                let next = motor.now() + UPDATE_PERIOD;
                motor.line.host.clock.sleep_until(next.min(end)).await;
                if motor.motion.get() != motion {
                    return;
                }
                motor.readback.refresh();
                if motor.now() >= end {
                    break;
                }
            }
            motor.setpoint.post(state.position);
            motor.done_moving.post(true);
            motor.is_moving.send_replace(false);
        });
    }

    /// Tells what a controller did to the axis.
    pub(crate) fn refresh(&self) {
        self.readback.refresh();
        let is_moving = self.is_moving();
        self.done_moving.post(!is_moving);
        if !is_moving {
            self.setpoint.post(self.position());
        }
    }
}
