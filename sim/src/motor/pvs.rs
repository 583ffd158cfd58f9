//! The signals of a motor record.
use crate::{
    config::MotorConfig,
    line::Line,
    pv::{Pv, turn},
};
use bluefly_actors::{
    logic::motor::Spmg,
    signal::{Metadata, NativeType, Range},
};
use std::rc::Rc;

/// The signals of a motor record that do something; all others are among the rest.
pub(super) struct Pvs {
    pub(super) setpoint: Rc<Pv>,
    pub(super) readback: Rc<Pv>,
    pub(super) done_moving: Rc<Pv>,
    pub(super) is_moving: Rc<Pv>,
    pub(super) stop: Rc<Pv>,
    pub(super) mode: Rc<Pv>,
    pub(super) velocity: Rc<Pv>,
    pub(super) base_velocity: Rc<Pv>,
    pub(super) limit_violation: Rc<Pv>,
    pub(super) low_switch: Rc<Pv>,
    pub(super) high_switch: Rc<Pv>,
    rest: Vec<Rc<Pv>>,
}

impl Pvs {
    pub(super) fn new(line: &Rc<Line>, config: &MotorConfig) -> Self {
        let field = |name: &str| format!("{}.{name}", config.address);
        let looks = Looks::new(config);
        let limits = &config.limits;
        let flag = |name: &str| Pv::readback(line, field(name), false).like(looks.short());
        let number = |name: &str, value: f64| {
            Pv::setting(line, field(name), value).like(looks.double(&config.unit))
        };
        let fixed = |name: &str, value: f64| {
            Pv::readback(line, field(name), value).like(looks.double(&config.unit))
        };
        let velocity = |name: &str, value: f64| {
            Pv::readback(line, field(name), value).like(looks.double(&looks.velocity_unit))
        };
        let acceleration_time_s = limits.max_velocity / limits.max_acceleration;
        let time = Pv::readback(line, field("ACCL"), acceleration_time_s).like(looks.double("sec"));
        let precision = i64::from(config.precision);
        let pvs = Self {
            setpoint: Pv::readback(line, field("VAL"), config.position).like(looks.position()),
            readback: Pv::readback(line, field("RBV"), config.position).like(looks.position()),
            done_moving: Pv::readback(line, field("DMOV"), true).like(looks.short()),
            is_moving: flag("MOVN"),
            stop: Pv::readback(line, field("STOP"), 0_i64).like(looks.short()),
            mode: Pv::readback(line, field("SPMG"), Spmg::Go),
            velocity: velocity("VELO", limits.max_velocity),
            base_velocity: velocity("VBAS", config.base_velocity),
            limit_violation: flag("LVIO"),
            low_switch: flag("LLS"),
            high_switch: flag("HLS"),
            rest: vec![
                velocity("VMAX", limits.max_velocity),
                time,
                fixed("LLM", limits.low),
                fixed("HLM", limits.high),
                fixed("MRES", config.resolution),
                number("RDBD", 0.0),
                fixed("DLY", limits.settle_s),
                Pv::readback(line, field("EGU"), config.unit.clone())
                    .like(Metadata::scalar(NativeType::String)),
                Pv::readback(line, field("PREC"), precision).like(looks.short()),
            ],
        };
        let turn = turn();
        for pv in [&pvs.setpoint, &pvs.stop, &pvs.mode, &pvs.velocity] {
            pv.in_turn(&turn);
        }
        pvs
    }

    pub(super) fn all(&self) -> Vec<Rc<Pv>> {
        let Self { setpoint, readback, done_moving, is_moving, stop, mode, .. } = self;
        let Self { velocity, base_velocity, limit_violation, low_switch, high_switch, .. } = self;
        let mut all = self.rest.clone();
        all.extend([setpoint, readback, done_moving, is_moving, stop, mode].map(Rc::clone));
        let others = [velocity, base_velocity, limit_violation, low_switch, high_switch];
        all.extend(others.map(Rc::clone));
        all
    }
}

/// How the fields of a motor record look over Channel Access.
struct Looks {
    unit: String,
    velocity_unit: String,
    precision: i16,
    limits: Range,
}

impl Looks {
    fn new(config: &MotorConfig) -> Self {
        Self {
            unit: config.unit.clone(),
            velocity_unit: format!("{}/sec", config.unit),
            precision: i16::try_from(config.precision).unwrap_or(i16::MAX),
            limits: Range { low: config.limits.low, high: config.limits.high },
        }
    }

    fn double(&self, unit: &str) -> Metadata {
        Metadata::scalar(NativeType::Double).in_unit(unit, self.precision)
    }

    fn position(&self) -> Metadata {
        Metadata { display: self.limits, control: self.limits, ..self.double(&self.unit) }
    }

    fn short(&self) -> Metadata {
        let units = self.unit.clone();
        Metadata { units, ..Metadata::scalar(NativeType::Short) }
    }
}
