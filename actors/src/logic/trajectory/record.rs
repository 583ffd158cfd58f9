//! [`TrajectoryRecord`]: the signals of a PMAC, of one of its co-ordinate systems, and of the motors
//! in that.
use crate::signal::{Connector, SignalError, SignalR, SignalRW, SignalX, choices};
use bluefly_protocol::{
    name::Name,
    trajectory::{TriggerBits, TriggerSource},
};
use std::sync::Arc;

choices! {
    /// How building, appending or executing went. An Ok of the put says nothing: look here, once the
    /// state is Done.
    pub enum ProfileStatus {
        /// Not asked yet, or under way.
        Undefined = "Undefined",
        /// Also as soon as an execution has begun.
        Success = "Success",
        Failure = "Failure",
        Aborted = "Abort",
        Timeout = "Timeout",
    }
}

choices! {
    /// Whether a build or an append is under way.
    pub enum StepState {
        Done = "Done",
        Busy = "Busy",
    }
}

choices! {
    /// How far an execution is.
    pub enum ExecuteState {
        Done = "Done",
        MoveStart = "Move start",
        Executing = "Executing",
        Flyback = "Flyback",
    }
}

choices! {
    /// What the program on the controller says of the trajectory.
    pub enum TrajectoryStatus {
        Idle = "Idle",
        Running = "Running",
        Finished = "Finished",
        Error = "Error",
    }
}

choices! {
    /// Where the time of each point comes from.
    pub enum TimeMode {
        Fixed = "FIXED",
        Array = "ARRAY",
    }
}

/// Where a motor of a controller is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisAddress {
    pub name: Name,
    /// Prefix of its signals: `sim://x`.
    pub address: String,
    /// Whether it is a motor of the co-ordinate system itself: then its output link says which axis
    /// it is, and no `:CsAxis_RBV` does.
    pub is_compound: bool,
}

/// Where the signals of a controller are, and what it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrajectorySetup {
    /// Prefix of its signals: `sim://stage`.
    pub address: String,
    /// Port of the co-ordinate system that all axes are in: `CS1`.
    pub cs: String,
    /// Prefix of the signals of that: `sim://stage:CS1`.
    pub cs_address: String,
    pub axes: Vec<AxisAddress>,
    pub trigger_bits: TriggerBits,
    pub trigger_source: TriggerSource,
}

/// Where it is told which axis of which co-ordinate system a motor is.
pub enum Assignment {
    /// `:CsPort_RBV` (empty for none) and `:CsAxis_RBV`, of a raw motor.
    Raw { port: SignalR<String>, letter: SignalR<String> },
    /// `.OUT`: `@asyn(CS1,2)`.
    Compound(SignalR<String>),
}

/// The signals of one motor that the controller moves. Positions in its EGU.
pub struct AxisRecord {
    pub name: Name,
    pub assignment: Assignment,
    /// `.RBV`
    pub readback: SignalR<f64>,
    /// `.DMOV`
    pub done_moving: SignalR<bool>,
    /// `.STOP`
    pub stop: SignalX,
    /// `.MRES`: one step of the motor.
    pub resolution: SignalR<f64>,
    /// `.RDBD`: how near is there.
    pub deadband: SignalR<f64>,
    /// `.LLM` and `.HLM`; both zero: no limits.
    pub low_limit: SignalR<f64>,
    pub high_limit: SignalR<f64>,
}

/// The signals of one axis of the co-ordinate system (`A`, `B`, ...), whichever motor that is.
pub struct LetterRecord {
    /// `:A:UseAxis`
    pub is_used: SignalRW<bool>,
    /// `:A:Positions`: position at each point, EGU.
    pub positions: SignalRW<Arc<[f64]>>,
    /// `:A:Velocities`: velocity at each point, EGU/s.
    pub velocities: SignalRW<Arc<[f64]>>,
    /// `:CS1:M1:DirectDemand`: where to go once `defer_moves` falls.
    pub demand: SignalRW<f64>,
}

/// What a box beside the controller is told, which triggers the detectors.
pub struct TriggerBox {
    /// `:TRIG:Frames`: triggers sent during the time of each point, the first at its start.
    pub frames: SignalRW<Arc<[f64]>>,
    /// `:TRIG:GoesOn`: 1 where the last frame goes on in the time of the next point.
    pub goes_on: SignalRW<Arc<[f64]>>,
}

/// The signals of a motion controller that executes position-velocity-time tables.
pub struct TrajectoryRecord {
    pub axes: Vec<AxisRecord>,
    pub letters: Vec<LetterRecord>,
    /// `:ProfileCsName`
    pub cs_name: SignalRW<String>,
    /// `:ProfileNumPoints`: points that one trajectory may have, with all that is appended to it.
    pub num_points: SignalRW<i64>,
    /// `:ProfileNumPoints_RBV`: zero after a build that failed.
    pub num_points_taken: SignalR<i64>,
    /// `:ProfilePointsToBuild`: how many points the arrays hold.
    pub points_to_build: SignalRW<i64>,
    /// `:ProfilePointsBuilt_RBV`: points built and appended since the last build.
    pub points_built: SignalR<i64>,
    /// `:ProfileTimeMode`
    pub time_mode: SignalRW<TimeMode>,
    /// `:ProfileTimeArray`: time from the point before, microseconds.
    pub times_us: SignalRW<Arc<[f64]>>,
    /// `:UserArray`: the user program that is called at each point.
    pub user_programs: SignalRW<Arc<[f64]>>,
    /// `:VelocityMode`: how velocities would be calculated.
    pub velocity_modes: SignalRW<Arc<[f64]>>,
    /// `:ProfileCalcVel`: false: those of each axis are followed.
    pub calculates_velocities: SignalRW<bool>,
    pub triggers: Option<TriggerBox>,
    /// `:ProfileBuild`, ...
    pub build: Step<StepState>,
    /// `:ProfileAppend`, ...
    pub append: Step<StepState>,
    /// `:ProfileExecute`, ...; always as a plain put, since its put-callback may never complete.
    pub execute: Step<ExecuteState>,
    /// `:ProfileAbort`: decelerates every axis at its limit.
    pub abort: SignalRW<bool>,
    /// `:TotalPoints_RBV`: points come to since the last build; for a while after that, before it.
    pub points_scanned: SignalR<i64>,
    /// `:TrajectoryStatus_RBV`
    pub trajectory_status: SignalR<TrajectoryStatus>,
    /// `:BufferLength_RBV`: points that one half of its buffer holds.
    pub buffer_length: SignalR<i64>,
    /// `:ProgramVersion_RBV` and `:DriverVersion_RBV`: must be the same.
    pub program_version: SignalR<f64>,
    pub driver_version: SignalR<f64>,
    /// `:CS1:DeferMoves`: true holds back demands, whose puts complete when all stand still.
    pub defer_moves: SignalRW<bool>,
    /// `:CS1:Abort`
    pub abort_cs: SignalRW<bool>,
}

/// Something that takes its time, with its outcome.
pub struct Step<S> {
    pub go: SignalRW<bool>,
    pub state: SignalR<S>,
    pub status: SignalR<ProfileStatus>,
    /// Why it failed, in the controller's words.
    pub message: SignalR<String>,
}

impl<S: crate::signal::SignalValue> Step<S> {
    async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        Ok(Self {
            go: connector.rw(address).await?,
            state: connector.r(&format!("{address}State_RBV")).await?,
            status: connector.r(&format!("{address}Status_RBV")).await?,
            message: connector.r(&format!("{address}Message_RBV")).await?,
        })
    }
}

/// The letters of the axes of a co-ordinate system, in order: motor M1 of it is the first.
pub const AXIS_LETTERS: [&str; 9] = ["A", "B", "C", "U", "V", "W", "X", "Y", "Z"];

impl AxisRecord {
    async fn connect(connector: &Connector, axis: &AxisAddress) -> Result<Self, SignalError> {
        let AxisAddress { name, address, is_compound } = axis;
        let assignment = if *is_compound {
            Assignment::Compound(connector.r(&format!("{address}.OUT")).await?)
        } else {
            Assignment::Raw {
                port: connector.r(&format!("{address}:CsPort_RBV")).await?,
                letter: connector.r(&format!("{address}:CsAxis_RBV")).await?,
            }
        };
        Ok(Self {
            name: name.clone(),
            assignment,
            readback: connector.r(&format!("{address}.RBV")).await?,
            done_moving: connector.r(&format!("{address}.DMOV")).await?,
            stop: connector.x(&format!("{address}.STOP")).await?,
            resolution: connector.r(&format!("{address}.MRES")).await?,
            deadband: connector.r(&format!("{address}.RDBD")).await?,
            low_limit: connector.r(&format!("{address}.LLM")).await?,
            high_limit: connector.r(&format!("{address}.HLM")).await?,
        })
    }
}

impl LetterRecord {
    async fn connect(
        connector: &Connector,
        setup: &TrajectorySetup,
        index: usize,
    ) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{}:{}:{name}", setup.address, AXIS_LETTERS[index]);
        let demand = format!("{}:M{}:DirectDemand", setup.cs_address, index + 1);
        Ok(Self {
            is_used: connector.rw(&field("UseAxis")).await?,
            positions: connector.rw(&field("Positions")).await?,
            velocities: connector.rw(&field("Velocities")).await?,
            demand: connector.rw(&demand).await?,
        })
    }
}

impl TriggerBox {
    async fn connect(
        connector: &Connector,
        setup: &TrajectorySetup,
    ) -> Result<Option<Self>, SignalError> {
        match setup.trigger_source {
            TriggerSource::UserPrograms => Ok(None),
            TriggerSource::Box => Ok(Some(Self {
                frames: connector.rw(&format!("{}:TRIG:Frames", setup.address)).await?,
                goes_on: connector.rw(&format!("{}:TRIG:GoesOn", setup.address)).await?,
            })),
        }
    }
}

impl TrajectoryRecord {
    /// Connects every signal of a controller, and those of its motors that it needs.
    pub async fn connect(
        connector: &Connector,
        setup: &TrajectorySetup,
    ) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{}:{name}", setup.address);
        let cs = |name: &str| format!("{}:{name}", setup.cs_address);
        let mut axes = Vec::with_capacity(setup.axes.len());
        for axis in &setup.axes {
            axes.push(AxisRecord::connect(connector, axis).await?);
        }
        let mut letters = Vec::with_capacity(AXIS_LETTERS.len());
        for index in 0..AXIS_LETTERS.len() {
            letters.push(LetterRecord::connect(connector, setup, index).await?);
        }
        Ok(Self {
            axes,
            letters,
            cs_name: connector.rw(&field("ProfileCsName")).await?,
            num_points: connector.rw(&field("ProfileNumPoints")).await?,
            num_points_taken: connector.r(&field("ProfileNumPoints_RBV")).await?,
            points_to_build: connector.rw(&field("ProfilePointsToBuild")).await?,
            points_built: connector.r(&field("ProfilePointsBuilt_RBV")).await?,
            time_mode: connector.rw(&field("ProfileTimeMode")).await?,
            times_us: connector.rw(&field("ProfileTimeArray")).await?,
            user_programs: connector.rw(&field("UserArray")).await?,
            velocity_modes: connector.rw(&field("VelocityMode")).await?,
            calculates_velocities: connector.rw(&field("ProfileCalcVel")).await?,
            triggers: TriggerBox::connect(connector, setup).await?,
            build: Step::connect(connector, &field("ProfileBuild")).await?,
            append: Step::connect(connector, &field("ProfileAppend")).await?,
            execute: Step::connect(connector, &field("ProfileExecute")).await?,
            abort: connector.rw(&field("ProfileAbort")).await?,
            points_scanned: connector.r(&field("TotalPoints_RBV")).await?,
            trajectory_status: connector.r(&field("TrajectoryStatus_RBV")).await?,
            buffer_length: connector.r(&field("BufferLength_RBV")).await?,
            program_version: connector.r(&field("ProgramVersion_RBV")).await?,
            driver_version: connector.r(&field("DriverVersion_RBV")).await?,
            defer_moves: connector.rw(&cs("DeferMoves")).await?,
            abort_cs: connector.rw(&cs("Abort")).await?,
        })
    }
}
