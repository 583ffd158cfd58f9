//! [`PandaTriggers`]: a PandA that triggers detectors, frame by frame, with one of its sequencers.
mod check;
mod compare;
mod follow;
mod load;
mod pulses;
mod setup;
mod stream;
mod talk;

pub use setup::{TriggerOutput, TriggerSetup};

use super::super::Task;
use crate::{
    clock::Clock,
    logic::{
        detector::Doing,
        triggers::{TriggerLogic, TriggerPlan},
    },
    signal::panda::PandaSeat,
};
use bluefly_protocol::{
    fault::Fault,
    name::Name,
    panda::{
        control::Command,
        describe::{BlockName, ChangeGroup},
    },
    sequencer::Progress,
};
use futures_util::future::try_join_all;
use std::{
    cell::{Cell, RefCell},
    time::Duration,
};
use stream::Stream;
use talk::{Talk, of};

/// A sequencer of a PandA, and the PULSE blocks behind it.
pub struct PandaTriggers {
    name: Name,
    seat: PandaSeat,
    clock: Clock,
    setup: TriggerSetup,
    maker: Maker,
    loaded: RefCell<Option<Loaded>>,
    /// Frames of the scan that were triggered to their end since it was loaded, as far as is known.
    triggered: Cell<Option<u64>>,
}

/// What makes the triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    /// Rows of a table.
    Sequencer,
    /// Equal steps of a position.
    Comparison,
}

/// What it was given.
#[derive(Default)]
struct Loaded {
    first_frame: u64,
    /// Frames of it, from the first on.
    frames: u64,
    rows: Progress,
    course: Course,
    /// What is yet to be given, if it was not all at once.
    stream: Option<Stream>,
    /// What PULSE blocks had dropped before.
    dropped: Vec<u64>,
    /// How long pulses may go on once the block has ended.
    trailing: Duration,
}

/// What became of what was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Course {
    /// It may not have begun: counters may show what was before.
    #[default]
    Loaded,
    Begun,
    /// It was begun and told to stop: that it runs no more does not say that it came to its end.
    Stopped,
}

/// How long a sequencer may take to begin, or to end, once it is told to.
const TURN_WITHIN: Duration = Duration::from_secs(1);

impl PandaTriggers {
    pub fn new(name: Name, seat: PandaSeat, clock: Clock, setup: TriggerSetup) -> Self {
        let (maker, loaded, triggered) = (Maker::Sequencer, RefCell::default(), Cell::new(None));
        Self { name, seat, clock, setup, maker, loaded, triggered }
    }

    /// As [`new`](Self::new), with a PCOMP block for the sequencer, and one position. It triggers what
    /// it can count: one line, flown one way, of frames that are a whole number of counts apart.
    pub fn comparing(name: Name, seat: PandaSeat, clock: Clock, setup: TriggerSetup) -> Self {
        Self { maker: Maker::Comparison, ..Self::new(name, seat, clock, setup) }
    }

    /// The blocks that it uses.
    pub(super) fn blocks(&self) -> Vec<BlockName> {
        let pulses = self.setup.outputs.iter().filter_map(|output| output.pulse.clone());
        pulses.chain([self.setup.sequencer.clone()]).collect()
    }

    fn talk<'a>(&'a self, operation: &'a str) -> Result<Talk<'a>, Fault> {
        let task = Task { device: &self.name, operation };
        let session = task.done(self.seat.reached())?;
        Ok(Talk { task, session })
    }

    /// A field of the sequencer.
    fn field(&self, field: &str) -> String {
        of(&self.setup.sequencer, field)
    }

    /// Resolves when no trigger would leave.
    async fn stop(&self, talk: &Talk<'_>) -> Result<(), Fault> {
        talk.put(&self.field("ENABLE"), "ZERO").await?;
        // Pulses of the last frame may be on their way.
        let pulses =
            self.driven_pulses().map(|enable| async move { talk.put(&enable, "ZERO").await });
        try_join_all(pulses).await?;
        let active = self.field("ACTIVE");
        talk.until(&self.clock, (&active, "0"), TURN_WITHIN).await
    }

    async fn begin(&self) -> Result<(), Fault> {
        let talk = self.talk("enable triggers")?;
        let active = self.field("ACTIVE");
        // It may be over before it is looked at: what counts is that it has risen.
        let blocks = &talk.session.inventory.blocks;
        let told = self.setup.sequencer.told(blocks).map_or(active, |told| of(&told, "ACTIVE"));
        let has_risen = format!("{told}=");
        talk.done(Command::skip_changes(Some(BITS))).await?;
        talk.put(&self.field("ENABLE"), "ONE").await?;
        let since = self.clock.now();
        loop {
            let changes = talk.lines(Command::changes(Some(BITS))).await?;
            if changes.iter().any(|change| change.starts_with(&has_risen)) {
                if let Some(loaded) = &mut *self.loaded.borrow_mut() {
                    loaded.course = Course::Begun;
                }
                return Ok(());
            }
            if self.clock.now() - since >= TURN_WITHIN {
                let health = talk.get(&self.field("HEALTH")).await?;
                let reason = format!(
                    "{told} has not risen {TURN_WITHIN:?} after it was enabled; its health is {health}"
                );
                return Err(talk.failed(reason));
            }
            self.clock.sleep(LOOK_AGAIN).await;
        }
    }
}

const BITS: ChangeGroup = ChangeGroup::Bits;
/// How often it is looked whether it has begun.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl TriggerLogic for PandaTriggers {
    fn check<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()> {
        Box::pin(self.check_plan(plan))
    }

    fn make_safe(&self) -> Doing<'_, ()> {
        Box::pin(async move {
            let talk = self.talk("make its triggers safe")?;
            self.stop_and_count(&talk).await?;
            self.loaded.take();
            Ok(())
        })
    }

    fn load<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()> {
        Box::pin(self.load_plan(plan))
    }

    fn enable(&self) -> Doing<'_, ()> {
        Box::pin(self.begin())
    }

    fn follow<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()> {
        Box::pin(self.follow_frames(progress))
    }

    fn triggered(&self) -> Option<u64> {
        self.triggered.get()
    }
}
