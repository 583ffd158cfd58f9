//! [`DetectorRecord`]: the signals of an areaDetector driver with its HDF writer and statistics.
use crate::signal::{Connector, SignalError, SignalR, SignalRW, SignalX, choices};
use bluefly_protocol::exposures::ExposuresPerFrame;
use std::sync::Arc;

choices! {
    /// How many frames one acquisition takes.
    pub enum ImageMode {
        Single = "Single",
        Multiple = "Multiple",
        Continuous = "Continuous",
    }
}

choices! {
    /// What starts an exposure.
    pub enum TriggerMode {
        Internal = "Internal",
        External = "External",
    }
}

choices! {
    /// What a detector is doing.
    pub enum DetectorState {
        Idle = "Idle",
        /// Armed: triggers are taken.
        Waiting = "Waiting",
        Acquire = "Acquire",
        Readout = "Readout",
        Aborting = "Aborting",
        Error = "Error",
    }
}

choices! {
    /// Type of a pixel.
    pub enum Dtype {
        Int8 = "Int8",
        UInt8 = "UInt8",
        Int16 = "Int16",
        UInt16 = "UInt16",
        Int32 = "Int32",
        UInt32 = "UInt32",
        Float32 = "Float32",
        Float64 = "Float64",
    }
}

choices! {
    /// Whether the last write of a file succeeded.
    pub enum WriteStatus {
        Ok = "Write OK",
        Error = "Write error",
    }
}

/// The signals of the driver, `:cam1:`.
pub struct DriverRecord {
    /// True arms, false stops. The put-callback completes when the acquisition ends.
    pub acquire: SignalRW<bool>,
    pub num_images: SignalRW<i64>,
    pub image_mode: SignalRW<ImageMode>,
    pub trigger_mode: SignalRW<TriggerMode>,
    /// Exposure, seconds.
    pub acquire_time_s: SignalRW<f64>,
    pub acquire_period_s: SignalRW<f64>,
    /// Triggers taken since it was armed, one for each exposure.
    pub array_counter: SignalR<i64>,
    pub state: SignalR<DetectorState>,
    /// What went wrong, in the driver's words.
    pub status_message: SignalR<String>,
    /// Least time between two exposures, seconds.
    pub dead_time_s: SignalR<f64>,
    pub size_x: SignalR<i64>,
    pub size_y: SignalR<i64>,
    pub data_type: SignalR<Dtype>,
}

/// The signals of the file writer, `:HDF1:`.
pub struct WriterRecord {
    pub file_path: SignalRW<String>,
    pub file_name: SignalRW<String>,
    /// The run that the open file belongs to, for whoever finds it open.
    pub run_uid: SignalRW<String>,
    /// Frames after which it closes the file by itself; zero: never.
    pub num_capture: SignalRW<i64>,
    /// True opens the file, false closes it.
    pub capture: SignalRW<bool>,
    pub is_capturing: SignalR<bool>,
    /// Frames written; not the number of rows after a rewind.
    pub num_captured: SignalR<i64>,
    /// Frames on disk without a hole from index 0.
    pub frames_on_disk: SignalR<i64>,
    /// Frames since the detector was armed that will never come: not exposed, or lost on the way.
    pub dropped_arrays: SignalR<i64>,
    /// Completes when everything acquired so far is on disk.
    pub flush_now: SignalX,
    pub write_status: SignalR<WriteStatus>,
    pub write_message: SignalR<String>,
    pub full_file_name: SignalR<String>,
    pub swmr_mode: SignalRW<bool>,
    /// Opens at the first frame; an error is then forgotten, so it stays off.
    pub lazy_open: SignalRW<bool>,
    /// The index at which the next exposure lands.
    pub position_offset: SignalRW<i64>,
}

/// The signals of the statistics, `:STAT1:`: rings with one slot per frame, at index modulo length,
/// and the latest frame.
pub struct StatsRecord {
    /// Frames seen.
    pub num_frames: SignalR<i64>,
    /// Sum of the pixels of the latest frame; known before the frame counts as seen.
    pub latest_total: SignalR<f64>,
    /// Index of the frame in each slot; negative: none.
    pub index: SignalR<Arc<[f64]>>,
    /// Sum of the pixels.
    pub total: SignalR<Arc<[f64]>>,
    /// When the exposure began, seconds since 1970-01-01T00:00:00Z.
    pub timestamp_s: SignalR<Arc<[f64]>>,
}

/// The signals of a pulse multiplier, `:PULSE1:`: it stands before the detector and makes several
/// triggers of each that comes, as the PULSE block of a PandA does.
pub struct MultiplierRecord {
    /// False: no pulse comes, and those under way are forgotten.
    pub enable: SignalRW<bool>,
    /// Pulses for each trigger, the first at once.
    pub pulses: SignalRW<i64>,
    /// From the start of a pulse to the start of the next, seconds.
    pub step_s: SignalRW<f64>,
}

/// The signals of one detector.
pub struct DetectorRecord {
    pub driver: DriverRecord,
    pub writer: WriterRecord,
    pub stats: StatsRecord,
    pub exposures_per_frame: ExposuresPerFrame,
    /// Absent with one exposure per frame: the trigger of the frame is that of the detector.
    pub multiplier: Option<MultiplierRecord>,
}

impl DetectorRecord {
    /// Connects every signal of the detector at `address` (`sim://saxs`).
    pub async fn connect(
        connector: &Connector,
        address: &str,
        exposures_per_frame: ExposuresPerFrame,
    ) -> Result<Self, SignalError> {
        let multiplier = if exposures_per_frame == ExposuresPerFrame::ONE {
            None
        } else {
            Some(MultiplierRecord::connect(connector, &format!("{address}:PULSE1")).await?)
        };
        Ok(Self {
            driver: DriverRecord::connect(connector, &format!("{address}:cam1")).await?,
            writer: WriterRecord::connect(connector, &format!("{address}:HDF1")).await?,
            stats: StatsRecord::connect(connector, &format!("{address}:STAT1")).await?,
            exposures_per_frame,
            multiplier,
        })
    }
}

impl MultiplierRecord {
    async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        Ok(Self {
            enable: connector.rw(&format!("{address}:Enable")).await?,
            pulses: connector.rw(&format!("{address}:Pulses")).await?,
            step_s: connector.rw(&format!("{address}:Step")).await?,
        })
    }
}

impl DriverRecord {
    async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{address}:{name}");
        Ok(Self {
            acquire: connector.rw(&field("Acquire")).await?,
            num_images: connector.rw(&field("NumImages")).await?,
            image_mode: connector.rw(&field("ImageMode")).await?,
            trigger_mode: connector.rw(&field("TriggerMode")).await?,
            acquire_time_s: connector.rw(&field("AcquireTime")).await?,
            acquire_period_s: connector.rw(&field("AcquirePeriod")).await?,
            array_counter: connector.r(&field("ArrayCounter_RBV")).await?,
            state: connector.r(&field("DetectorState_RBV")).await?,
            status_message: connector.r(&field("StatusMessage_RBV")).await?,
            dead_time_s: connector.r(&field("DeadTime_RBV")).await?,
            size_x: connector.r(&field("ArraySizeX_RBV")).await?,
            size_y: connector.r(&field("ArraySizeY_RBV")).await?,
            data_type: connector.r(&field("DataType_RBV")).await?,
        })
    }
}

impl WriterRecord {
    async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{address}:{name}");
        Ok(Self {
            file_path: connector.rw(&field("FilePath")).await?,
            file_name: connector.rw(&field("FileName")).await?,
            run_uid: connector.rw(&field("RunUid")).await?,
            num_capture: connector.rw(&field("NumCapture")).await?,
            capture: connector.rw(&field("Capture")).await?,
            is_capturing: connector.r(&field("Capture_RBV")).await?,
            num_captured: connector.r(&field("NumCaptured_RBV")).await?,
            frames_on_disk: connector.r(&field("FramesOnDisk_RBV")).await?,
            dropped_arrays: connector.r(&field("DroppedArrays_RBV")).await?,
            flush_now: connector.x(&field("FlushNow")).await?,
            write_status: connector.r(&field("WriteStatus")).await?,
            write_message: connector.r(&field("WriteMessage")).await?,
            full_file_name: connector.r(&field("FullFileName_RBV")).await?,
            swmr_mode: connector.rw(&field("SWMRMode")).await?,
            lazy_open: connector.rw(&field("LazyOpen")).await?,
            position_offset: connector.rw(&field("PositionOffset")).await?,
        })
    }
}

impl StatsRecord {
    async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        Ok(Self {
            num_frames: connector.r(&format!("{address}:ArrayCounter_RBV")).await?,
            latest_total: connector.r(&format!("{address}:Total_RBV")).await?,
            index: connector.r(&format!("{address}:TSIndex")).await?,
            total: connector.r(&format!("{address}:TSTotal")).await?,
            timestamp_s: connector.r(&format!("{address}:TSTimestamp")).await?,
        })
    }
}
