//! [`Multiplier`]: makes several pulses of each trigger, as the PULSE block of a PandA does.
use crate::{
    line::Line,
    pv::Pv,
    train::{Train, nanoseconds},
};
use bluefly_actors::{clock::Instant, signal::Value};
use std::{cell::OnceCell, rc::Rc, time::Duration};

/// What reaches a detector of a train of triggers: `pulses` for each, a step apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PulseTrain {
    triggers: Train,
    pulses: u64,
    step: Duration,
    /// Of each pulse.
    width: Duration,
    /// How many pulses come in all.
    count: u64,
    /// Whether its time ended early.
    is_cut: bool,
}

impl PulseTrain {
    /// The triggers themselves.
    pub(crate) const fn direct(triggers: Train) -> Self {
        Self::new(triggers, 1, Duration::ZERO, Duration::ZERO)
    }

    const fn new(triggers: Train, pulses: u64, step: Duration, width: Duration) -> Self {
        let count = triggers.count.saturating_mul(pulses);
        Self { triggers, pulses, step, width, count, is_cut: false }
    }

    /// How many pulses come in all, unless it is cut.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// How long each pulse is.
    pub(crate) const fn width(&self) -> Duration {
        self.width
    }

    /// When pulse `number` comes.
    pub(crate) fn time(&self, number: u64) -> Instant {
        let step = self.step.as_nanos() * u128::from(number % self.pulses);
        self.triggers.time(number / self.pulses) + nanoseconds(step)
    }

    /// Whether its time is over at `now`, and its last pulse has come.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let is_silent = self.count.checked_sub(1).is_none_or(|last| self.time(last) <= now);
        is_silent && (self.is_cut || self.triggers.start + self.triggers.duration <= now)
    }

    /// Takes back every trigger at `now` and later. The pulses of those that came are under way.
    pub(crate) fn cut(&mut self, now: Instant) {
        self.is_cut = true;
        self.triggers.cut(now);
        self.count = self.count.min(self.triggers.count.saturating_mul(self.pulses));
    }

    /// Takes back every pulse at `now` and later.
    fn silence(&mut self, now: Instant) {
        self.cut(now);
        while self.count > 0 && self.time(self.count - 1) >= now {
            self.count -= 1;
        }
    }
}

/// Times of the block are 48 bits of 8 ns: 26 days.
const LONGEST_S: f64 = (1_u64 << 48) as f64 * 8e-9;

/// A block between the controller and one detector.
pub(crate) struct Multiplier {
    enable: Rc<Pv>,
    pulses: Rc<Pv>,
    step_s: Rc<Pv>,
    width_s: Rc<Pv>,
    on_disable: OnceCell<Box<dyn Fn()>>,
}

impl Multiplier {
    /// A block that is not enabled.
    pub(crate) fn new(line: &Rc<Line>, address: &str) -> Rc<Self> {
        let field = |name: &str| format!("{address}:PULSE1:{name}");
        let multiplier = Rc::new(Self {
            enable: Pv::readback(line, field("Enable"), false),
            pulses: Pv::setting(line, field("Pulses"), 1_i64),
            step_s: Pv::readback(line, field("Step"), 0.0),
            width_s: Pv::readback(line, field("Width"), 0.0),
            on_disable: OnceCell::new(),
        });
        let weak = Rc::downgrade(&multiplier);
        multiplier.enable.on_put(move |value| {
            let Value::Bool(enabled) = value else {
                return Err("it is neither true nor false".to_owned());
            };
            if let Some(multiplier) = weak.upgrade() {
                multiplier.enable.post(enabled);
                if let Some(forget) = multiplier.on_disable.get().filter(|_| !enabled) {
                    forget();
                }
            }
            Ok(None)
        });
        takes_time(&multiplier.step_s, "step");
        takes_time(&multiplier.width_s, "width");
        multiplier
    }

    pub(crate) fn pvs(&self) -> [Rc<Pv>; 4] {
        [&self.enable, &self.pulses, &self.step_s, &self.width_s].map(Rc::clone)
    }

    /// Says who forgets pulses that are under way when it is disabled; set once.
    pub(crate) fn on_disable(&self, forget: impl Fn() + 'static) {
        assert!(self.on_disable.set(Box::new(forget)).is_ok(), "it has one output");
    }

    /// What it makes of triggers: nothing unless it is enabled.
    pub(crate) fn multiply(&self, triggers: Train) -> Option<PulseTrain> {
        let pulses = u64::try_from(self.pulses.get::<i64>()).ok().filter(|pulses| *pulses > 0)?;
        let [step, width] =
            [&self.step_s, &self.width_s].map(|time_s| Duration::from_secs_f64(time_s.get()));
        self.enable.get::<bool>().then(|| PulseTrain::new(triggers, pulses, step, width))
    }
}

/// Lets a time be put that the block can keep.
fn takes_time(pv: &Rc<Pv>, what: &'static str) {
    let weak = Rc::downgrade(pv);
    pv.on_put(move |value| {
        let Value::Float(seconds) = value else {
            return Err("it is no time".to_owned());
        };
        if !(0.0..LONGEST_S).contains(&seconds) {
            return Err(format!("a {what} is 0 s or longer, and shorter than {LONGEST_S} s"));
        }
        if let Some(pv) = weak.upgrade() {
            pv.post(seconds);
        }
        Ok(None)
    });
}

/// Takes back every pulse of `trains` at `now` and later.
pub(crate) fn silence<'a>(trains: impl IntoIterator<Item = &'a mut PulseTrain>, now: Instant) {
    trains.into_iter().for_each(|train| train.silence(now));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::default() + Duration::from_micros(micros)
    }

    /// Two frames of 10 us from 100 us on, three pulses in each, 3 us apart.
    fn train() -> PulseTrain {
        let triggers = Train::new(at(100), Duration::from_micros(20), 2);
        PulseTrain::new(triggers, 3, Duration::from_micros(3), Duration::from_micros(1))
    }

    fn check(train: PulseTrain, expected: &[u64]) {
        let times: Vec<Instant> = (0..train.count()).map(|number| train.time(number)).collect();
        assert_eq!(times, expected.iter().map(|micros| at(*micros)).collect::<Vec<_>>());
    }

    #[test]
    fn pulses_follow_each_trigger_a_step_apart() {
        check(train(), &[100, 103, 106, 110, 113, 116]);
        check(PulseTrain::direct(train().triggers), &[100, 110]);
    }

    #[test]
    fn a_train_is_over_when_its_time_is_and_its_last_pulse_has_come() {
        let check = |train: PulseTrain, end| {
            assert!(!train.is_over(at(end - 1)) && train.is_over(at(end)), "{train:?}, {end}");
        };
        check(train(), 120);
        check(PulseTrain::direct(train().triggers), 120);
        check(PulseTrain { step: Duration::from_micros(8), ..train() }, 126);
        // Cut in the second frame: what is left of its time is not waited for, its pulses are.
        let mut cut = train();
        cut.cut(at(111));
        check(cut, 116);
        cut.silence(at(115));
        check(cut, 113);
    }

    #[test]
    fn a_cut_takes_back_triggers_and_silence_takes_back_pulses() {
        let changed = |now, change: fn(&mut PulseTrain, Instant)| {
            let mut train = train();
            change(&mut train, at(now));
            train
        };
        check(changed(105, PulseTrain::cut), &[100, 103, 106]);
        check(changed(110, PulseTrain::cut), &[100, 103, 106]);
        check(changed(111, PulseTrain::cut), &[100, 103, 106, 110, 113, 116]);
        check(changed(100, PulseTrain::cut), &[]);
        check(changed(105, PulseTrain::silence), &[100, 103]);
        check(changed(111, PulseTrain::silence), &[100, 103, 106, 110]);
        check(changed(200, PulseTrain::silence), &[100, 103, 106, 110, 113, 116]);
    }
}
