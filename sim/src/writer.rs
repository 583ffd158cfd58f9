//! [`Writer`]: the HDF plugin of a detector, in front of a [`FrameSink`].
use crate::{
    config::DetectorConfig,
    line::Line,
    pv::{Handled, Pv},
    sink::{FrameSink, Frames, SinkFile, SinkPlan, SinkState},
};
use bluefly_actors::{
    logic::detector::WriteStatus,
    signal::{LocalFuture, Value},
};
use futures_util::StreamExt as _;
use std::{
    cell::{Cell, OnceCell, RefCell},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

pub(crate) struct Writer {
    line: Rc<Line>,
    config: DetectorConfig,
    sink: Rc<dyn FrameSink>,
    path: Rc<Pv>,
    name: Rc<Pv>,
    run_uid: Rc<Pv>,
    capture: Rc<Pv>,
    is_capturing: Rc<Pv>,
    num_captured: Rc<Pv>,
    frames_on_disk: Rc<Pv>,
    dropped_arrays: Rc<Pv>,
    flush_now: Rc<Pv>,
    status: Rc<Pv>,
    message: Rc<Pv>,
    full_name: Rc<Pv>,
    offset: Rc<Pv>,
    others: Vec<Rc<Pv>>,
    file: RefCell<Option<Rc<dyn SinkFile>>>,
    /// How often each index of the open (or last) file was written.
    writes: RefCell<Vec<u32>>,
    before_flush: OnceCell<Box<dyn Fn()>>,
    pub fails_to_write: Cell<bool>,
    /// How much later than it is known what is on disk is told.
    pub delay: Cell<Duration>,
    /// How often it was armed.
    rewinds: Cell<u64>,
}

/// The datasets of numbers that come before the positions.
const NUMBERS: [&str; 3] = ["NDArrayUniqueId", "NDArrayTimeStamp", "StatsTotal"];

impl Writer {
    pub(crate) fn new(
        line: &Rc<Line>,
        config: &DetectorConfig,
        sink: Rc<dyn FrameSink>,
    ) -> Rc<Self> {
        let field = |name: &str| format!("{}:HDF1:{name}", config.address);
        let writer = Rc::new(Self {
            line: line.clone(),
            config: config.clone(),
            sink,
            path: Pv::setting(line, field("FilePath"), String::new()),
            name: Pv::setting(line, field("FileName"), String::new()),
            run_uid: Pv::setting(line, field("RunUid"), String::new()),
            capture: Pv::readback(line, field("Capture"), false),
            is_capturing: Pv::readback(line, field("Capture_RBV"), false),
            num_captured: Pv::readback(line, field("NumCaptured_RBV"), 0_i64),
            frames_on_disk: Pv::readback(line, field("FramesOnDisk_RBV"), 0_i64),
            dropped_arrays: Pv::readback(line, field("DroppedArrays_RBV"), 0_i64),
            flush_now: Pv::readback(line, field("FlushNow"), 0_i64),
            status: Pv::readback(line, field("WriteStatus"), WriteStatus::Ok),
            message: Pv::readback(line, field("WriteMessage"), String::new()),
            full_name: Pv::readback(line, field("FullFileName_RBV"), String::new()),
            offset: Pv::setting(line, field("PositionOffset"), 0_i64),
            others: vec![
                Pv::setting(line, field("NumCapture"), 0_i64),
                Pv::setting(line, field("SWMRMode"), false),
                Pv::setting(line, field("LazyOpen"), false),
            ],
            file: RefCell::new(None),
            writes: RefCell::default(),
            before_flush: OnceCell::new(),
            fails_to_write: Cell::new(false),
            delay: Cell::default(),
            rewinds: Cell::default(),
        });
        writer.wire();
        writer
    }

    pub(crate) fn pvs(&self) -> Vec<Rc<Pv>> {
        let mut pvs = self.others.clone();
        pvs.extend(
            [
                &self.path,
                &self.name,
                &self.run_uid,
                &self.capture,
                &self.is_capturing,
                &self.num_captured,
                &self.frames_on_disk,
                &self.dropped_arrays,
                &self.flush_now,
                &self.status,
                &self.message,
                &self.full_name,
                &self.offset,
            ]
            .map(Rc::clone),
        );
        pvs
    }

    /// Says what is to be done so that every frame taken has been appended; set once.
    pub(crate) fn before_flush(&self, collect: impl Fn() + 'static) {
        assert!(self.before_flush.set(Box::new(collect)).is_ok(), "a writer has one detector");
    }

    fn wire(self: &Rc<Self>) {
        let writer = Rc::downgrade(self);
        self.capture.on_put(move |value| match (writer.upgrade(), value) {
            (Some(writer), Value::Bool(true)) => writer.open(),
            (Some(writer), Value::Bool(false)) => Ok(writer.close()),
            _ => Err("it is neither true nor false".to_owned()),
        });
        let writer = Rc::downgrade(self);
        self.flush_now.on_put(move |_| Ok(writer.upgrade().and_then(|writer| writer.flush())));
    }

    pub(crate) fn is_open(&self) -> bool {
        self.file.borrow().is_some()
    }

    /// The file that is open.
    pub(crate) fn open_path(&self) -> Option<PathBuf> {
        self.is_open().then(|| PathBuf::from(self.full_name.get::<String>()))
    }

    pub(crate) fn writes(&self) -> Vec<u32> {
        self.writes.borrow().clone()
    }

    fn plan(&self) -> SinkPlan {
        let name = |name: &str| format!("/entry/instrument/NDAttributes/{name}");
        let axes = self.config.axes.iter().map(|axis| name(axis.as_str()));
        SinkPlan {
            path: Path::new(&self.path.get::<String>()).join(self.name.get::<String>()),
            run_uid: self.run_uid.get(),
            pixels: "/entry/data/data".to_owned(),
            shape: self.config.shape,
            dtype: self.config.dtype,
            numbers: NUMBERS.into_iter().map(name).chain(axes).collect(),
        }
    }

    /// Creates a file; the put completes when it exists, or when that failed.
    fn open(self: &Rc<Self>) -> Handled {
        if self.capture.get() {
            return Err("it is capturing".to_owned());
        }
        self.capture.post(true);
        self.status.post(WriteStatus::Ok);
        self.message.post(String::new());
        let plan = self.plan();
        let path = plan.path.to_string_lossy().into_owned();
        let (writer, created) = (self.clone(), self.sink.create(plan));
        Ok(Some(self.line.host.run(async move {
            match created.await {
                Ok(file) => writer.opened(file, path),
                Err(reason) => {
                    writer.capture.post(false);
                    writer.fail(&reason);
                }
            }
        })))
    }

    fn opened(self: &Rc<Self>, file: Rc<dyn SinkFile>, path: String) {
        self.writes.borrow_mut().clear();
        self.num_captured.post(0_i64);
        self.dropped_arrays.post(0_i64);
        self.full_name.post(path);
        self.tell(&file.state());
        let mut states = file.states();
        *self.file.borrow_mut() = Some(file);
        self.is_capturing.post(true);
        let writer = Rc::downgrade(self);
        self.line.host.spawn(async move {
            while let Some(state) = states.next().await {
                let Some(writer) = writer.upgrade() else { return };
                let rewinds = writer.rewinds.get();
                writer.wait().await;
                if !writer.is_open() {
                    return;
                }
                // What it knew of frames that are taken again is of no use.
                if writer.rewinds.get() == rewinds {
                    writer.tell(&state);
                }
            }
        });
    }

    /// Takes the time that a slow writer needs.
    async fn wait(&self) {
        if !self.delay.get().is_zero() {
            self.line.host.clock.sleep(self.delay.get()).await;
        }
    }

    fn tell(&self, state: &SinkState) {
        self.frames_on_disk.post(state.committed.cast_signed());
        if let Some(reason) = &state.error {
            self.fail(reason);
        }
    }

    fn fail(&self, reason: &str) {
        self.message.post(reason.to_owned());
        self.status.post(WriteStatus::Error);
    }

    /// The detector is armed: returns the index of its first frame.
    pub(crate) fn begin(&self) -> u64 {
        self.rewinds.set(self.rewinds.get() + 1);
        let first_index = u64::try_from(self.offset.get::<i64>()).unwrap_or(0);
        self.dropped_arrays.post(0_i64);
        if let Some(file) = self.file.borrow().clone() {
            if let Err(reason) = file.rewind(first_index) {
                self.fail(&reason);
            }
            self.tell(&file.state());
        }
        first_index
    }

    pub(crate) fn drop_frames(&self, count: i64) {
        self.dropped_arrays.post(self.dropped_arrays.get::<i64>() + count);
    }

    pub(crate) fn append(&self, frames: Frames) {
        let Some(file) = self.file.borrow().clone() else { return };
        if self.status.get::<WriteStatus>() == WriteStatus::Error {
            return;
        }
        if self.fails_to_write.take() {
            return self.fail("no space left on device");
        }
        let (first, count) = (frames.first_index, frames.count);
        if let Err(reason) = file.append(frames) {
            return self.fail(&reason);
        }
        self.count_writes(usize::try_from(first).unwrap_or(usize::MAX), count);
        self.num_captured.post(self.num_captured.get::<i64>() + count.cast_signed() as i64);
    }

    fn count_writes(&self, first: usize, count: usize) {
        let mut writes = self.writes.borrow_mut();
        let end = first.saturating_add(count);
        if writes.len() < end {
            writes.resize(end, 0);
        }
        writes[first..end].iter_mut().for_each(|writes| *writes += 1);
    }

    /// Brings everything acquired to disk.
    fn flush(self: &Rc<Self>) -> Option<LocalFuture<()>> {
        if let Some(collect) = self.before_flush.get() {
            collect();
        }
        let file = self.file.borrow().clone()?;
        let writer = self.clone();
        Some(self.line.host.run(async move {
            if let Err(reason) = file.flush().await {
                writer.fail(&reason);
            }
            writer.wait().await;
            if writer.is_open() {
                writer.tell(&file.state());
            }
        }))
    }

    fn close(self: &Rc<Self>) -> Option<LocalFuture<()>> {
        if let Some(collect) = self.before_flush.get() {
            collect();
        }
        let file = self.file.borrow_mut().take()?;
        let writer = self.clone();
        Some(self.line.host.run(async move {
            if let Err(reason) = file.close().await {
                writer.fail(&reason);
            }
            writer.tell(&file.state());
            writer.capture.post(false);
            writer.is_capturing.post(false);
        }))
    }
}
