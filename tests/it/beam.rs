//! A small simulated beamline for tests: two motors, a controller that owns them, a detector.
use bluefly_actors::{
    clock::Clock,
    logic::{
        area_detector::{AreaDetector, DetectorRecord, DetectorSetup},
        detector::{Arm, FilePlan},
        motor::{MotorLogic, MotorRecord},
        trajectory::{AxisAddress, TrajectoryLogic, TrajectoryRecord, TrajectorySetup},
    },
    random::Seed,
    signal::{Connector, SignalError},
    supervise::Schedule,
};
use bluefly_protocol::{
    name::Name,
    trajectory::{AxisLimits, Batch, Segment, TriggerBits, TriggerSource},
};
use bluefly_sim::{
    ControllerConfig, DetectorConfig, Latency, MotorConfig, World, WorldConfig,
    sink::{FrameSink, MemorySink},
};
use std::{path::Path, rc::Rc, time::Duration};

/// Runs `test` on a paused clock, as a simulation does.
pub(crate) fn simulate<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("tests use good names")
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Something else has the processor again and again, for up to 90 ms: who was to wake then wakes late.
#[expect(clippy::disallowed_methods, reason = "time that passes while nobody runs")]
pub(crate) async fn busy(clock: Clock) {
    for i in 0_u64.. {
        clock.sleep(Duration::from_micros(1_003 + i * 7_919 % 23_011)).await;
        // A microsecond of the simulated clock is a millisecond of the one beneath.
        tokio::time::advance(Duration::from_millis(1_009 + i * 104_729 % 89_003)).await;
    }
}

pub(crate) struct Beam {
    pub(crate) clock: Clock,
    pub(crate) world: World,
    pub(crate) sink: MemorySink,
    pub(crate) connector: Connector,
}

/// 10 mm/s, 20 mm/s², -100 to 100 mm.
pub(crate) const LIMITS: AxisLimits = AxisLimits {
    low: -100.0,
    high: 100.0,
    max_velocity: 10.0,
    max_acceleration: 20.0,
    settle_s: 0.0,
};
pub(crate) const DEAD_TIME: Duration = Duration::from_millis(1);

impl Beam {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut WorldConfig)) -> Self {
        Self::seeded(1, change)
    }

    pub(crate) fn seeded(seed: u64, change: impl FnOnce(&mut WorldConfig)) -> Self {
        let axes = vec![name("x"), name("y")];
        let mut camera = DetectorConfig::new(name("camera"), [2, 2], DEAD_TIME);
        camera.axes.clone_from(&axes);
        let mut config = WorldConfig {
            motors: axes.iter().map(|axis| MotorConfig::new(axis.clone(), LIMITS)).collect(),
            controllers: vec![ControllerConfig::new(name("stage"), axes)],
            detectors: vec![camera],
            generators: Vec::new(),
            pandas: Vec::new(),
            latency: Latency::default(),
            schedule: Schedule::Fifo,
        };
        change(&mut config);
        let clock = Clock::simulated();
        let sink = MemorySink::default();
        let disk: Rc<dyn FrameSink> = Rc::new(sink.clone());
        let world = World::new(&config, &clock, Seed(seed), &disk);
        let connector = Connector::new(world.provider(), clock.clone(), Duration::from_secs(5));
        Self { clock, world, sink, connector }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now().since_start()
    }

    pub(crate) async fn motor(&self) -> Result<MotorLogic, SignalError> {
        Ok(MotorLogic::new(name("x"), MotorRecord::connect(&self.connector, "sim://x").await?))
    }

    pub(crate) async fn stage(&self) -> Result<TrajectoryLogic, SignalError> {
        self.stage_with(&stage_setup()).await
    }

    pub(crate) async fn stage_with(
        &self,
        setup: &TrajectorySetup,
    ) -> Result<TrajectoryLogic, SignalError> {
        let record = TrajectoryRecord::connect(&self.connector, setup).await?;
        Ok(TrajectoryLogic::new(name("stage"), record, setup.clone()))
    }

    pub(crate) async fn camera(&self) -> Result<AreaDetector, SignalError> {
        let setup = setup();
        let record = DetectorRecord::connect(&self.connector, "sim://camera", &setup).await?;
        Ok(AreaDetector::new(name("camera"), record, setup))
    }

    /// Nothing moves, nothing is armed, nothing is open.
    pub(crate) fn assert_safe(&self) {
        assert!(!self.world.is_anything_moving(), "something moves");
        assert!(!self.world.is_anything_armed(), "something is armed");
        assert_eq!(self.world.open_files(), Vec::<std::path::PathBuf>::new());
    }
}

/// Where the signals of `stage` are.
pub(crate) fn stage_setup() -> TrajectorySetup {
    let axis = |axis: &str| AxisAddress {
        name: name(axis),
        address: format!("sim://{axis}"),
        is_compound: false,
    };
    TrajectorySetup {
        address: "sim://stage".to_owned(),
        cs: "CS1".to_owned(),
        cs_address: "sim://stage:CS1".to_owned(),
        axes: vec![axis("x"), axis("y")],
        trigger_bits: TriggerBits::None,
        trigger_source: TriggerSource::Box,
    }
}

/// Of the camera of a [`Beam`].
pub(crate) fn setup() -> DetectorSetup {
    DetectorSetup { axes: vec![name("x"), name("y")], ..DetectorSetup::new(DEAD_TIME) }
}

pub(crate) fn plan(file_name: &str) -> FilePlan {
    FilePlan {
        directory: Path::new("/data").to_owned(),
        file_name: file_name.to_owned(),
        new_directories: 0,
        frames: 20,
    }
}

/// Frames of 100 ms, half of it exposed.
pub(crate) const fn arm(first_index: u64, frames: u64) -> Arm {
    let (frame_duration, exposure) = (Duration::from_millis(100), Duration::from_millis(50));
    Arm { first_index, frames, frame_duration, exposure }
}

pub(crate) fn segment(duration_ms: u64, frames: u64, x: [f64; 2], y: [f64; 2]) -> Segment {
    Segment {
        duration_us: duration_ms * 1_000,
        frame_goes_on: false,
        frames,
        positions: [x[0], y[0]].into(),
        velocities: [x[1], y[1]].into(),
    }
}

/// Where [`row`] begins.
pub(crate) const ROW_START: [f64; 2] = [-2.5, 0.0];

/// x from 0 to 10 mm in ten frames of 100 ms, from 500 ms to 1,500 ms.
pub(crate) fn row() -> Batch {
    let segments = [
        segment(500, 0, [0.0, 10.0], [0.0, 0.0]),
        segment(1_000, 10, [10.0, 10.0], [0.0, 0.0]),
        segment(500, 0, [12.5, 0.0], [0.5, 2.0]),
    ];
    segments.into_iter().collect()
}

/// The turnaround after [`row`], and x from 10 to 0 mm at y = 1 mm, from 2,500 ms to 3,500 ms; the end
/// is at 4,000 ms.
pub(crate) fn row_back() -> Batch {
    let segments = [
        segment(500, 0, [10.0, -10.0], [1.0, 0.0]),
        segment(1_000, 10, [0.0, -10.0], [1.0, 0.0]),
        segment(500, 0, [-2.5, 0.0], [1.0, 0.0]),
    ];
    Batch { last: true, ..segments.into_iter().collect() }
}

/// [`row`] and [`row_back`] at once.
pub(crate) fn snake() -> Batch {
    let (row, row_back) = (row(), row_back());
    Batch { last: true, ..row.segments().chain(row_back.segments()).collect() }
}
