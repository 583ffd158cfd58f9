//! The records of the file writer, `:HDF1:`, as `NDFileHDF5` has them.
use super::name::full_name;
use crate::{config::DetectorConfig, echo::Echoed, line::Line, pv::Pv, sink::FrameSink};
use bluefly_actors::{
    logic::{
        area_detector::{FileWriteMode, WriteStatus},
        detector::Dtype,
    },
    signal::{Alarm, Metadata, NativeType, Severity, Value},
};
use bluefly_protocol::name::Name;
use std::{path::Path, rc::Rc};

pub(crate) struct Pvs {
    pub(crate) enable_callbacks: Echoed,
    file_path: Echoed,
    file_path_exists: Rc<Pv>,
    create_directory: Echoed,
    file_name: Echoed,
    file_number: Echoed,
    file_template: Echoed,
    auto_increment: Echoed,
    pub(crate) num_capture: Echoed,
    pub(crate) capture: Echoed,
    pub(crate) num_captured: Rc<Pv>,
    pub(crate) array_counter: Echoed,
    pub(crate) unique_id: Rc<Pv>,
    pub(crate) dropped_arrays: Echoed,
    pub(crate) flush_now: Rc<Pv>,
    pub(crate) status: Rc<Pv>,
    pub(crate) message: Rc<Pv>,
    pub(crate) full_name: Rc<Pv>,
    pub(crate) lazy_open: Echoed,
    pub(crate) swmr_active: Rc<Pv>,
    pub(crate) position_mode: Echoed,
    pub(crate) position_name: Echoed,
    /// Of the latest frame: columns, rows and type of a pixel.
    size: [Rc<Pv>; 2],
    data_type: Rc<Pv>,
    /// The axes of which its file has positions; absent without.
    positions: Option<Rc<Pv>>,
    others: Vec<Echoed>,
}

impl Pvs {
    pub(crate) fn new(line: &Rc<Line>, config: &DetectorConfig, sink: &Rc<dyn FrameSink>) -> Self {
        let field = |name: &str| format!("{}:HDF1:{name}", config.address);
        let words = |name: &str, words: [&str; 2]| {
            Echoed::of(line, &field(name), false, Metadata::choices(&words))
        };
        let yes = |name: &str| words(name, ["No", "Yes"]);
        let on = |name: &str| words(name, ["Off", "On"]);
        let text = |name: &str| Echoed::of(line, &field(name), String::new(), Metadata::text(256));
        let number = |name: &str, value: i64| Echoed::new(line, &field(name), value);
        let count = |name: &str| Pv::readback(line, field(name), 0_i64);
        let idle_text = |name: &str, length: usize| {
            Pv::readback(line, field(name), String::new()).like(Metadata::text(length))
        };
        let pvs = Self {
            enable_callbacks: words("EnableCallbacks", ["Disable", "Enable"]),
            file_path: Echoed::idle(line, &field("FilePath"), String::new(), Metadata::text(256)),
            file_path_exists: Pv::readback(line, field("FilePathExists_RBV"), false)
                .like(Metadata::choices(&["No", "Yes"])),
            create_directory: number("CreateDirectory", 0),
            file_name: text("FileName"),
            file_number: number("FileNumber", 0),
            file_template: text("FileTemplate"),
            auto_increment: yes("AutoIncrement"),
            num_capture: number("NumCapture", 1),
            capture: capture(line, &field("Capture")),
            num_captured: count("NumCaptured_RBV"),
            array_counter: number("ArrayCounter", 0),
            unique_id: count("UniqueId_RBV"),
            dropped_arrays: number("DroppedArrays", 0),
            flush_now: Pv::readback(line, field("FlushNow"), false)
                .like(Metadata::choices(&["Done", "Flush"])),
            status: Pv::readback(line, field("WriteStatus"), WriteStatus::Ok),
            message: idle_text("WriteMessage", 256),
            full_name: idle_text("FullFileName_RBV", 512),
            lazy_open: yes("LazyOpen"),
            swmr_active: Pv::readback(line, field("SWMRActive_RBV"), false)
                .like(Metadata::choices(&["Off", "Active"])),
            position_mode: on("PositionMode"),
            position_name: Echoed::of(
                line,
                &field("PosNameDimN"),
                String::new(),
                Metadata::scalar(NativeType::String),
            ),
            size: [count("ArraySize0_RBV"), count("ArraySize1_RBV")],
            data_type: Pv::readback(line, field("DataType_RBV"), Dtype::UInt8),
            positions: positions(line, config),
            others: vec![
                yes("AutoSave"),
                Echoed::new(line, &field("FileWriteMode"), FileWriteMode::Single),
                on("SWMRMode"),
                number("NumFramesFlush", 0),
                number("NumExtraDims", 0),
                yes("DimAttDatasets"),
                yes("StoreAttr"),
                yes("StorePerform"),
                number("NDAttributeChunk", 0),
            ],
        };
        pvs.wire(sink);
        if config.has_taken_a_frame {
            pvs.tell_frame(config);
        }
        pvs
    }

    fn wire(&self, sink: &Rc<dyn FrameSink>) {
        let Echoed { setting, readback } = &self.file_path;
        let (weak, readback, sink) = (Rc::downgrade(setting), readback.clone(), sink.clone());
        let (exists, new_parts) =
            (self.file_path_exists.clone(), self.create_directory.readback.clone());
        setting.on_put(move |value| {
            let Value::Text(path) = value else { return Err("it is no text".to_owned()) };
            let new_parts = u32::try_from(new_parts.get::<i64>().saturating_neg()).unwrap_or(0);
            let is_there = sink.has_directory(Path::new(&path), new_parts);
            exists.post_with(is_there, if is_there { Alarm::default() } else { major() });
            readback.post(format!("{}/", path.trim_end_matches('/')));
            if let Some(setting) = weak.upgrade() {
                setting.post(path);
            }
            Ok(None)
        });
    }

    pub(crate) fn all(&self) -> Vec<Rc<Pv>> {
        let echoed = [
            &self.enable_callbacks,
            &self.file_path,
            &self.create_directory,
            &self.file_name,
            &self.file_number,
            &self.file_template,
            &self.auto_increment,
            &self.num_capture,
            &self.capture,
            &self.array_counter,
            &self.dropped_arrays,
            &self.lazy_open,
            &self.position_mode,
            &self.position_name,
        ];
        let mut pvs: Vec<Rc<Pv>> =
            echoed.into_iter().chain(&self.others).flat_map(Echoed::pvs).collect();
        let readbacks = [
            &self.file_path_exists,
            &self.num_captured,
            &self.unique_id,
            &self.flush_now,
            &self.status,
            &self.message,
            &self.full_name,
            &self.swmr_active,
            &self.size[0],
            &self.size[1],
            &self.data_type,
        ];
        pvs.extend(readbacks.map(Rc::clone));
        pvs.extend(self.positions.clone());
        pvs
    }

    /// What the file is called that would be opened now; the next may have another number.
    pub(crate) fn next_name(&self) -> String {
        let number: i64 = self.file_number.get();
        let [template, path, name] =
            [&self.file_template, &self.file_path, &self.file_name].map(Echoed::get::<String>);
        if self.auto_increment.get() {
            let next = number.saturating_add(1);
            self.file_number.readback.post(next);
            self.file_number.setting.post(next);
        }
        full_name(&template, &path, &name, number)
    }

    pub(crate) fn has_path(&self) -> bool {
        self.file_path_exists.get()
    }

    /// Whether it knows what a frame looks like.
    pub(crate) fn knows_frames(&self) -> bool {
        self.size[0].get::<i64>() > 0
    }

    /// It was given a frame.
    pub(crate) fn tell_frame(&self, config: &DetectorConfig) {
        let [rows, columns] = config.shape.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        self.size[0].post(columns);
        self.size[1].post(rows);
        self.data_type.post(config.dtype);
    }

    pub(crate) fn fail(&self, reason: &str) {
        self.message.post(reason.to_owned());
        self.status.post_with(WriteStatus::Error, major());
    }

    pub(crate) fn forget_error(&self) {
        self.status.post_with(WriteStatus::Ok, Alarm::default());
    }
}

fn capture(line: &Rc<Line>, address: &str) -> Echoed {
    let capture = Echoed::idle(line, address, false, Metadata::choices(&["Done", "Capture"]));
    let readback = capture.readback.like(Metadata::choices(&["Done", "Capturing"]));
    Echoed { readback, ..capture }
}

/// No file writer has this: it tells that the driver, which is simulated, knows where motors are.
fn positions(line: &Rc<Line>, config: &DetectorConfig) -> Option<Rc<Pv>> {
    let axes: Vec<&str> = config.axes.iter().map(Name::as_str).collect();
    let address = format!("{}:HDF1:Positions_RBV", config.address);
    let has_any = config.positions && !axes.is_empty();
    has_any.then(|| Pv::readback(line, address, axes.join(" ")).like(Metadata::text(1_024)))
}

fn major() -> Alarm {
    Alarm { severity: Severity::Major, text: "STATE".to_owned() }
}
