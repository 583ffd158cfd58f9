//! PCAP: captures rows of words at triggers.
//!
//! It runs a tick ahead of its registers: in the hardware, all it sees of the buses comes a tick
//! late. So what it captures at a tick is what is on the buses then, and only what it drives itself
//! has to be a tick late here.
mod channel;
mod row;

pub(super) use self::row::MAX_WORDS as MAX_ROW;

use self::row::Row;
use super::{
    Tick,
    block::{BlockKind, EDGES, Edge, NEVER, choice, driver, field},
    track::Track,
};
use std::collections::VecDeque;

pub(super) const PCAP: BlockKind = BlockKind {
    name: "PCAP",
    count: 1,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("GATE", "bit_mux"),
        field("TRIG", "bit_mux"),
        choice("TRIG_EDGE", "param enum", EDGES),
        field("SHIFT_SUM", "param uint 8"),
        driver("ACTIVE", "bit_out", 32),
        driver("TS_START", "ext_out timestamp", 0),
        driver("TS_END", "ext_out timestamp", 2),
        driver("TS_TRIG", "ext_out timestamp", 4),
        driver("GATE_DURATION", "ext_out samples", 6),
        driver("BITS0", "ext_out bits 0", 7),
        driver("BITS1", "ext_out bits 1", 8),
        driver("BITS2", "ext_out bits 2", 9),
        driver("BITS3", "ext_out bits 3", 10),
        choice(
            "HEALTH",
            "read enum",
            &["OK", "Capture events too close together", "Samples overflow"],
        ),
    ],
};

/// From a trigger to the first word of its row.
const PIPELINE: Tick = 4;
/// Words in front of the memory of the processor.
const FIFO: u64 = 1024;

/// How a capture came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// ENABLE fell.
    Ok,
    Disarmed,
    /// A trigger came before the words of the row before it were gone.
    FramingError,
    /// Words came faster than they were taken.
    Overflow,
}

/// What the processor is interrupted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first tick with ENABLE high since it was armed is over.
    Start { tick: Tick },
    /// All words of the capture are there.
    End { tick: Tick, reason: EndReason },
}

/// The inputs, the parameters and the buses at one tick.
pub(super) struct View<'a> {
    pub now: Tick,
    pub enable: bool,
    pub gate: bool,
    pub trigger: bool,
    pub edges: u32,
    pub shift: u32,
    pub bits: u128,
    pub tracks: &'a [Track],
}

/// What the processor asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Request {
    Arm,
    Disarm,
    Overflow,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Idle,
    Armed,
    /// Enabled at the tick before.
    Starting,
    Enabled,
    WaitForWords,
}

/// Ticks since ENABLE rose, or zero before.
#[derive(Clone, Copy, Debug, Default)]
struct Stopwatch {
    ticks: u64,
    since: Option<Tick>,
}

impl Stopwatch {
    fn at(self, now: Tick) -> u64 {
        self.ticks + self.since.map_or(0, |since| now - since)
    }

    fn run(&mut self, now: Tick, is_running: bool) {
        if is_running != self.since.is_some() {
            self.ticks = self.at(now);
            self.since = is_running.then_some(now);
        }
    }
}

pub(super) struct Pcap {
    row: Row,
    state: State,
    request: Option<Request>,
    enable: Edge,
    gate: Edge,
    trigger: Edge,
    clock: Stopwatch,
    /// The triggers whose words are not all out, with the number of words before theirs.
    pending: VecDeque<(Tick, usize)>,
    /// What will end it, and when.
    error: Option<(Tick, EndReason)>,
    words: Vec<u32>,
    events: Vec<Event>,
    fifo: Fifo,
    health: i64,
}

/// How full the buffer in front of the memory is.
struct Fifo {
    words: u64,
    at: Tick,
    /// How many ticks the memory needs for a word.
    ticks_per_word: u64,
}

impl Fifo {
    /// Whether there is room for as many words more.
    fn take(&mut self, now: Tick, words: u64) -> bool {
        let gone = (now - self.at) / self.ticks_per_word.max(1);
        self.at = if gone > self.words { now } else { self.at + gone * self.ticks_per_word.max(1) };
        self.words = self.words.saturating_sub(gone);
        self.words += words;
        self.words <= FIFO
    }
}

impl Pcap {
    pub(super) fn new(ticks_per_word: u64) -> Self {
        Self {
            row: Row::default(),
            state: State::Idle,
            request: None,
            enable: Edge::default(),
            gate: Edge::default(),
            trigger: Edge::default(),
            clock: Stopwatch::default(),
            pending: VecDeque::new(),
            error: None,
            words: vec![],
            events: vec![],
            fifo: Fifo { words: 0, at: 0, ticks_per_word },
            health: 0,
        }
    }

    /// Which words a row has, as they are written to the hardware.
    pub(super) fn capture(&mut self, words: &[u32]) {
        self.row = Row::new(words);
    }

    pub(super) fn arm(&mut self) {
        self.request = Some(Request::Arm);
    }

    pub(super) fn disarm(&mut self) {
        self.request = Some(Request::Disarm);
    }

    /// The memory takes no more words.
    pub(super) fn fail(&mut self) {
        self.request = Some(Request::Overflow);
    }

    pub(super) const fn is_active(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    pub(super) const fn health(&self) -> i64 {
        self.health
    }

    pub(super) const fn row_words(&self) -> usize {
        self.row.len()
    }

    /// The words that wait to be taken, and those on their way.
    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }

    /// The rows that are out before `now`.
    pub(super) fn take_words(&mut self, now: Tick) -> Vec<u32> {
        let late = self.pending.iter().find(|(tick, _)| self.last_word(*tick) >= now);
        let num_out = late.map_or(self.words.len(), |(_, begin)| *begin);
        let kept = self.words.split_off(num_out);
        for (_, begin) in &mut self.pending {
            *begin = begin.saturating_sub(num_out);
        }
        std::mem::replace(&mut self.words, kept)
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The tick at which the last word of a row is out.
    fn last_word(&self, trigger: Tick) -> Tick {
        trigger + PIPELINE + self.row_ticks() - 1
    }

    fn row_ticks(&self) -> Tick {
        self.row.len() as Tick
    }

    /// Whether a word is out at this tick.
    pub(super) fn is_writing(&self, tick: Tick) -> bool {
        let is_out = |(trigger, _): &(Tick, usize)| {
            (trigger + PIPELINE..trigger + PIPELINE + self.row_ticks()).contains(&tick)
        };
        self.pending.iter().any(is_out)
    }

    /// One edge of the clock. Returns when it has to be asked again.
    pub(super) fn step(&mut self, view: &View<'_>) -> Tick {
        let now = view.now;
        let request = self.request.take();
        let is_arming = request == Some(Request::Arm);
        let is_on = self.is_active() || is_arming;
        if is_arming && !self.is_active() {
            self.clock = Stopwatch::default();
            self.row.start(now);
        }
        let enable = self.enable.take(view.enable);
        let gate = self.gate.take(is_on && view.gate && view.enable);
        let trigger = self.trigger.take(view.trigger && view.enable).counts(view.edges);
        let timestamp = self.clock.at(now);
        if is_on {
            self.patch_last_row(now, trigger, gate.fell, timestamp);
            self.row.gate(view, gate, trigger, timestamp);
            if trigger {
                self.trigger(view, self.gate.is_high(), timestamp);
            }
        }
        self.go_on(now, request, enable.fell, view.enable);
        self.clock.run(now, is_on && view.enable);
        let timer = match self.state {
            State::Armed if is_arming => now + 1,
            State::Idle | State::Armed | State::Enabled => NEVER,
            State::Starting | State::WaitForWords => now + 1,
        };
        timer.min(self.error.map_or(NEVER, |(tick, _)| tick))
    }

    /// The registers behind a trigger are read two ticks later, so what happens at the tick after
    /// it gets into its row.
    fn patch_last_row(&mut self, now: Tick, trigger: bool, gate_fell: bool, timestamp: u64) {
        let Some((tick, begin)) = self.pending.back().copied() else { return };
        if tick + 1 == now && gate_fell && !trigger {
            self.row.patch_end(&mut self.words[begin..], timestamp);
        }
    }

    fn trigger(&mut self, view: &View<'_>, is_gated: bool, timestamp: u64) {
        let now = view.now;
        let row_ticks = self.row_ticks();
        if row_ticks == 0 {
            return;
        }
        self.pending.retain(|(tick, _)| tick + PIPELINE + row_ticks >= now);
        let begin = self.words.len();
        self.row.write(view, timestamp, &mut self.words);
        self.row.reset(view, is_gated, timestamp);
        let last = self.pending.back().copied();
        if let Some((tick, before)) = last.filter(|(tick, _)| now - tick < row_ticks.max(2)) {
            // The registers are shared: from the next tick on, the row before has these words. It
            // is not noticed by then how close they are.
            let (old, new) = self.words.split_at_mut(begin);
            let first = (now - tick) as usize;
            let changed = if first == 1 { 0..new.len() } else { first..first + 1 };
            old[before..][changed.clone()].copy_from_slice(&new[changed]);
            if now - tick < row_ticks {
                self.words.truncate(begin);
                self.error.get_or_insert((now + PIPELINE, EndReason::FramingError));
                return;
            }
        }
        self.pending.push_back((now, begin));
        if !self.fifo.take(now, row_ticks) {
            let end = now + PIPELINE + row_ticks;
            self.error.get_or_insert((end, EndReason::Overflow));
        }
    }

    /// The arming of the hardware, after the inputs have been taken.
    fn go_on(&mut self, now: Tick, request: Option<Request>, has_fallen: bool, is_enabled: bool) {
        let error = self.error.filter(|(tick, _)| *tick <= now).map(|(_, reason)| reason);
        let reason = match request {
            Some(Request::Disarm) => Some(EndReason::Disarmed),
            Some(Request::Overflow) => Some(EndReason::Overflow),
            Some(Request::Arm) | None => error,
        };
        if let Some(reason) = reason.filter(|_| self.is_active()) {
            return self.end(now, reason);
        }
        match self.state {
            State::Idle if request == Some(Request::Arm) => {
                self.state = State::Armed;
                self.health = 0;
            }
            State::Armed if is_enabled => self.state = State::Starting,
            State::Starting | State::Enabled => {
                if self.state == State::Starting {
                    self.events.push(Event::Start { tick: now });
                    self.state = State::Enabled;
                }
                if has_fallen && self.is_writing(now - 1) {
                    self.state = State::WaitForWords;
                } else if has_fallen {
                    self.end(now, EndReason::Ok);
                }
            }
            State::WaitForWords if !self.is_writing(now - 1) => self.end(now, EndReason::Ok),
            State::Idle | State::Armed | State::WaitForWords => {}
        }
    }

    /// Words that would come later are lost.
    fn end(&mut self, now: Tick, reason: EndReason) {
        let late = self.pending.iter().find(|(tick, _)| self.last_word(*tick) > now);
        if let Some((tick, begin)) = late {
            let missing = (self.last_word(*tick) - now).min(self.row_ticks());
            self.words.truncate(begin + self.row.len() - missing as usize);
        }
        self.pending.clear();
        self.error = None;
        self.state = State::Idle;
        self.health = match reason {
            EndReason::Ok | EndReason::Disarmed => 0,
            EndReason::FramingError => 1,
            EndReason::Overflow => 2,
        };
        self.gate = Edge::default();
        self.clock = Stopwatch::default();
        self.events.push(Event::End { tick: now, reason });
    }

    /// Sums up what has come so far, so that the past of the buses can be forgotten.
    pub(super) fn catch_up(&mut self, now: Tick, tracks: &[Track]) {
        self.row.catch_up(now, tracks);
    }
}
