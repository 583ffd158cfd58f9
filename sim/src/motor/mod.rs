//! [`Motor`]: a motor record and the axis behind it.
mod pvs;

use self::pvs::Pvs;
use crate::{
    axis::Axis,
    config::MotorConfig,
    line::Line,
    pv::{Handled, Pv},
};
use bluefly_actors::{
    clock::Instant,
    logic::motor::Spmg,
    signal::{Alarm, LocalFuture, Severity, SignalValue as _, Value},
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
type Brake = Rc<dyn Fn(&str)>;

/// What the record does once the axis stands still.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Nothing: it is where it was to go, or paused.
    Rest,
    /// The setpoint becomes where it is.
    Forget,
    /// The same, on a limit switch.
    Blocked,
    /// Goes somewhere else.
    Go(f64),
}

pub(crate) struct Motor {
    pub name: Name,
    pub address: String,
    pub line: Rc<Line>,
    pub axis: Axis,
    pub is_compound: bool,
    pub low: f64,
    pub high: f64,
    resolution: f64,
    /// Where the limit switches are, if it has any.
    switches: Option<[f64; 2]>,
    pvs: Pvs,
    /// Which motion is the latest, so that an old one falls silent.
    motion: Cell<u64>,
    then: Cell<Then>,
    /// Whether the record is busy with a setpoint: as long as DMOV is 0.
    is_busy: watch::Sender<bool>,
    /// Where to go once SPMG is Go.
    waiting: Cell<Option<f64>>,
    /// Set while a controller drives the axis.
    brake: RefCell<Option<Brake>>,
}

impl Motor {
    pub(crate) fn new(line: &Rc<Line>, config: &MotorConfig) -> Rc<Self> {
        let limits = &config.limits;
        let motor = Rc::new(Self {
            name: config.name.clone(),
            address: config.address.clone(),
            is_compound: config.is_compound,
            line: line.clone(),
            axis: Axis::new(config.position, limits.max_velocity, limits.max_acceleration),
            low: limits.low,
            high: limits.high,
            resolution: config.resolution,
            switches: config.switches,
            pvs: Pvs::new(line, config),
            motion: Cell::new(0),
            then: Cell::new(Then::Rest),
            is_busy: watch::Sender::new(false),
            waiting: Cell::new(None),
            brake: RefCell::new(None),
        });
        motor.wire();
        motor
    }

    pub(crate) fn pvs(&self) -> Vec<Rc<Pv>> {
        self.pvs.all()
    }

    fn wire(self: &Rc<Self>) {
        self.on_put(&self.pvs.setpoint, |motor, value| match value {
            Value::Float(position) => motor.go(position),
            _ => Err("it is no position".to_owned()),
        });
        self.on_put(&self.pvs.stop, |motor, _| {
            motor.pvs.stop.tell(1_i64);
            motor.pvs.stop.tell(0_i64);
            motor.stop("stopped by its motor record", Then::Forget);
            Ok(None)
        });
        self.on_put(&self.pvs.mode, |motor, value| {
            let mode = Spmg::from_value(value).map_err(|_| "it is no choice".to_owned())?;
            motor.set_mode(mode);
            Ok(None)
        });
        self.on_put(&self.pvs.velocity, |motor, value| match value {
            Value::Float(velocity) if velocity.is_finite() => {
                motor.pvs.velocity.tell(velocity.max(motor.pvs.base_velocity.get()));
                Ok(None)
            }
            _ => Err("it is no velocity".to_owned()),
        });
        let motor = Rc::downgrade(self);
        let position = move || Value::Float(motor.upgrade().map_or(0.0, |m| m.position()));
        self.pvs.readback.compute(position);
    }

    fn on_put(self: &Rc<Self>, pv: &Pv, act: impl Fn(&Rc<Self>, Value) -> Handled + 'static) {
        let motor = Rc::downgrade(self);
        pv.on_put(move |value| match motor.upgrade() {
            Some(motor) => act(&motor, value),
            None => Err("the motor is gone".to_owned()),
        });
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
        let was_busy = *self.is_busy.borrow();
        self.set_busy(true);
        if !self.allows(position) {
            self.pvs.setpoint.tell(self.pvs.setpoint.get::<f64>());
            self.pvs.limit_violation.post(true);
            self.set_busy(was_busy);
            return Ok(was_busy.then(|| self.at_rest()));
        }
        self.pvs.setpoint.post(position);
        self.pvs.limit_violation.post(false);
        if self.pvs.mode.get::<Spmg>() != Spmg::Go && self.pvs.mode.get::<Spmg>() != Spmg::Move {
            self.waiting.set(Some(position));
        } else if self.is_moving() {
            self.slow_down(Then::Go(position));
        } else if (position - self.position()).abs() < self.resolution / 2.0 {
            self.set_busy(false);
        } else {
            self.travel(position);
        }
        Ok(Some(self.at_rest()))
    }

    fn allows(&self, position: f64) -> bool {
        let is_limited = self.low != 0.0 || self.high != 0.0;
        !is_limited || (self.low..=self.high).contains(&position)
    }

    fn set_mode(self: &Rc<Self>, mode: Spmg) {
        self.pvs.mode.post(mode);
        match mode {
            Spmg::Stop => self.stop("stopped by its motor record (SPMG)", Then::Forget),
            Spmg::Pause => self.stop("paused by its motor record (SPMG)", Then::Rest),
            Spmg::Move | Spmg::Go => {
                if let Some(position) = self.waiting.take() {
                    self.pvs.setpoint.tell(position);
                    self.travel(position);
                }
            }
        }
    }

    /// Starts towards `position` from rest.
    fn travel(self: &Rc<Self>, position: f64) {
        self.pvs.readback.post_alarm(Alarm::default());
        self.set_busy(true);
        self.pvs.is_moving.post(true);
        self.pvs.low_switch.post(false);
        self.pvs.high_switch.post(false);
        self.axis.travel(self.now(), position, self.pvs.velocity.get());
        self.then.set(Then::Rest);
        self.follow();
    }

    /// Resolves once the record is done with its setpoint.
    fn at_rest(&self) -> LocalFuture<()> {
        let mut is_busy = self.is_busy.subscribe();
        // A world that is gone moves nothing.
        Box::pin(async move { drop(is_busy.wait_for(|busy| !busy).await) })
    }

    fn set_busy(&self, is_busy: bool) {
        self.pvs.done_moving.post(!is_busy);
        self.is_busy.send_replace(is_busy);
    }

    fn stop(self: &Rc<Self>, reason: &str, then: Then) {
        // It may let go of the axis at once.
        let brake = self.brake.borrow().clone();
        if let Some(brake) = brake {
            return brake(&format!("{}: {reason}", self.name));
        }
        if self.is_moving() {
            self.slow_down(then);
        } else if self.waiting.take().is_some() {
            self.pvs.setpoint.tell(self.position());
            self.set_busy(false);
        }
    }

    fn slow_down(self: &Rc<Self>, then: Then) {
        self.axis.halt(self.now());
        self.then.set(then);
        self.follow();
    }

    /// Stops because of a fault of the hardware.
    pub(crate) fn fail(self: &Rc<Self>, text: &str) {
        self.set_alarm(Severity::Major, text);
        self.stop(text, Then::Forget);
    }

    /// Tells how good its position is.
    pub(crate) fn set_alarm(&self, severity: Severity, text: &str) {
        self.pvs.readback.post_alarm(Alarm { severity, text: text.to_owned() });
    }

    /// Hands the axis to a controller, or takes it back.
    pub(crate) fn set_brake(&self, brake: Option<Brake>) {
        *self.brake.borrow_mut() = brake;
    }

    /// Tells where it is, and whether it moves, until it stands still.
    fn follow(self: &Rc<Self>) {
        let motion = self.motion.get() + 1;
        self.motion.set(motion);
        let motor = self.clone();
        self.line.host.spawn(async move {
            let (end, _) = motor.axis.end();
            loop {
                let next = motor.now() + UPDATE_PERIOD;
                motor.line.host.clock.sleep_until(next.min(end)).await;
                if motor.motion.get() != motion {
                    return;
                }
                let is_blocked = motor.look_at_switches();
                motor.pvs.readback.refresh();
                if is_blocked || motor.now() >= end {
                    break;
                }
            }
            motor.arrive();
        });
    }

    /// Whether a limit switch has stopped it.
    fn look_at_switches(&self) -> bool {
        let Some([low, high]) = self.switches else { return false };
        let now = self.now();
        let state = self.axis.at(now);
        let is_low = state.position <= low && state.velocity <= 0.0;
        let is_high = state.position >= high && state.velocity >= 0.0;
        if is_low || is_high {
            self.axis.cut(now);
            self.pvs.low_switch.post(is_low);
            self.pvs.high_switch.post(is_high);
            self.then.set(Then::Blocked);
        }
        is_low || is_high
    }

    fn arrive(self: &Rc<Self>) {
        match self.then.get() {
            Then::Go(position) => {
                self.pvs.setpoint.tell(position);
                self.pvs.is_moving.post(false);
                return self.travel(position);
            }
            Then::Forget => {
                self.pvs.setpoint.tell(self.position());
                self.pvs.is_moving.post(false);
            }
            Then::Blocked => {
                self.pvs.is_moving.post(false);
                self.pvs.setpoint.tell(self.position());
            }
            Then::Rest => self.pvs.is_moving.post(false),
        }
        self.set_busy(false);
    }

    /// Tells what a controller did to the axis.
    pub(crate) fn refresh(&self) {
        self.pvs.readback.refresh();
        let is_moving = self.is_moving();
        self.pvs.is_moving.post(is_moving);
        self.pvs.done_moving.post(!is_moving);
        if !is_moving {
            self.pvs.setpoint.post(self.position());
        }
    }
}
