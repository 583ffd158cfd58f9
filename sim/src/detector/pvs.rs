//! The records of a driver, `:cam1:`, as `ADSimDetector` has them.
use crate::{config::DetectorConfig, echo::Echoed, line::Line, pv::Pv};
use bluefly_actors::{
    clock::Instant,
    logic::area_detector::{AttributesStatus, DetectorState, ImageMode},
    signal::{Metadata, NativeType, Value},
};
use std::{cell::Cell, rc::Rc, time::Duration};

pub(crate) struct Pvs {
    pub(crate) acquire: Echoed,
    busy: Rc<Pv>,
    pub(crate) image_mode: Echoed,
    pub(crate) num_images: Echoed,
    /// Frames of this acquisition.
    pub(crate) num_images_counter: Rc<Pv>,
    pub(crate) trigger_mode: Echoed,
    pub(crate) exposure_s: Echoed,
    pub(crate) period_s: Echoed,
    pub(crate) array_callbacks: Echoed,
    counter_setting: Echoed,
    /// Unique id of the latest frame; it is told once for many.
    counter: Rc<Cell<i64>>,
    attributes_file: Rc<Pv>,
    attributes_status: Rc<Pv>,
    pub(crate) state: Rc<Pv>,
    pub(crate) message: Rc<Pv>,
    others: Vec<Rc<Pv>>,
    lateness: Duration,
    /// When the acquisition was told to be over, if its last frames are not told at once.
    over_since: Cell<Option<Instant>>,
}

impl Pvs {
    pub(crate) fn new(line: &Rc<Line>, config: &DetectorConfig) -> Self {
        let field = |name: &str| format!("{}:cam1:{name}", config.address);
        let [rows, columns] = config.shape.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        let words: Vec<&str> = config.triggers.iter().map(|(word, _)| word.as_str()).collect();
        let first_word = words.first().copied().unwrap_or_default().to_owned();
        let time = |name: &str| Echoed::of(line, &field(name), 0.1, seconds());
        let acquire =
            Echoed::idle(line, &field("Acquire"), false, Metadata::choices(&["Done", "Acquire"]));
        let acquire = Echoed {
            readback: acquire.readback.like(Metadata::choices(&["Done", "Acquiring"])),
            ..acquire
        };
        let usual = Metadata::scalar(NativeType::Long);
        let number = |name: &str, value: i64| Pv::readback(line, field(name), value);
        let pvs = Self {
            acquire,
            busy: Pv::readback(line, field("AcquireBusy"), false)
                .like(Metadata::choices(&["Done", "Acquiring"])),
            image_mode: Echoed::new(line, &field("ImageMode"), ImageMode::Continuous),
            num_images: Echoed::new(line, &field("NumImages"), 100_i64),
            num_images_counter: number("NumImagesCounter_RBV", 0),
            trigger_mode: Echoed::of(
                line,
                &field("TriggerMode"),
                first_word,
                Metadata::choices(&words),
            ),
            exposure_s: time("AcquireTime"),
            period_s: time("AcquirePeriod"),
            array_callbacks: Echoed::of(
                line,
                &field("ArrayCallbacks"),
                true,
                Metadata::choices(&["Disable", "Enable"]),
            ),
            counter_setting: Echoed::idle(line, &field("ArrayCounter"), 0_i64, usual),
            counter: Rc::default(),
            attributes_file: Pv::readback(line, field("NDAttributesFile"), String::new())
                .like(Metadata::text(256)),
            attributes_status: Pv::readback(
                line,
                field("NDAttributesStatus"),
                AttributesStatus::NotFound,
            ),
            state: Pv::readback(line, field("DetectorState_RBV"), DetectorState::Idle),
            message: Pv::readback(line, field("StatusMessage_RBV"), String::new())
                .like(Metadata::text(256)),
            others: vec![
                // The plugins take a frame in as soon as it comes.
                number("NumQueuedArrays", 0),
                number("ArraySizeX_RBV", columns),
                number("ArraySizeY_RBV", rows),
                Pv::readback(line, field("DataType_RBV"), config.dtype),
            ],
            lateness: config.lateness,
            over_since: Cell::default(),
        };
        pvs.wire();
        pvs
    }

    fn wire(&self) {
        let Echoed { setting, readback } = &self.counter_setting;
        let (weak, readback, counter) =
            (Rc::downgrade(setting), readback.clone(), self.counter.clone());
        setting.on_put(move |value| {
            let Value::Int(number) = value else { return Err("it is no number".to_owned()) };
            counter.set(number);
            readback.post(number);
            if let Some(setting) = weak.upgrade() {
                setting.post(number);
            }
            Ok(None)
        });
        let (weak, status) = (Rc::downgrade(&self.attributes_file), self.attributes_status.clone());
        self.attributes_file.on_put(move |value| {
            let Value::Text(text) = value else { return Err("it is no text".to_owned()) };
            if text.len() > 255 {
                return Err(format!("it holds 255 characters: {} do not fit", text.len()));
            }
            if !text.is_empty() {
                status.post(attributes_status(&text));
            }
            if let Some(file) = weak.upgrade() {
                file.post(text);
            }
            Ok(None)
        });
    }

    pub(crate) fn all(&self) -> Vec<Rc<Pv>> {
        let echoed = [
            &self.acquire,
            &self.image_mode,
            &self.num_images,
            &self.trigger_mode,
            &self.exposure_s,
            &self.period_s,
            &self.array_callbacks,
            &self.counter_setting,
        ];
        let mut pvs: Vec<Rc<Pv>> = echoed.into_iter().flat_map(Echoed::pvs).collect();
        pvs.extend(self.others.iter().cloned());
        pvs.extend(
            [
                &self.busy,
                &self.num_images_counter,
                &self.attributes_file,
                &self.attributes_status,
                &self.state,
                &self.message,
            ]
            .map(Rc::clone),
        );
        pvs
    }

    /// Takes the unique id of the next frame.
    pub(crate) fn next_id(&self) -> i64 {
        let id = self.counter.get().saturating_add(1);
        self.counter.set(id);
        id
    }

    /// Takes back the latest unique ids.
    pub(crate) fn take_back(&self, ids: u64) {
        self.counter.set(self.counter.get().saturating_sub_unsigned(ids));
    }

    /// Tells how many frames there were, without those that are being exposed.
    pub(crate) fn tell_counters(&self, images: u64, exposing: u64) {
        self.counter_setting.readback.post(self.counter.get().saturating_sub_unsigned(exposing));
        self.num_images_counter.post(images.cast_signed());
    }

    /// Whether the last frames of an acquisition that is over are not to be told of yet.
    pub(crate) fn hold_back(&self, now: Instant) -> bool {
        let since = self.over_since.get().unwrap_or(now);
        self.over_since.set(Some(since));
        now < since + self.lateness
    }

    pub(crate) fn held_until(&self) -> Option<Instant> {
        self.over_since.get().map(|since| since + self.lateness)
    }

    /// What is held back is told now.
    pub(crate) fn hurry(&self) {
        self.over_since.set(self.over_since.get().map(|_| Instant::default()));
    }

    pub(crate) fn tell_acquiring(&self, acquiring: bool) {
        if acquiring {
            self.over_since.set(None);
        }
        for pv in [&self.acquire.setting, &self.acquire.readback, &self.busy] {
            pv.post(acquiring);
        }
    }

    /// Whether each frame has an attribute of this name, which is its unique id.
    pub(crate) fn has_row_attribute(&self, name: &str) -> bool {
        let text: String = self.attributes_file.get();
        attributes_status(&text) == AttributesStatus::Ok
            && text.contains(&format!("name=\"{name}\""))
            && text.contains("source=\"ARRAY_COUNTER\"")
    }
}

/// There are no files: only a text that defines attributes itself can be read.
fn attributes_status(text: &str) -> AttributesStatus {
    match text.split_once("<Attributes") {
        None => AttributesStatus::NotFound,
        Some((_, rest)) if rest.trim_end().ends_with("</Attributes>") => AttributesStatus::Ok,
        Some(_) => AttributesStatus::Syntax,
    }
}

/// What a time looks like.
fn seconds() -> Metadata {
    Metadata::scalar(NativeType::Double).in_unit("", 3)
}
