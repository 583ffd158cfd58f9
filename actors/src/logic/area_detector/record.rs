//! [`DetectorRecord`]: the signals of an areaDetector driver with its HDF writer and statistics.
use super::DetectorSetup;
use crate::{
    clock::Clock,
    logic::detector::Dtype,
    signal::{Connector, SignalError, SignalR, SignalRW, choices},
};
use std::{rc::Rc, sync::Arc};

choices! {
    /// How many frames one acquisition takes.
    pub enum ImageMode {
        Single = "Single",
        Multiple = "Multiple",
        Continuous = "Continuous",
    }
}

choices! {
    /// What a detector is doing, in the order of the record.
    pub enum DetectorState {
        Idle = "Idle",
        Acquire = "Acquire",
        Readout = "Readout",
        Correct = "Correct",
        Saving = "Saving",
        Aborting = "Aborting",
        Error = "Error",
        /// Between two frames, or armed.
        Waiting = "Waiting",
        Initializing = "Initializing",
        Disconnected = "Disconnected",
        Aborted = "Aborted",
    }
}

choices! {
    /// What became of a file, or text, of attributes.
    pub enum AttributesStatus {
        Ok = "Attributes file OK",
        NotFound = "File not found",
        Syntax = "XML syntax error",
        Macro = "Macro substitution error",
    }
}

choices! {
    /// How many frames go into one file, and when.
    pub enum FileWriteMode {
        Single = "Single",
        Capture = "Capture",
        Stream = "Stream",
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
    /// Whether it acquires. False comes before the last frame is written.
    pub acquiring: SignalR<bool>,
    pub num_images: SignalRW<i64>,
    pub num_images_readback: SignalR<i64>,
    pub image_mode: SignalRW<ImageMode>,
    /// Its words are those of the camera.
    pub trigger_mode: SignalRW<String>,
    pub trigger_mode_readback: SignalR<String>,
    /// Exposure, seconds.
    pub acquire_time_s: SignalRW<f64>,
    pub acquire_time_readback_s: SignalR<f64>,
    pub acquire_period_s: SignalRW<f64>,
    /// Unique id of the latest frame; the next one has the next.
    pub array_counter: SignalRW<i64>,
    pub array_counter_readback: SignalR<i64>,
    /// Frames that its plugins have not taken in yet.
    pub queued_arrays: SignalR<i64>,
    /// Whether frames go to plugins.
    pub array_callbacks: SignalRW<bool>,
    /// A file of attributes of each frame, or their definition itself.
    pub attributes_file: SignalRW<String>,
    pub attributes_status: SignalR<AttributesStatus>,
    pub state: SignalR<DetectorState>,
    /// What went wrong, in the driver's words.
    pub status_message: SignalR<String>,
    pub size_x: SignalR<i64>,
    pub size_y: SignalR<i64>,
    pub data_type: SignalR<Dtype>,
}

/// The signals of the file writer, `:HDF1:`.
pub struct WriterRecord {
    pub enable_callbacks: SignalRW<bool>,
    pub file_path: SignalRW<String>,
    /// Ends in a slash, or in a backslash.
    pub file_path_readback: SignalR<String>,
    pub file_path_exists: SignalR<bool>,
    pub create_directory: SignalRW<i64>,
    pub file_name: SignalRW<String>,
    pub file_name_readback: SignalR<String>,
    pub file_template: SignalRW<String>,
    pub auto_increment: SignalRW<bool>,
    pub auto_save: SignalRW<bool>,
    pub file_write_mode: SignalRW<FileWriteMode>,
    /// Frames after which it closes the file by itself, and how many rows the file may have.
    pub num_capture: SignalRW<i64>,
    /// True opens the file, false closes it. The put-callback completes when it is closed.
    pub capture: SignalRW<bool>,
    pub is_capturing: SignalR<bool>,
    /// Frames written; not the number of rows after a rewind.
    pub num_captured: SignalR<i64>,
    /// Frames taken in, whether or not they were written.
    pub array_counter: SignalRW<i64>,
    pub array_counter_readback: SignalR<i64>,
    /// Of the latest frame that was taken in.
    pub unique_id: SignalR<i64>,
    /// Frames that came while its queue was full.
    pub dropped_arrays: SignalR<i64>,
    /// Completes when everything written so far is on disk.
    pub flush_now: Rc<SignalRW<bool>>,
    pub num_frames_flush: SignalRW<i64>,
    pub write_status: SignalR<WriteStatus>,
    pub write_message: SignalR<String>,
    /// Empty until the file is open.
    pub full_file_name: SignalR<String>,
    pub swmr_mode: SignalRW<bool>,
    pub lazy_open: SignalRW<bool>,
    /// Whether an attribute of each frame says in which row it lands.
    pub position_mode: SignalRW<bool>,
    pub position_name: SignalRW<String>,
    pub num_extra_dims: SignalRW<i64>,
    /// Whether numbers land in the row of their frame.
    pub dim_att_datasets: SignalRW<bool>,
    pub store_attributes: SignalRW<bool>,
    pub store_performance: SignalRW<bool>,
    pub attribute_chunk: SignalRW<i64>,
    /// Of the latest frame that it was given; 0 before the first.
    pub size_x: SignalR<i64>,
    pub size_y: SignalR<i64>,
    pub data_type: SignalR<Dtype>,
    /// The axes of which its file has positions, between spaces; absent without positions.
    pub positions: Option<SignalR<String>>,
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

/// The signals of a pulse block, `:PULSE1:`, as a PandA has them: it stands before the detector, and
/// makes pulses of a certain length of each trigger that comes.
pub struct MultiplierRecord {
    /// False: no pulse comes, and those under way are forgotten.
    pub enable: SignalRW<bool>,
    /// Pulses for each trigger, the first at once.
    pub pulses: SignalRW<i64>,
    /// From the start of a pulse to the start of the next, seconds.
    pub step_s: SignalRW<f64>,
    /// Of each pulse, seconds.
    pub width_s: SignalRW<f64>,
}

/// The signals of one detector.
pub struct DetectorRecord {
    pub clock: Clock,
    pub driver: DriverRecord,
    pub writer: WriterRecord,
    /// Absent without statistics.
    pub stats: Option<StatsRecord>,
    /// Absent where the trigger of the frame is that of the detector.
    pub multiplier: Option<MultiplierRecord>,
}

impl DetectorRecord {
    /// Connects every signal of the detector at `address` (`sim://saxs`).
    pub async fn connect(
        connector: &Connector,
        address: &str,
        setup: &DetectorSetup,
    ) -> Result<Self, SignalError> {
        let multiplier = if setup.has_multiplier() {
            Some(MultiplierRecord::connect(connector, &format!("{address}:PULSE1")).await?)
        } else {
            None
        };
        let driver = DriverRecord::connect(connector, &format!("{address}:cam1"), setup).await?;
        let writer = WriterRecord::connect(connector, &format!("{address}:HDF1"), setup).await?;
        let stats = if setup.statistics {
            Some(StatsRecord::connect(connector, &format!("{address}:STAT1")).await?)
        } else {
            None
        };
        Ok(Self { clock: connector.clock().clone(), driver, writer, stats, multiplier })
    }
}

impl MultiplierRecord {
    async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        Ok(Self {
            enable: connector.rw(&format!("{address}:Enable")).await?,
            pulses: connector.rw(&format!("{address}:Pulses")).await?,
            step_s: connector.rw(&format!("{address}:Step")).await?,
            width_s: connector.rw(&format!("{address}:Width")).await?,
        })
    }
}

impl DriverRecord {
    async fn connect(
        connector: &Connector,
        address: &str,
        setup: &DetectorSetup,
    ) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{address}:{name}");
        Ok(Self {
            acquire: connector.rw(&field("Acquire")).await?,
            acquiring: connector.r(&field("Acquire_RBV")).await?,
            num_images: connector.rw(&field("NumImages")).await?,
            num_images_readback: connector.r(&field("NumImages_RBV")).await?,
            image_mode: connector.rw(&field("ImageMode")).await?,
            trigger_mode: connector.rw_words(&field("TriggerMode"), setup.words()).await?,
            trigger_mode_readback: connector.r(&field("TriggerMode_RBV")).await?,
            acquire_time_s: connector.rw(&field("AcquireTime")).await?,
            acquire_time_readback_s: connector.r(&field("AcquireTime_RBV")).await?,
            acquire_period_s: connector.rw(&field("AcquirePeriod")).await?,
            array_counter: connector.rw(&field("ArrayCounter")).await?,
            array_counter_readback: connector.r(&field("ArrayCounter_RBV")).await?,
            queued_arrays: connector.r(&field("NumQueuedArrays")).await?,
            array_callbacks: connector.rw(&field("ArrayCallbacks")).await?,
            attributes_file: connector.rw(&field("NDAttributesFile")).await?,
            attributes_status: connector.r(&field("NDAttributesStatus")).await?,
            state: connector.r(&field("DetectorState_RBV")).await?,
            status_message: connector.r(&field("StatusMessage_RBV")).await?,
            size_x: connector.r(&field("ArraySizeX_RBV")).await?,
            size_y: connector.r(&field("ArraySizeY_RBV")).await?,
            data_type: connector.r(&field("DataType_RBV")).await?,
        })
    }
}

impl WriterRecord {
    async fn connect(
        connector: &Connector,
        address: &str,
        setup: &DetectorSetup,
    ) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{address}:{name}");
        let lengths = setup.lengths();
        let positions = if setup.axes.is_empty() {
            None
        } else {
            Some(connector.r(&field("Positions_RBV")).await?)
        };
        Ok(Self {
            enable_callbacks: connector.rw(&field("EnableCallbacks")).await?,
            file_path: connector.rw_text(&field("FilePath"), lengths.directory).await?,
            file_path_readback: connector.r_text(&field("FilePath_RBV"), lengths.directory).await?,
            file_path_exists: connector.r(&field("FilePathExists_RBV")).await?,
            create_directory: connector.rw(&field("CreateDirectory")).await?,
            file_name: connector.rw_text(&field("FileName"), lengths.file_name).await?,
            file_name_readback: connector.r_text(&field("FileName_RBV"), lengths.file_name).await?,
            file_template: connector.rw(&field("FileTemplate")).await?,
            auto_increment: connector.rw(&field("AutoIncrement")).await?,
            auto_save: connector.rw(&field("AutoSave")).await?,
            file_write_mode: connector.rw(&field("FileWriteMode")).await?,
            num_capture: connector.rw(&field("NumCapture")).await?,
            capture: connector.rw(&field("Capture")).await?,
            is_capturing: connector.r(&field("Capture_RBV")).await?,
            num_captured: connector.r(&field("NumCaptured_RBV")).await?,
            array_counter: connector.rw(&field("ArrayCounter")).await?,
            array_counter_readback: connector.r(&field("ArrayCounter_RBV")).await?,
            unique_id: connector.r(&field("UniqueId_RBV")).await?,
            dropped_arrays: connector.r(&field("DroppedArrays_RBV")).await?,
            flush_now: Rc::new(connector.rw(&field("FlushNow")).await?),
            num_frames_flush: connector.rw(&field("NumFramesFlush")).await?,
            write_status: connector.r(&field("WriteStatus")).await?,
            write_message: connector.r(&field("WriteMessage")).await?,
            full_file_name: connector.r_text(&field("FullFileName_RBV"), lengths.path).await?,
            swmr_mode: connector.rw(&field("SWMRMode")).await?,
            lazy_open: connector.rw(&field("LazyOpen")).await?,
            position_mode: connector.rw(&field("PositionMode")).await?,
            position_name: connector.rw(&field("PosNameDimN")).await?,
            num_extra_dims: connector.rw(&field("NumExtraDims")).await?,
            dim_att_datasets: connector.rw(&field("DimAttDatasets")).await?,
            store_attributes: connector.rw(&field("StoreAttr")).await?,
            store_performance: connector.rw(&field("StorePerform")).await?,
            attribute_chunk: connector.rw(&field("NDAttributeChunk")).await?,
            size_x: connector.r(&field("ArraySize0_RBV")).await?,
            size_y: connector.r(&field("ArraySize1_RBV")).await?,
            data_type: connector.r(&field("DataType_RBV")).await?,
            positions,
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
