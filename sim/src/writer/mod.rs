//! [`Writer`]: the HDF plugin of a detector, in front of a [`FrameSink`].
mod name;
mod pvs;

use crate::{
    config::DetectorConfig,
    line::Line,
    pv::{Handled, Pv},
    sink::{FrameSink, Frames, SinkFile, SinkPlan},
};
use bluefly_actors::{
    logic::detector::Dtype,
    signal::{LocalFuture, Value},
    watch,
};
use futures_util::StreamExt as _;
use pvs::Pvs;
use std::{
    cell::{Cell, OnceCell, RefCell},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

/// Consecutive frames from the driver.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub first_id: i64,
    /// Their rows are not known yet.
    pub frames: Frames,
}

impl Batch {
    /// Whether a frame with this id may be added.
    pub(crate) fn goes_on_with(&self, id: i64) -> bool {
        self.frames.count == 0 || self.first_id.saturating_add_unsigned(self.count()) == id
    }

    const fn count(&self) -> u64 {
        self.frames.count as u64
    }
}

/// How far a capture has come.
enum Capture {
    Off,
    /// The file is made at the first frame.
    Lazy,
    /// Frames that come meanwhile wait here.
    Opening(Vec<Frames>),
    Open(Rc<dyn SinkFile>),
}

pub(crate) struct Writer {
    line: Rc<Line>,
    config: DetectorConfig,
    sink: Rc<dyn FrameSink>,
    pvs: Pvs,
    phase: RefCell<Capture>,
    /// How often each row of the open (or last) file was written.
    writes: RefCell<Vec<u32>>,
    before_flush: OnceCell<Box<dyn Fn()>>,
    pub fails_to_write: Cell<bool>,
    /// How much longer a flush takes.
    pub delay: Cell<Duration>,
    /// Whether flushes and closes wait until this is over.
    pub hangs: watch::Sender<bool>,
    /// Whether a capture goes on, for those who wait for its end.
    captures: watch::Sender<bool>,
    /// Whether a file is being made.
    opens: watch::Sender<bool>,
}

/// The datasets of numbers that come before the positions.
const NUMBERS: [(&str, Dtype); 2] =
    [("NDArrayUniqueId", Dtype::Int32), ("NDArrayTimeStamp", Dtype::Float64)];
const TOTAL: (&str, Dtype) = ("StatsTotal", Dtype::Float64);

impl Writer {
    pub(crate) fn new(
        line: &Rc<Line>,
        config: &DetectorConfig,
        sink: Rc<dyn FrameSink>,
    ) -> Rc<Self> {
        let writer = Rc::new(Self {
            line: line.clone(),
            config: config.clone(),
            pvs: Pvs::new(line, config, &sink),
            sink,
            phase: RefCell::new(Capture::Off),
            writes: RefCell::default(),
            before_flush: OnceCell::new(),
            fails_to_write: Cell::new(false),
            delay: Cell::default(),
            hangs: watch::Sender::new(false),
            captures: watch::Sender::new(false),
            opens: watch::Sender::new(false),
        });
        writer.wire();
        writer
    }

    pub(crate) fn pvs(&self) -> Vec<Rc<Pv>> {
        self.pvs.all()
    }

    /// Says what is to be done so that every frame taken has been given; set once.
    pub(crate) fn before_flush(&self, collect: impl Fn() + 'static) {
        assert!(self.before_flush.set(Box::new(collect)).is_ok(), "a writer has one detector");
    }

    fn wire(self: &Rc<Self>) {
        let writer = Rc::downgrade(self);
        self.pvs.capture.setting.on_put(move |value| match (writer.upgrade(), value) {
            (Some(writer), Value::Bool(true)) => Ok(writer.begin()),
            (Some(writer), Value::Bool(false)) => Ok(Some(writer.close())),
            _ => Err("it is neither true nor false".to_owned()),
        });
        let writer = Rc::downgrade(self);
        self.pvs
            .flush_now
            .on_put(move |_| -> Handled { Ok(writer.upgrade().and_then(|writer| writer.flush())) });
    }

    /// The file that is open.
    pub(crate) fn open_path(&self) -> Option<PathBuf> {
        let is_open = matches!(*self.phase.borrow(), Capture::Open(_));
        is_open.then(|| PathBuf::from(self.pvs.full_name.get::<String>()))
    }

    pub(crate) fn writes(&self) -> Vec<u32> {
        self.writes.borrow().clone()
    }

    fn file(&self) -> Option<Rc<dyn SinkFile>> {
        match &*self.phase.borrow() {
            Capture::Open(file) => Some(file.clone()),
            Capture::Off | Capture::Lazy | Capture::Opening(_) => None,
        }
    }

    fn plan(&self, path: &str) -> SinkPlan {
        let name = |name: &str| format!("/entry/instrument/NDAttributes/{name}");
        let total = self.config.statistics.then_some(TOTAL);
        let numbers = NUMBERS.into_iter().chain(total).map(|(text, dtype)| (name(text), dtype));
        let axes = self.config.axes.iter().filter(|_| self.config.positions);
        let axes = axes.map(|axis| (name(axis.as_str()), Dtype::Float64));
        SinkPlan {
            path: path.into(),
            pixels: "/entry/data/data".to_owned(),
            shape: self.config.shape,
            dtype: self.config.dtype,
            numbers: numbers.chain(axes).collect(),
        }
    }

    /// Begins a capture; the put completes when it ends.
    fn begin(self: &Rc<Self>) -> Option<LocalFuture<()>> {
        if *self.captures.borrow() {
            return None;
        }
        let pvs = &self.pvs;
        if pvs.lazy_open.get() {
            pvs.capture.readback.post(true);
            pvs.capture.setting.post(true);
            pvs.num_captured.post(0_i64);
            pvs.message.post("Lazy Open...".to_owned());
            pvs.full_name.post(String::new());
            self.writes.borrow_mut().clear();
            *self.phase.borrow_mut() = Capture::Lazy;
        } else if !pvs.knows_frames() {
            // Nothing else tells that it did nothing.
            pvs.capture.setting.post(true);
            pvs.capture.setting.post(false);
            pvs.full_name.post(String::new());
            return None;
        } else {
            pvs.forget_error();
            let path = pvs.next_name();
            if !pvs.has_path() {
                pvs.full_name.post(path.clone());
                pvs.fail(&open_error(&path));
                pvs.capture.setting.post(true);
                pvs.capture.setting.post(false);
                return None;
            }
            pvs.capture.setting.post(true);
            self.create(path, Vec::new());
        }
        self.captures.send_replace(true);
        let mut captures = self.captures.subscribe();
        // A world that is gone captures nothing.
        Some(Box::pin(async move { drop(captures.wait_for(|captures| !captures).await) }))
    }

    /// Makes the file, which these frames wait for.
    fn create(self: &Rc<Self>, path: String, waiting: Vec<Frames>) {
        *self.phase.borrow_mut() = Capture::Opening(waiting);
        self.opens.send_replace(true);
        let (writer, created) = (self.clone(), self.sink.create(self.plan(&path)));
        self.line.host.spawn(async move {
            match created.await {
                Ok(file) => writer.opened(file, path),
                Err(reason) => {
                    writer.pvs.full_name.post(path);
                    writer.give_up(&reason);
                }
            }
            writer.opens.send_replace(false);
        });
    }

    fn opened(self: &Rc<Self>, file: Rc<dyn SinkFile>, path: String) {
        let mut states = file.states();
        let waiting = match self.phase.replace(Capture::Open(file)) {
            Capture::Opening(waiting) => waiting,
            Capture::Off | Capture::Lazy | Capture::Open(_) => Vec::new(),
        };
        self.writes.borrow_mut().clear();
        self.pvs.num_captured.post(0_i64);
        self.pvs.swmr_active.post(true);
        for frames in waiting {
            self.write(frames);
        }
        self.pvs.message.post(String::new());
        self.pvs.full_name.post(path);
        self.pvs.capture.readback.post(true);
        let writer = Rc::downgrade(self);
        self.line.host.spawn(async move {
            while let Some(state) = states.next().await {
                let Some(writer) = writer.upgrade() else { return };
                if let Some(reason) = state.error {
                    return writer.give_up(&reason);
                }
            }
        });
    }

    /// Ends the capture because of an error, as a real one does.
    fn give_up(&self, reason: &str) {
        if let Capture::Open(file) = self.phase.replace(Capture::Off) {
            let closed = file.close();
            self.line.host.spawn(async move {
                if let Err(reason) = closed.await {
                    tracing::debug!(reason, "closed after an error");
                }
            });
        }
        self.pvs.swmr_active.post(false);
        self.pvs.capture.readback.post(false);
        self.pvs.fail(reason);
        self.pvs.capture.setting.post(false);
        self.captures.send_replace(false);
    }

    /// A frame comes while the queue is full.
    pub(crate) fn drop_frame(&self) {
        let dropped = self.pvs.dropped_arrays.get::<i64>() + 1;
        self.pvs.dropped_arrays.readback.post(dropped);
        self.pvs.dropped_arrays.setting.post(dropped);
    }

    /// Takes frames; `is_row` tells whether an attribute of that name is the row of each.
    pub(crate) fn take(self: &Rc<Self>, batch: Batch, is_row: &dyn Fn(&str) -> bool) {
        if !self.pvs.enable_callbacks.get::<bool>() {
            return;
        }
        self.pvs.tell_frame(&self.config);
        self.tell_ids(&batch);
        let Batch { first_id, mut frames } = batch;
        frames.first_index = if self.pvs.position_mode.get() {
            if !is_row(&self.pvs.position_name.get::<String>()) {
                return self.fail_to_write();
            }
            u64::try_from(first_id).unwrap_or(u64::MAX)
        } else {
            u64::try_from(self.pvs.num_captured.get::<i64>()).unwrap_or(0)
        };
        match &mut *self.phase.borrow_mut() {
            Capture::Off => return,
            Capture::Opening(waiting) => return waiting.push(frames),
            Capture::Lazy | Capture::Open(_) => {}
        }
        if self.file().is_some() {
            return self.write(frames);
        }
        let path = self.pvs.next_name();
        if self.pvs.has_path() {
            self.create(path, vec![frames]);
        } else {
            self.pvs.fail(&open_error(&path));
            self.pvs.full_name.post(path);
        }
    }

    /// Tells of the frames at once, but of the first after a gap before the others.
    fn tell_ids(&self, batch: &Batch) {
        let (counter, id) = (&self.pvs.array_counter, &self.pvs.unique_id);
        let tell = |more: u64, of: u64| {
            counter.readback.post(counter.get::<i64>().saturating_add_unsigned(more));
            id.post(batch.first_id.saturating_add_unsigned(of - 1));
        };
        let goes_on = id.get::<i64>().checked_add(1) == Some(batch.first_id);
        if goes_on || batch.count() == 1 {
            return tell(batch.count(), batch.count());
        }
        tell(1, 1);
        tell(batch.count() - 1, batch.count());
    }

    fn fail_to_write(&self) {
        if *self.captures.borrow() {
            self.give_up("Error writing file, status=3");
        }
    }

    fn write(self: &Rc<Self>, mut frames: Frames) {
        let Some(file) = self.file() else { return };
        if self.fails_to_write.take() {
            return self.give_up("no space left on device");
        }
        let captured = u64::try_from(self.pvs.num_captured.get::<i64>()).unwrap_or(0);
        let room = u64::try_from(self.pvs.num_capture.get::<i64>()).unwrap_or(0);
        let room = if room == 0 { u64::MAX } else { room };
        frames.truncate(room.saturating_sub(captured));
        let (first, count) = (frames.first_index, frames.count);
        let end = first.saturating_add(count as u64);
        if end > room {
            return self.fail_to_write();
        }
        let rows = self.writes.borrow().len() as u64;
        let rewound = if first < rows { file.rewind(first) } else { Ok(()) };
        if let Err(reason) = rewound.and_then(|()| file.append(frames)) {
            return self.give_up(&reason);
        }
        self.count_writes(usize::try_from(first).unwrap_or(usize::MAX), count);
        let captured = captured + count as u64;
        if captured >= room {
            let writer = self.clone();
            self.line.host.spawn(async move { writer.end(Some(captured)).await });
        } else {
            self.pvs.num_captured.post(captured.cast_signed());
        }
    }

    fn count_writes(&self, first: usize, count: usize) {
        let mut writes = self.writes.borrow_mut();
        let end = first.saturating_add(count);
        if writes.len() < end {
            writes.resize(end, 0);
        }
        writes[first..end].iter_mut().for_each(|writes| *writes += 1);
    }

    fn collect(&self) {
        if let Some(collect) = self.before_flush.get() {
            collect();
        }
    }

    /// Brings everything taken to disk.
    fn flush(self: &Rc<Self>) -> Option<LocalFuture<()>> {
        self.collect();
        let file = self.file()?;
        let writer = self.clone();
        Some(self.line.host.run(async move {
            writer.goes_on().await;
            if let Err(reason) = file.flush().await
                && writer.file().is_some_and(|open| Rc::ptr_eq(&open, &file))
            {
                writer.give_up(&reason);
            }
            if !writer.delay.get().is_zero() {
                writer.line.host.clock.sleep(writer.delay.get()).await;
            }
        }))
    }

    /// Ends the capture, if there is one.
    fn close(self: &Rc<Self>) -> LocalFuture<()> {
        self.collect();
        let writer = self.clone();
        self.line.host.run(async move {
            writer.goes_on().await;
            let mut opens = writer.opens.subscribe();
            // The sender lives in the writer.
            drop(opens.wait_for(|opens| !opens).await);
            writer.end(None).await;
        })
    }

    async fn goes_on(&self) {
        let mut hangs = self.hangs.subscribe();
        // The sender lives in the writer.
        drop(hangs.wait_for(|hangs| !hangs).await);
    }

    async fn end(&self, captured: Option<u64>) {
        let file = match self.phase.replace(Capture::Off) {
            Capture::Open(file) => Some(file),
            Capture::Off | Capture::Lazy | Capture::Opening(_) => None,
        };
        let failed = match &file {
            Some(file) => file.close().await.err(),
            None => None,
        };
        let pvs = &self.pvs;
        pvs.swmr_active.post(false);
        pvs.capture.readback.post(false);
        if let Some(reason) = failed {
            pvs.fail(&reason);
        } else {
            pvs.forget_error();
            pvs.message.post(String::new());
        }
        pvs.capture.setting.post(false);
        if let Some(captured) = captured {
            pvs.num_captured.post(captured.cast_signed());
        }
        self.captures.send_replace(false);
    }
}

fn open_error(path: &str) -> String {
    format!("Error opening file {path}, status=3")
}
