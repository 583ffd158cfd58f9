//! The signals of a controller.
use crate::{config::ControllerConfig, line::Line, motor::Motor, pv::Pv};
use bluefly_actors::{
    logic::trajectory::{AXIS_LETTERS, ProfileStatus},
    signal::Value,
};
use bluefly_protocol::trajectory::Segment;
use std::{rc::Rc, sync::Arc, time::Duration};

/// Every signal of a controller.
pub(super) struct Pvs {
    pub(super) axes: Vec<AxisPvs>,
    pub(super) durations_us: Rc<Pv>,
    pub(super) frames: Rc<Pv>,
    pub(super) goes_on: Rc<Pv>,
    pub(super) num_segments: Rc<Pv>,
    pub(super) is_last: Rc<Pv>,
    pub(super) build: StepPvs,
    pub(super) append: StepPvs,
    pub(super) execute: StepPvs,
    pub(super) abort: Rc<Pv>,
    pub(super) segments_total: Rc<Pv>,
    pub(super) segments_scanned: Rc<Pv>,
    pub(super) frames_done: Rc<Pv>,
    pub(super) defer_moves: Rc<Pv>,
    pub(super) is_moving: Rc<Pv>,
    capacity: Rc<Pv>,
    /// The shortest segment that is followed.
    shortest: Duration,
}

/// The signals of one axis.
pub(super) struct AxisPvs {
    pub(super) motor: Rc<Motor>,
    pub(super) is_used: Rc<Pv>,
    pub(super) positions: Rc<Pv>,
    pub(super) velocities: Rc<Pv>,
    pub(super) demand: Rc<Pv>,
    pub(super) readback: Rc<Pv>,
}

/// A busy record with its outcome.
pub(super) struct StepPvs {
    pub(super) go: Rc<Pv>,
    pub(super) status: Rc<Pv>,
    pub(super) message: Rc<Pv>,
}

impl StepPvs {
    fn new(line: &Rc<Line>, address: &str) -> Self {
        Self {
            go: Pv::readback(line, address.to_owned(), false),
            status: Pv::readback(line, format!("{address}Status_RBV"), ProfileStatus::Undefined),
            message: Pv::readback(line, format!("{address}Message_RBV"), String::new()),
        }
    }

    pub(super) fn end(&self, outcome: Result<(), String>) {
        let status = if outcome.is_ok() { ProfileStatus::Success } else { ProfileStatus::Failure };
        self.message.post(outcome.err().unwrap_or_default());
        self.go.post(false);
        self.status.post(status);
    }
}

impl AxisPvs {
    fn new(line: &Rc<Line>, address: &str, motor: Rc<Motor>) -> Self {
        let field = |name: &str| format!("{address}:{name}");
        let empty: Arc<[f64]> = Arc::new([]);
        let pvs = Self {
            is_used: Pv::setting(line, field("UseAxis"), false),
            positions: Pv::setting(line, field("Positions"), empty.clone()),
            velocities: Pv::setting(line, field("Velocities"), empty),
            demand: Pv::readback(line, field("DirectDemand"), motor.position()),
            readback: Pv::readback(line, field("Position_RBV"), motor.position()),
            motor,
        };
        let motor = pvs.motor.clone();
        pvs.readback.compute(move || Value::Float(motor.position()));
        pvs
    }
}

impl Pvs {
    pub(super) fn new(line: &Rc<Line>, config: &ControllerConfig, motors: &[Rc<Motor>]) -> Self {
        let field = |name: &str| format!("{}:{name}", config.address);
        let axes = config
            .axes
            .iter()
            .filter_map(|name| motors.iter().find(|motor| motor.name == *name))
            .zip(AXIS_LETTERS)
            .map(|(motor, letter)| AxisPvs::new(line, &field(letter), motor.clone()))
            .collect();
        let empty: Arc<[f64]> = Arc::new([]);
        let capacity = i64::try_from(config.capacity).unwrap_or(i64::MAX);
        Self {
            axes,
            durations_us: Pv::setting(line, field("ProfileTimeArray"), empty.clone()),
            frames: Pv::setting(line, field("ProfileUserArray"), empty.clone()),
            goes_on: Pv::setting(line, field("ProfileGoesOn"), empty),
            num_segments: Pv::setting(line, field("ProfilePointsToBuild"), 0_i64),
            is_last: Pv::setting(line, field("ProfileLast"), false),
            build: StepPvs::new(line, &field("ProfileBuild")),
            append: StepPvs::new(line, &field("ProfileAppend")),
            execute: StepPvs::new(line, &field("ProfileExecute")),
            abort: Pv::readback(line, field("ProfileAbort"), 0_i64),
            segments_total: Pv::readback(line, field("TotalPoints_RBV"), 0_i64),
            segments_scanned: Pv::readback(line, field("TscanPoints_RBV"), 0_i64),
            frames_done: Pv::readback(line, field("FramesDone_RBV"), 0_i64),
            defer_moves: Pv::readback(line, field("DeferMoves"), false),
            is_moving: Pv::readback(line, field("Moving_RBV"), false),
            capacity: Pv::readback(line, field("BufferLength_RBV"), capacity),
            shortest: config.shortest,
        }
    }

    pub(super) fn all(&self) -> Vec<Rc<Pv>> {
        let mut pvs = vec![
            self.durations_us.clone(),
            self.frames.clone(),
            self.goes_on.clone(),
            self.num_segments.clone(),
            self.is_last.clone(),
            self.abort.clone(),
            self.segments_total.clone(),
            self.segments_scanned.clone(),
            self.frames_done.clone(),
            self.defer_moves.clone(),
            self.is_moving.clone(),
            self.capacity.clone(),
        ];
        for step in [&self.build, &self.append, &self.execute] {
            pvs.extend([step.go.clone(), step.status.clone(), step.message.clone()]);
        }
        for axis in &self.axes {
            let AxisPvs { is_used, positions, velocities, demand, readback, .. } = axis;
            pvs.extend([is_used, positions, velocities, demand, readback].map(Rc::clone));
        }
        pvs
    }

    /// The segments that the waveforms hold.
    pub(super) fn read_segments(&self) -> Result<Vec<Segment>, String> {
        let count = usize::try_from(self.num_segments.get::<i64>()).unwrap_or(0);
        let column = |pv: &Pv| -> Result<Arc<[f64]>, String> {
            let values: Arc<[f64]> = pv.get();
            let (address, length) = (&pv.address, values.len());
            let short = || format!("{address} has {length} values for {count} segments");
            (length == count).then_some(values).ok_or_else(short)
        };
        let durations_us = column(&self.durations_us)?;
        let (frames, goes_on) = (column(&self.frames)?, column(&self.goes_on)?);
        let mut axes = Vec::with_capacity(self.axes.len());
        for axis in &self.axes {
            axes.push((column(&axis.positions)?, column(&axis.velocities)?));
        }
        let segment = |i: usize| Segment {
            duration_us: durations_us[i] as u64,
            frames: frames[i] as u64,
            frame_goes_on: goes_on[i] != 0.0,
            positions: axes.iter().map(|(positions, _)| positions[i]).collect(),
            velocities: axes.iter().map(|(_, velocities)| velocities[i]).collect(),
        };
        let shortest_us = self.shortest.as_micros() as f64;
        match durations_us.iter().position(|&duration_us| duration_us < shortest_us.max(1.0)) {
            Some(i) if durations_us[i] < 1.0 => Err(format!("segment {i} takes no time")),
            Some(i) => {
                let found_us = durations_us[i];
                Err(format!("segment {i} takes {found_us} us: less than {shortest_us} us"))
            }
            None => Ok((0..count).map(segment).collect()),
        }
    }
}
