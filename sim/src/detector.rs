//! [`Detector`]: takes triggers, exposes, and hands its frames to its file writer.
use crate::{
    config::DetectorConfig,
    line::Line,
    motor::Motor,
    multiplier::{Multiplier, PulseTrain, silence},
    picture::Picture,
    pv::{Handled, Pv},
    sink::{FrameSink, Frames},
    stats::Stats,
    train::{Train, nanoseconds},
    writer::Writer,
};
use bluefly_actors::{
    clock::Instant,
    logic::detector::{DetectorState, ImageMode, TriggerMode},
    signal::{LocalFuture, Value},
    watch,
};
use bluefly_protocol::name::Name;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, VecDeque},
    rc::Rc,
    time::Duration,
};
use tokio::sync::Notify;

/// How often frames are handed on, at most.
const COLLECT_PERIOD: Duration = Duration::from_millis(50);

/// Frames of an acquisition that goes on until it is stopped.
const ENDLESS: u64 = 1 << 32;

/// An exposure that was begun.
#[derive(Clone, Copy, Debug)]
struct Shot {
    index: u64,
    start: Instant,
    ready: Instant,
}

/// What it was armed for, and how far it has come.
#[derive(Debug)]
struct Acquisition {
    first_index: u64,
    num_images: u64,
    trigger_mode: TriggerMode,
    exposure: Duration,
    since: Instant,
    triggers_seen: u64,
    busy_until: Instant,
    shots: VecDeque<Shot>,
}

struct Pvs {
    acquire: Rc<Pv>,
    image_mode: Rc<Pv>,
    num_images: Rc<Pv>,
    trigger_mode: Rc<Pv>,
    exposure_s: Rc<Pv>,
    period_s: Rc<Pv>,
    counter: Rc<Pv>,
    state: Rc<Pv>,
    message: Rc<Pv>,
    all: Vec<Rc<Pv>>,
}

pub(crate) struct Detector {
    pub name: Name,
    pub line: Rc<Line>,
    pub writer: Rc<Writer>,
    multiplier: Option<Rc<Multiplier>>,
    dead_time: Duration,
    axes: Vec<Rc<Motor>>,
    picture: Picture,
    pvs: Pvs,
    acquisition: RefCell<Option<Acquisition>>,
    trains: RefCell<VecDeque<PulseTrain>>,
    /// Triggers of the first train that were looked at.
    triggers_done: Cell<u64>,
    stats: Rc<Stats>,
    triggers_total: Cell<u64>,
    missed_triggers: BTreeSet<u64>,
    /// Frames that will be lost when they next come, by index.
    pub lost_frames: RefCell<BTreeSet<u64>>,
    pub fails_to_arm: Cell<bool>,
    changed: Notify,
    is_acquiring: watch::Sender<bool>,
}

impl Pvs {
    fn new(line: &Rc<Line>, config: &DetectorConfig) -> Self {
        let field = |name: &str| format!("{}:cam1:{name}", config.address);
        let [rows, columns] = config.shape.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        let acquire = Pv::readback(line, field("Acquire"), false);
        let image_mode = Pv::setting(line, field("ImageMode"), ImageMode::Single);
        let num_images = Pv::setting(line, field("NumImages"), 1_i64);
        let trigger_mode = Pv::setting(line, field("TriggerMode"), TriggerMode::Internal);
        let exposure_s = Pv::setting(line, field("AcquireTime"), 0.1);
        let period_s = Pv::setting(line, field("AcquirePeriod"), 0.1);
        let counter = Pv::readback(line, field("ArrayCounter_RBV"), 0_i64);
        let state = Pv::readback(line, field("DetectorState_RBV"), DetectorState::Idle);
        let message = Pv::readback(line, field("StatusMessage_RBV"), String::new());
        let dead_time_s = config.dead_time.as_secs_f64();
        let all = vec![
            acquire.clone(),
            image_mode.clone(),
            num_images.clone(),
            trigger_mode.clone(),
            exposure_s.clone(),
            period_s.clone(),
            counter.clone(),
            state.clone(),
            message.clone(),
            Pv::readback(line, field("DeadTime_RBV"), dead_time_s),
            Pv::readback(line, field("ArraySizeX_RBV"), columns),
            Pv::readback(line, field("ArraySizeY_RBV"), rows),
            Pv::readback(line, field("DataType_RBV"), config.dtype),
        ];
        Self {
            acquire,
            image_mode,
            num_images,
            trigger_mode,
            exposure_s,
            period_s,
            counter,
            state,
            message,
            all,
        }
    }
}

impl Detector {
    pub(crate) fn new(
        line: &Rc<Line>,
        config: &DetectorConfig,
        motors: &[Rc<Motor>],
        sink: Rc<dyn FrameSink>,
    ) -> Rc<Self> {
        let find = |name: &Name| motors.iter().find(|motor| motor.name == *name).cloned();
        let detector = Rc::new(Self {
            name: config.name.clone(),
            line: line.clone(),
            writer: Writer::new(line, config, sink),
            multiplier: config.has_multiplier.then(|| Multiplier::new(line, &config.address)),
            dead_time: config.dead_time,
            axes: config.axes.iter().filter_map(find).collect(),
            picture: Picture::new(config.shape, config.dtype),
            pvs: Pvs::new(line, config),
            acquisition: RefCell::new(None),
            trains: RefCell::default(),
            triggers_done: Cell::new(0),
            stats: Stats::new(line, &config.address, config.ring),
            triggers_total: Cell::new(0),
            missed_triggers: config.missed_triggers.clone(),
            lost_frames: RefCell::default(),
            fails_to_arm: Cell::new(false),
            changed: Notify::new(),
            is_acquiring: watch::Sender::new(false),
        });
        detector.wire();
        detector
    }

    pub(crate) fn pvs(self: &Rc<Self>, address: &str) -> Vec<Rc<Pv>> {
        let mut pvs = self.pvs.all.clone();
        pvs.extend(self.writer.pvs());
        pvs.extend(self.multiplier.iter().flat_map(|multiplier| multiplier.pvs()));
        pvs.extend(self.stats.pvs(&self.line, address));
        pvs
    }

    fn wire(self: &Rc<Self>) {
        let detector = Rc::downgrade(self);
        self.pvs.acquire.on_put(move |value| match (detector.upgrade(), value) {
            (Some(detector), Value::Bool(true)) => detector.arm(),
            (Some(detector), Value::Bool(false)) => {
                detector.disarm();
                Ok(None)
            }
            _ => Err("it is neither true nor false".to_owned()),
        });
        if let Some(multiplier) = &self.multiplier {
            let detector = Rc::downgrade(self);
            multiplier.on_disable(move || {
                if let Some(detector) = detector.upgrade() {
                    silence(&mut *detector.trains.borrow_mut(), detector.now());
                    detector.changed.notify_one();
                }
            });
        }
        let detector = Rc::downgrade(self);
        self.writer.before_flush(move || {
            if let Some(detector) = detector.upgrade() {
                detector.collect();
            }
        });
    }

    fn now(&self) -> Instant {
        self.line.host.clock.now()
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.acquisition.borrow().is_some()
    }

    /// Gets ready for triggers, of its own or of others; the put completes when the acquisition ends.
    fn arm(self: &Rc<Self>) -> Handled {
        if self.is_armed() {
            return Err("it is acquiring".to_owned());
        }
        if self.fails_to_arm.take() {
            self.pvs.message.post("the detector failed to arm".to_owned());
            self.pvs.state.post(DetectorState::Error);
            return Ok(None);
        }
        let seconds = |pv: &Pv| Duration::try_from_secs_f64(pv.get()).unwrap_or_default();
        let now = self.now();
        self.forget_trains(now);
        let num_images = self.num_images();
        let trigger_mode = self.pvs.trigger_mode.get();
        *self.acquisition.borrow_mut() = Some(Acquisition {
            first_index: self.writer.begin(),
            num_images,
            trigger_mode,
            exposure: seconds(&self.pvs.exposure_s),
            since: now,
            triggers_seen: 0,
            busy_until: now,
            shots: VecDeque::new(),
        });
        if trigger_mode == TriggerMode::Internal {
            self.forget_all_trains();
            let period = seconds(&self.pvs.period_s);
            let duration = nanoseconds(period.as_nanos() * u128::from(num_images));
            let train = PulseTrain::direct(Train::new(now, duration, num_images));
            self.trains.borrow_mut().extend((num_images > 0).then_some(train));
        }
        self.pvs.message.post(String::new());
        self.pvs.counter.post(0_i64);
        self.pvs.acquire.post(true);
        self.pvs.state.post(DetectorState::Waiting);
        self.is_acquiring.send_replace(true);
        let detector = self.clone();
        self.line.host.spawn(async move { detector.acquire().await });
        Ok(Some(self.at_end()))
    }

    /// How many frames an acquisition takes.
    fn num_images(&self) -> u64 {
        match self.pvs.image_mode.get() {
            ImageMode::Single => 1,
            ImageMode::Multiple => u64::try_from(self.pvs.num_images.get::<i64>()).unwrap_or(0),
            ImageMode::Continuous => ENDLESS,
        }
    }

    /// Resolves once it does not acquire.
    fn at_end(&self) -> LocalFuture<()> {
        let mut is_acquiring = self.is_acquiring.subscribe();
        // A world that is gone acquires nothing.
        Box::pin(async move { drop(is_acquiring.wait_for(|acquiring| !acquiring).await) })
    }

    /// Stops: what is exposed is kept, what is being exposed is not.
    fn disarm(&self) {
        self.collect();
        self.end();
    }

    fn end(&self) {
        let ended = self.acquisition.borrow_mut().take();
        if ended.is_some_and(|ended| ended.trigger_mode == TriggerMode::Internal) {
            self.forget_all_trains();
        }
        self.forget_trains(self.now());
        self.pvs.acquire.post(false);
        self.pvs.state.post(DetectorState::Idle);
        self.is_acquiring.send_replace(false);
        self.changed.notify_one();
    }

    /// A train of triggers begins or is announced.
    pub(crate) fn trigger(&self, train: Train) {
        if self.triggers_itself() {
            return;
        }
        let pulses = match &self.multiplier {
            None => Some(PulseTrain::direct(train)),
            Some(multiplier) => multiplier.multiply(train),
        };
        if !self.is_armed() {
            self.forget_trains(train.start);
        }
        self.trains.borrow_mut().extend(pulses);
        self.changed.notify_one();
    }

    /// Whether it acquires and listens to nobody.
    fn triggers_itself(&self) -> bool {
        let acquisition = self.acquisition.borrow();
        acquisition.as_ref().is_some_and(|now| now.trigger_mode == TriggerMode::Internal)
    }

    /// Triggers at `now` and later will not come.
    pub(crate) fn cut(&self, now: Instant) {
        if self.triggers_itself() {
            return;
        }
        self.trains.borrow_mut().iter_mut().for_each(|train| train.cut(now));
        self.changed.notify_one();
    }

    fn forget_trains(&self, now: Instant) {
        let mut trains = self.trains.borrow_mut();
        while trains.front().is_some_and(|train| train.is_over(now)) {
            trains.pop_front();
            self.triggers_done.set(0);
        }
    }

    fn forget_all_trains(&self) {
        self.trains.borrow_mut().clear();
        self.triggers_done.set(0);
    }

    async fn acquire(self: Rc<Self>) {
        while self.is_armed() {
            self.collect();
            if self.is_complete() {
                return self.end();
            }
            let changed = self.changed.notified();
            match self.next_collection() {
                None => changed.await,
                Some(next) => tokio::select! { biased;
                    () = changed => {}
                    () = self.line.host.clock.sleep_until(next) => {}
                },
            }
        }
    }

    fn is_complete(&self) -> bool {
        let acquisition = self.acquisition.borrow();
        acquisition.as_ref().is_some_and(|acquisition| {
            acquisition.triggers_seen >= acquisition.num_images && acquisition.shots.is_empty()
        })
    }

    /// When there is something to hand on: on the grid of collections, or sooner if nothing more is
    /// to come.
    fn next_collection(&self) -> Option<Instant> {
        let acquisition = self.acquisition.borrow();
        let acquisition = acquisition.as_ref()?;
        let latency = acquisition.exposure + self.dead_time;
        let trains = self.trains.borrow();
        let mut done = self.triggers_done.get();
        let mut next_trigger = None;
        let mut last_trigger = None;
        for train in trains.iter().filter(|_| acquisition.triggers_seen < acquisition.num_images) {
            if done < train.count() {
                next_trigger = next_trigger.or_else(|| Some(train.time(done)));
                let left = acquisition.num_images - acquisition.triggers_seen;
                last_trigger = Some(train.time((done + left).min(train.count()) - 1));
            }
            done = 0;
        }
        let first = acquisition.shots.front().map(|shot| shot.ready);
        let last = acquisition.shots.back().map(|shot| shot.ready);
        let first = first.or_else(|| next_trigger.map(|time| time + latency))?;
        let last = last_trigger.map(|time| time + latency).or(last).unwrap_or(first);
        let next = first.max(self.now()).since_start().as_nanos();
        let grid = next.div_ceil(COLLECT_PERIOD.as_nanos()) * COLLECT_PERIOD.as_nanos();
        Some((Instant::default() + nanoseconds(grid)).min(last.max(first)))
    }

    /// Takes every trigger up to now, and hands on every frame that is ready.
    fn collect(&self) {
        let now = self.now();
        let mut acquisition = self.acquisition.borrow_mut();
        let Some(acquisition) = acquisition.as_mut() else { return };
        self.take_triggers(acquisition, now);
        self.hand_on(acquisition, now);
    }

    fn take_triggers(&self, acquisition: &mut Acquisition, now: Instant) {
        let mut trains = self.trains.borrow_mut();
        let mut dropped = 0;
        let before = acquisition.triggers_seen;
        while let Some(train) = trains.front() {
            let done = self.triggers_done.get();
            if done >= train.count() {
                if !train.is_over(now) {
                    break;
                }
                trains.pop_front();
                self.triggers_done.set(0);
                continue;
            }
            let time = train.time(done);
            if time > now {
                break;
            }
            self.triggers_done.set(done + 1);
            if time >= acquisition.since && acquisition.triggers_seen < acquisition.num_images {
                dropped += i64::from(!self.expose(acquisition, time));
            }
        }
        if acquisition.triggers_seen != before {
            self.pvs.counter.post(acquisition.triggers_seen.cast_signed());
            self.pvs.state.post(DetectorState::Acquire);
            self.writer.drop_frames(dropped);
        }
    }

    /// Begins an exposure; false if no frame will come of it.
    fn expose(&self, acquisition: &mut Acquisition, start: Instant) -> bool {
        let index = acquisition.first_index + acquisition.triggers_seen;
        acquisition.triggers_seen += 1;
        let trigger = self.triggers_total.replace(self.triggers_total.get() + 1);
        if start < acquisition.busy_until || self.missed_triggers.contains(&trigger) {
            return false;
        }
        let ready = start + acquisition.exposure + self.dead_time;
        acquisition.busy_until = ready;
        if self.lost_frames.borrow_mut().remove(&index) {
            return false;
        }
        acquisition.shots.push_back(Shot { index, start, ready });
        true
    }

    fn hand_on(&self, acquisition: &mut Acquisition, now: Instant) {
        let mut frames = Frames::default();
        while acquisition.shots.front().is_some_and(|shot| shot.ready <= now)
            && let Some(shot) = acquisition.shots.pop_front()
        {
            let follows = frames.first_index + frames.count as u64 == shot.index;
            if frames.count > 0 && !follows {
                self.writer.append(std::mem::take(&mut frames));
            }
            self.develop(&mut frames, &shot, acquisition.exposure);
        }
        if frames.count > 0 {
            self.writer.append(frames);
            self.stats.tell();
        }
    }

    /// Adds the frame of `shot` to `frames`.
    fn develop(&self, frames: &mut Frames, shot: &Shot, exposure: Duration) {
        let middle = shot.start + exposure / 2;
        let position = |motor: &Rc<Motor>| motor.axis.at(middle).position;
        let positions: Vec<f64> = self.axes.iter().map(position).collect();
        let pixels = self.picture.expose(shot.index, &positions);
        let total: f64 = pixels.iter().map(|pixel| f64::from(*pixel)).sum();
        let timestamp_s = self.line.host.clock.unix_s(shot.start);
        self.stats.put(shot.index, total, timestamp_s);
        if frames.count == 0 {
            frames.first_index = shot.index;
            frames.numbers.resize(3 + positions.len(), Vec::new());
        }
        frames.count += 1;
        frames.pixels.extend(pixels);
        let numbers = [self.stats.seen() as f64, timestamp_s, total];
        for (column, number) in frames.numbers.iter_mut().zip(numbers.into_iter().chain(positions))
        {
            column.push(number);
        }
    }
}
