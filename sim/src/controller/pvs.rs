//! The signals of a controller.
use super::table::{Rows, Trajectory};
use crate::{config::ControllerConfig, line::Line, motor::Motor, pv::Pv};
use bluefly_actors::{
    logic::trajectory::{
        AXIS_LETTERS, ExecuteState, ProfileStatus, StepState, TimeMode, TrajectoryStatus,
    },
    signal::{Metadata, NativeType, SignalValue},
};
use bluefly_protocol::name::Name;
use std::{rc::Rc, sync::Arc, time::Duration};

/// Most points that its arrays hold.
const MAX_POINTS: usize = 100_000;
/// Most characters of a message.
const MAX_MESSAGE: usize = 1_000;
/// Of the program that runs on the controller, and that its driver knows.
const VERSION: f64 = 4.0;

/// Every signal of a controller.
pub(super) struct Pvs {
    pub(super) cs_name: Rc<Pv>,
    pub(super) num_points: Rc<Pv>,
    pub(super) num_points_taken: Rc<Pv>,
    points_to_build: Rc<Pv>,
    pub(super) points_built: Rc<Pv>,
    times_us: Rc<Pv>,
    user_programs: Rc<Pv>,
    calculates_velocities: Rc<Pv>,
    program_version: Rc<Pv>,
    driver_version: Rc<Pv>,
    frames: Rc<Pv>,
    pub(super) axes: Vec<AxisPvs>,
    pub(super) build: StepPvs,
    pub(super) append: StepPvs,
    pub(super) execute: ExecutePvs,
    pub(super) abort: Rc<Pv>,
    pub(super) points_scanned: Rc<Pv>,
    pub(super) percent: Rc<Pv>,
    pub(super) trajectory_status: Rc<Pv>,
    pub(super) defer_moves: Rc<Pv>,
    pub(super) abort_cs: Rc<Pv>,
    rest: Vec<Rc<Pv>>,
}

/// The signals of one axis of the co-ordinate system, and the motor behind it, if there is one.
pub(super) struct AxisPvs {
    pub(super) motor: Option<Rc<Motor>>,
    pub(super) is_used: Rc<Pv>,
    pub(super) positions: Rc<Pv>,
    pub(super) velocities: Rc<Pv>,
    pub(super) demand: Rc<Pv>,
}

/// Tells some things a little after others.
#[derive(Clone)]
pub(super) struct Late {
    line: Rc<Line>,
    by: Duration,
}

impl Late {
    fn tell(&self, tell: impl FnOnce() + 'static) {
        if self.by.is_zero() {
            return tell();
        }
        let (clock, by) = (self.line.host.clock.clone(), self.by);
        self.line.host.spawn(async move {
            clock.sleep(by).await;
            tell();
        });
    }

    /// What came of something that is over.
    fn outcome(&self, pvs: [&Rc<Pv>; 2], outcome: (ProfileStatus, String)) {
        let [status, message] = pvs.map(Rc::clone);
        self.tell(move || {
            status.post(outcome.0);
            message.post(outcome.1);
        });
    }
}

/// Building or appending, with its outcome.
pub(super) struct StepPvs {
    late: Late,
    pub(super) go: Rc<Pv>,
    pub(super) state: Rc<Pv>,
    pub(super) status: Rc<Pv>,
    pub(super) message: Rc<Pv>,
}

/// Executing, with its outcome.
pub(super) struct ExecutePvs {
    late: Late,
    pub(super) go: Rc<Pv>,
    pub(super) state: Rc<Pv>,
    pub(super) status: Rc<Pv>,
    pub(super) message: Rc<Pv>,
}

fn button(line: &Rc<Line>, address: &str, word: &str) -> Rc<Pv> {
    Pv::readback(line, address.to_owned(), false).like(Metadata::choices(&["Done", word]))
}

fn message(line: &Rc<Line>, address: &str) -> Rc<Pv> {
    let address = format!("{address}Message_RBV");
    Pv::readback(line, address, String::new()).like(Metadata::text(MAX_MESSAGE))
}

impl StepPvs {
    fn new(late: &Late, address: &str, word: &str) -> Self {
        let status = Metadata::choices(&["Undefined", "Success", "Failure"]);
        let line = &late.line;
        Self {
            late: late.clone(),
            go: button(line, address, word),
            state: Pv::readback(line, format!("{address}State_RBV"), StepState::Done),
            status: Pv::readback(line, format!("{address}Status_RBV"), ProfileStatus::Undefined)
                .like(status),
            message: message(line, address),
        }
    }

    /// It is over, with what is to be said of it.
    pub(super) fn end(&self, outcome: Result<String, String>) {
        let status = if outcome.is_ok() { ProfileStatus::Success } else { ProfileStatus::Failure };
        self.state.post(StepState::Done);
        let message = outcome.unwrap_or_else(|reason| reason);
        self.late.outcome([&self.status, &self.message], (status, message));
        self.go.post(true);
    }

    fn all(&self) -> [Rc<Pv>; 4] {
        let Self { go, state, status, message, .. } = self;
        [go, state, status, message].map(Rc::clone)
    }
}

impl ExecutePvs {
    fn new(late: &Late, address: &str) -> Self {
        let line = &late.line;
        Self {
            late: late.clone(),
            go: button(line, address, "Execute"),
            state: Pv::readback(line, format!("{address}State_RBV"), ExecuteState::Done),
            status: Pv::readback(line, format!("{address}Status_RBV"), ProfileStatus::Undefined),
            message: message(line, address),
        }
    }

    pub(super) fn begin(&self) {
        self.state.post(ExecuteState::MoveStart);
        self.status.post(ProfileStatus::Undefined);
    }

    pub(super) fn end(&self, status: ProfileStatus, message: &str) {
        self.state.post(ExecuteState::Done);
        self.late.outcome([&self.status, &self.message], (status, message.to_owned()));
    }

    fn all(&self) -> [Rc<Pv>; 4] {
        let Self { go, state, status, message, .. } = self;
        [go, state, status, message].map(Rc::clone)
    }
}

/// An array of numbers.
fn array(line: &Rc<Line>, address: String, native: NativeType) -> Rc<Pv> {
    let empty: Arc<[f64]> = Arc::new([]);
    Pv::setting(line, address, empty).like(Metadata::array(native, MAX_POINTS))
}

/// An array with so many decimal places.
fn numbers(line: &Rc<Line>, address: String, precision: i16) -> Rc<Pv> {
    let double = Metadata::array(NativeType::Double, MAX_POINTS);
    array(line, address, NativeType::Double).like(double.in_unit("", precision))
}

fn number(unit: &str, precision: i16) -> Metadata {
    Metadata::scalar(NativeType::Double).in_unit(unit, precision)
}

/// A value that a client may also write, as of most records of a PMAC.
fn setting<T: SignalValue>(line: &Rc<Line>, address: String, value: T) -> Rc<Pv> {
    Pv::setting(line, address, value)
}

impl AxisPvs {
    fn new(
        line: &Rc<Line>,
        config: &ControllerConfig,
        index: usize,
        motor: Option<Rc<Motor>>,
    ) -> Self {
        let field = |name: &str| format!("{}:{}:{name}", config.address, AXIS_LETTERS[index]);
        let position = motor.as_ref().map_or(0.0, |motor| motor.position());
        let demand = format!("{}:M{}:DirectDemand", config.cs_address, index + 1);
        Self {
            is_used: setting(line, field("UseAxis"), false),
            positions: numbers(line, field("Positions"), 4),
            velocities: numbers(line, field("Velocities"), 4),
            demand: Pv::readback(line, demand, position).like(number("", 4)),
            motor,
        }
    }
}

impl Pvs {
    pub(super) fn new(line: &Rc<Line>, config: &ControllerConfig, motors: &[Rc<Motor>]) -> Self {
        let field = |name: &str| format!("{}:{name}", config.address);
        let cs = |name: &str| format!("{}:{name}", config.cs_address);
        let found = |name: &Name| motors.iter().find(|motor| motor.name == *name).cloned();
        let motors: Vec<_> = config.axes.iter().map(found).collect();
        let axis =
            |index: usize| AxisPvs::new(line, config, index, motors.get(index).cloned().flatten());
        let name = config.cs.as_str();
        let late = Late { line: line.clone(), by: config.tells_late };
        let on_off = Metadata::choices(&["Defer Off", "Defer On"]);
        let no_words = Metadata::choices(&["", ""]);
        let yes_no = Metadata::choices(&["NO", "YES"]);
        let buffer_length = i64::try_from(config.buffer_length).unwrap_or(i64::MAX);
        let points = i64::try_from(MAX_POINTS).unwrap_or(i64::MAX);
        Self {
            cs_name: Pv::readback(line, field("ProfileCsName"), name.to_owned())
                .like(Metadata::choices(&[name])),
            num_points: Pv::readback(line, field("ProfileNumPoints"), points),
            num_points_taken: setting(line, field("ProfileNumPoints_RBV"), points),
            points_to_build: setting(line, field("ProfilePointsToBuild"), 0_i64),
            points_built: setting(line, field("ProfilePointsBuilt_RBV"), 0_i64),
            times_us: numbers(line, field("ProfileTimeArray"), 0),
            user_programs: array(line, field("UserArray"), NativeType::Long),
            calculates_velocities: setting(line, field("ProfileCalcVel"), true).like(yes_no),
            program_version: setting(line, field("ProgramVersion_RBV"), VERSION)
                .like(number("", 0)),
            driver_version: setting(line, field("DriverVersion_RBV"), VERSION).like(number("", 0)),
            frames: array(line, field("TRIG:Frames"), NativeType::Long),
            axes: (0..AXIS_LETTERS.len()).map(axis).collect(),
            build: StepPvs::new(&late, &field("ProfileBuild"), "Build"),
            append: StepPvs::new(&late, &field("ProfileAppend"), "Append"),
            execute: ExecutePvs::new(&late, &field("ProfileExecute")),
            abort: button(line, &field("ProfileAbort"), "Abort"),
            points_scanned: Pv::readback(line, field("TotalPoints_RBV"), 0_i64),
            percent: Pv::readback(line, field("TscanPercent_RBV"), 0.0_f64).like(number("%", 0)),
            trajectory_status: setting(line, field("TrajectoryStatus_RBV"), TrajectoryStatus::Idle),
            defer_moves: Pv::readback(line, cs("DeferMoves"), false).like(on_off),
            abort_cs: Pv::readback(line, cs("Abort"), false).like(no_words),
            rest: vec![
                setting(line, field("BufferLength_RBV"), buffer_length),
                setting(line, field("ProfileTimeMode"), TimeMode::Fixed),
                array(line, field("VelocityMode"), NativeType::Long),
                array(line, field("TRIG:GoesOn"), NativeType::Long),
                setting(line, cs("Port"), name.to_owned())
                    .like(Metadata::scalar(NativeType::String)),
            ],
        }
    }

    pub(super) fn all(&self) -> Vec<Rc<Pv>> {
        let mut pvs = self.rest.clone();
        let Self { cs_name, num_points, num_points_taken, points_to_build, points_built, .. } =
            self;
        pvs.extend(
            [cs_name, num_points, num_points_taken, points_to_build, points_built].map(Rc::clone),
        );
        let Self { times_us, user_programs, calculates_velocities, frames, .. } = self;
        pvs.extend([times_us, user_programs, calculates_velocities, frames].map(Rc::clone));
        let Self { program_version, driver_version, abort, points_scanned, percent, .. } = self;
        pvs.extend(
            [program_version, driver_version, abort, points_scanned, percent].map(Rc::clone),
        );
        let Self { trajectory_status, defer_moves, abort_cs, .. } = self;
        pvs.extend([trajectory_status, defer_moves, abort_cs].map(Rc::clone));
        pvs.extend(self.build.all());
        pvs.extend(self.append.all());
        pvs.extend(self.execute.all());
        for axis in &self.axes {
            let AxisPvs { is_used, positions, velocities, demand, .. } = axis;
            pvs.extend([is_used, positions, velocities, demand].map(Rc::clone));
        }
        pvs
    }

    /// The motors that it moves.
    pub(super) fn motors(&self) -> impl Iterator<Item = &Rc<Motor>> {
        self.axes.iter().filter_map(|axis| axis.motor.as_ref())
    }

    /// The axes that the next trajectory moves.
    pub(super) fn used(&self) -> Vec<usize> {
        let is_used = |axis: &AxisPvs| axis.motor.is_some() && axis.is_used.get::<bool>();
        (0..self.axes.len()).filter(|&i| is_used(&self.axes[i])).collect()
    }

    /// The controller has room for so many points, which it tells late.
    pub(super) fn take_points(&self, points: i64) {
        let taken = self.num_points_taken.clone();
        self.build.late.tell(move || taken.post(points));
    }

    /// How many points a build or append is to take.
    pub(super) fn num_new(&self) -> usize {
        usize::try_from(self.points_to_build.get::<i64>()).unwrap_or(0)
    }

    /// Why nothing can be built at all.
    pub(super) fn check_versions(&self) -> Result<(), String> {
        if self.program_version.get::<f64>() != self.driver_version.get::<f64>() {
            return Err("Program and driver version mismatch".to_owned());
        }
        if self.calculates_velocities.get::<bool>() {
            return Err("velocities are not calculated here: ProfileCalcVel must be NO".to_owned());
        }
        Ok(())
    }

    /// The points that the arrays hold, for the axes of `trajectory`. An array that is too short is
    /// taken to go on with zeros.
    pub(super) fn rows(&self, trajectory: &Trajectory) -> Rows {
        let column = |pv: &Pv| pv.get::<Arc<[f64]>>();
        let axis = |&i: &usize| (column(&self.axes[i].positions), column(&self.axes[i].velocities));
        Rows {
            count: self.num_new(),
            times_us: column(&self.times_us),
            frames: column(&self.frames),
            user_programs: column(&self.user_programs),
            axes: trajectory.used.iter().map(axis).collect(),
        }
    }
}
