//! [`Detector`]: takes triggers, exposes, and hands its frames to its file writer.
mod acquisition;
mod pulses;
mod pvs;

use self::{
    acquisition::{Acquisition, Shot},
    pulses::Pulses,
    pvs::Pvs,
};
use crate::{
    config::DetectorConfig,
    line::Line,
    motor::Motor,
    multiplier::{Multiplier, PulseTrain, silence},
    picture::Picture,
    pv::Pv,
    sink::FrameSink,
    stats::Stats,
    train::{Train, nanoseconds},
    writer::{Batch, Writer},
};
use bluefly_actors::{
    clock::Instant,
    logic::area_detector::{DetectorState, ImageMode},
    signal::{LocalFuture, Value},
    watch,
};
use bluefly_protocol::{beamline::Trigger, name::Name};
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

pub(crate) struct Detector {
    pub name: Name,
    pub line: Rc<Line>,
    pub writer: Rc<Writer>,
    multiplier: Option<Rc<Multiplier>>,
    dead_time: Duration,
    /// Whether its file has the sums of its frames.
    has_statistics: bool,
    /// Whether its file has positions.
    has_positions: bool,
    axes: Vec<Rc<Motor>>,
    picture: Picture,
    pvs: Pvs,
    acquisition: RefCell<Option<Acquisition>>,
    trains: RefCell<VecDeque<PulseTrain>>,
    /// Triggers of the first train that were looked at.
    triggers_done: Cell<u64>,
    pulses: RefCell<Pulses>,
    /// Each brings the pulses up to now from the output of a box on which it hangs.
    sources: RefCell<Vec<Rc<dyn Fn()>>>,
    /// Until when it waits for nothing but a change.
    sleeps_until: Cell<Option<Instant>>,
    stats: Rc<Stats>,
    triggers_total: Cell<u64>,
    missed_triggers: BTreeSet<u64>,
    triggers: Vec<(String, Trigger)>,
    /// Frames that will be lost when they next come, by unique id.
    pub lost_frames: RefCell<BTreeSet<u64>>,
    pub fails_to_arm: Cell<bool>,
    changed: Notify,
    is_acquiring: watch::Sender<bool>,
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
            has_statistics: config.statistics,
            has_positions: config.positions,
            axes: config.axes.iter().filter_map(find).collect(),
            picture: Picture::new(config.shape, config.dtype),
            pvs: Pvs::new(line, config),
            acquisition: RefCell::new(None),
            trains: RefCell::default(),
            triggers_done: Cell::new(0),
            pulses: RefCell::default(),
            sources: RefCell::default(),
            sleeps_until: Cell::new(None),
            stats: Stats::new(line, &config.address, config.ring),
            triggers_total: Cell::new(0),
            missed_triggers: config.missed_triggers.clone(),
            triggers: config.triggers.clone(),
            lost_frames: RefCell::default(),
            fails_to_arm: Cell::new(false),
            changed: Notify::new(),
            is_acquiring: watch::Sender::new(false),
        });
        detector.wire();
        detector
    }

    pub(crate) fn pvs(self: &Rc<Self>, address: &str) -> Vec<Rc<Pv>> {
        let mut pvs = self.pvs.all();
        pvs.extend(self.writer.pvs());
        pvs.extend(self.multiplier.iter().flat_map(|multiplier| multiplier.pvs()));
        pvs.extend(self.stats.pvs(&self.line, address));
        pvs
    }

    fn wire(self: &Rc<Self>) {
        let detector = Rc::downgrade(self);
        let acquire = &self.pvs.acquire.setting;
        acquire.in_turn(&crate::pv::turn());
        acquire.on_put(move |value| match (detector.upgrade(), value) {
            (Some(detector), Value::Bool(true)) => Ok(detector.arm()),
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
    /// While it acquires, this does nothing.
    fn arm(self: &Rc<Self>) -> Option<LocalFuture<()>> {
        if self.is_armed() {
            return None;
        }
        if self.fails_to_arm.take() {
            self.pvs.message.post("the detector failed to arm".to_owned());
            self.pvs.state.post(DetectorState::Initializing);
            self.pvs.state.post(DetectorState::Error);
            return None;
        }
        let seconds = |pv: &Pv| Duration::try_from_secs_f64(pv.get()).unwrap_or_default();
        self.bring_pulses();
        let now = self.now();
        self.forget_trains(now);
        self.pulses.borrow_mut().forget(now);
        let (num_images, trigger) = (self.num_images(), self.trigger_mode());
        *self.acquisition.borrow_mut() = Some(Acquisition {
            num_images,
            trigger,
            exposure: seconds(&self.pvs.exposure_s.readback),
            since: now,
            triggers_seen: 0,
            busy_until: now,
            shots: VecDeque::new(),
        });
        let state = if trigger == Trigger::Internal {
            self.forget_all_trains();
            let period = seconds(&self.pvs.period_s.readback);
            let duration = nanoseconds(period.as_nanos() * u128::from(num_images));
            let train = PulseTrain::direct(Train::new(now, duration, num_images));
            self.trains.borrow_mut().extend((num_images > 0).then_some(train));
            DetectorState::Acquire
        } else {
            DetectorState::Waiting
        };
        self.pvs.tell_acquiring(true);
        self.pvs.num_images_counter.post(0_i64);
        self.pvs.state.post(state);
        self.pvs.message.post("Acquiring data".to_owned());
        self.is_acquiring.send_replace(true);
        let detector = self.clone();
        self.line.host.spawn(async move { detector.acquire().await });
        Some(self.at_end())
    }

    fn trigger_mode(&self) -> Trigger {
        let word: String = self.pvs.trigger_mode.get();
        let known = self.triggers.iter().find(|(known, _)| *known == word);
        known.map_or(Trigger::Internal, |(_, trigger)| *trigger)
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
        if self.is_armed() {
            self.pvs.hurry();
            self.collect();
            self.end(DetectorState::Aborted, "Acquisition stopped");
        }
    }

    /// Ends an acquisition, if there is one, for no reason of whoever uses it.
    pub(crate) fn break_off(&self) {
        if self.is_armed() {
            self.collect();
            self.end(DetectorState::Error, "the detector failed");
        }
    }

    fn end(&self, state: DetectorState, message: &str) {
        if let Some(ended) = self.acquisition.borrow_mut().take() {
            // What was being exposed has no unique id.
            self.pvs.take_back(ended.shots.len() as u64);
            if ended.trigger == Trigger::Internal {
                self.forget_all_trains();
            }
        }
        self.forget_trains(self.now());
        self.pvs.tell_acquiring(false);
        self.pvs.state.post(state);
        self.pvs.message.post(message.to_owned());
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
        acquisition.as_ref().is_some_and(|now| now.trigger == Trigger::Internal)
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
                return self.end(DetectorState::Idle, "Waiting for acquisition");
            }
            let changed = self.changed.notified();
            let next = self.next_collection();
            self.sleeps_until.set(next);
            match next {
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
        if let Some(next) = self.pvs.held_until() {
            return Some(next);
        }
        let trains = self.trains.borrow();
        let mut done = self.triggers_done.get();
        let mut next_trigger = None;
        let mut last_trigger = None;
        for train in trains.iter().filter(|_| acquisition.triggers_seen < acquisition.num_images) {
            if done < train.count() {
                let latency = acquisition.exposure_of(train) + self.dead_time;
                next_trigger = next_trigger.or_else(|| Some(train.time(done) + latency));
                let left = acquisition.num_images - acquisition.triggers_seen;
                last_trigger = Some(train.time((done + left).min(train.count()) - 1) + latency);
            }
            done = 0;
        }
        let next_pulse = self.pulse_ready(0, acquisition);
        let first = acquisition.shots.front().map(|shot| shot.ready);
        let last = acquisition.shots.back().map(|shot| shot.ready);
        let first = first.or(next_trigger).or(next_pulse)?;
        let last = match acquisition.num_left().checked_sub(1) {
            // Nobody knows what more will come.
            Some(last) if self.listens(acquisition) => self.pulse_ready(last, acquisition),
            _ => Some(last_trigger.or(last).unwrap_or(first)),
        };
        let next = first.max(self.now()).since_start().as_nanos();
        let grid = next.div_ceil(COLLECT_PERIOD.as_nanos()) * COLLECT_PERIOD.as_nanos();
        let grid = Instant::default() + nanoseconds(grid);
        Some(last.map_or(grid, |last| grid.min(last.max(first))))
    }

    /// Takes every trigger up to now, and hands on every frame that is ready.
    fn collect(&self) {
        self.bring_pulses();
        let now = self.now();
        let mut acquisition = self.acquisition.borrow_mut();
        let Some(acquisition) = acquisition.as_mut() else { return };
        let before = acquisition.triggers_seen;
        self.take_triggers(acquisition, now);
        if acquisition.is_over(now) {
            // Before its last frame is written, as a real one does.
            self.pvs.tell_acquiring(false);
            if self.pvs.hold_back(now) {
                return;
            }
        }
        if acquisition.triggers_seen != before {
            self.pvs.state.post(DetectorState::Acquire);
        }
        let exposing = acquisition.shots.iter().filter(|shot| shot.ready > now).count() as u64;
        self.pvs.tell_counters(acquisition.triggers_seen - exposing, exposing);
        self.hand_on(acquisition, now);
    }

    fn take_triggers(&self, acquisition: &mut Acquisition, now: Instant) {
        let mut trains = self.trains.borrow_mut();
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
                let exposure = acquisition.exposure_of(train);
                self.expose(acquisition, time, exposure);
            }
        }
        self.take_pulses(acquisition, now);
    }

    /// Begins an exposure, unless it is not ready: the frame then has a unique id, but never comes.
    fn expose(&self, acquisition: &mut Acquisition, start: Instant, exposure: Duration) {
        let id = self.pvs.next_id();
        acquisition.triggers_seen += 1;
        let trigger = self.triggers_total.replace(self.triggers_total.get() + 1);
        if start < acquisition.busy_until || self.missed_triggers.contains(&trigger) {
            return;
        }
        let ready = start + exposure + self.dead_time;
        acquisition.busy_until = ready;
        let is_lost = |id| self.lost_frames.borrow_mut().remove(&id);
        let is_dropped = u64::try_from(id).is_ok_and(is_lost);
        acquisition.shots.push_back(Shot { id, start, exposure, ready, is_dropped });
    }

    fn hand_on(&self, acquisition: &mut Acquisition, now: Instant) {
        let mut batch = Batch::default();
        let mut any = false;
        while acquisition.shots.front().is_some_and(|shot| shot.ready <= now)
            && let Some(shot) = acquisition.shots.pop_front()
        {
            if !batch.goes_on_with(shot.id) || shot.is_dropped {
                self.give(std::mem::take(&mut batch));
            }
            if shot.is_dropped {
                self.writer.drop_frame();
                continue;
            }
            any = true;
            self.develop(&mut batch, &shot);
        }
        self.give(batch);
        if any {
            self.stats.tell();
        }
    }

    fn give(&self, batch: Batch) {
        if batch.frames.count > 0 && self.pvs.array_callbacks.get::<bool>() {
            self.writer.take(batch, &|name| self.pvs.has_row_attribute(name));
        }
    }

    /// Adds the frame of `shot` to `batch`.
    fn develop(&self, batch: &mut Batch, shot: &Shot) {
        let middle = shot.start + shot.exposure / 2;
        let position = |motor: &Rc<Motor>| motor.axis.at(middle).position;
        let positions: Vec<f64> = self.axes.iter().map(position).collect();
        let index = u64::try_from(shot.id).unwrap_or(0);
        let pixels = self.picture.expose(index, &positions);
        let total: f64 = pixels.iter().map(|pixel| f64::from(*pixel)).sum();
        let timestamp_s = self.line.host.clock.unix_s(shot.start);
        if self.pvs.array_callbacks.get::<bool>() {
            self.stats.put(index, total, timestamp_s);
        }
        if batch.frames.count == 0 {
            batch.first_id = shot.id;
        }
        batch.frames.count += 1;
        batch.frames.pixels.extend(pixels);
        let total = self.has_statistics.then_some(total);
        let file_positions = positions.into_iter().filter(|_| self.has_positions);
        let numbers = [shot.id as f64, timestamp_s].into_iter().chain(total).chain(file_positions);
        for (i, number) in numbers.enumerate() {
            match batch.frames.numbers.get_mut(i) {
                Some(column) => column.push(number),
                None => batch.frames.numbers.push(vec![number]),
            }
        }
    }
}
