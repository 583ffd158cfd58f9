//! [`Script`]: a source of triggers that does what it is told, and keeps a record of its calls.
use crate::run::rig::{Rig, Setup, name, with_rig};
use bluefly_actors::{
    clock::Clock,
    logic::{
        detector::Doing,
        triggers::{TriggerLogic, TriggerPlan},
    },
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use bluefly_sim::World;
use std::{cell::RefCell, rc::Rc, time::Duration};

/// Its name on the beamline.
pub(super) const SOURCE: &str = "panda";
/// Its actor in the tree.
pub(super) const ACTOR: &str = "panda.triggers";
/// How long it takes to be safe.
pub(super) const SAFE_AFTER: Duration = Duration::from_millis(30);
/// From one of its triggers to the next.
const PERIOD: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Check,
    MakeSafe,
    Load,
    Enable,
    Follow,
}

/// What comes of a call, instead of what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Fails(FaultClass),
    NeverEnds,
    Takes(Duration),
    /// Triggers end with those of so many frames, and it does not notice.
    EndsAfter(u64),
    /// It tells of the triggers of so many frames, and of no more.
    TellsOf(u64),
}

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Script(Rc<Inner>);

struct Inner {
    name: Name,
    clock: Clock,
    world: RefCell<Option<World>>,
    calls: RefCell<Vec<String>>,
    next: RefCell<Vec<(Call, Answer)>>,
    plan: RefCell<Option<TriggerPlan>>,
}

impl Script {
    fn new(name: Name) -> Self {
        Self(Rc::new(Inner {
            name,
            clock: Clock::simulated(),
            world: RefCell::default(),
            calls: RefCell::default(),
            next: RefCell::default(),
            plan: RefCell::default(),
        }))
    }

    /// What happens at the next call of this kind, once.
    pub(super) fn will(&self, call: Call, answer: Answer) {
        self.0.next.borrow_mut().push((call, answer));
    }

    /// Calls since this was asked last, with what was so when they came.
    pub(super) fn calls(&self) -> Vec<String> {
        self.0.calls.take()
    }

    fn answer(&self, call: Call) -> Option<Answer> {
        let mut next = self.0.next.borrow_mut();
        let index = next.iter().position(|(kind, _)| *kind == call)?;
        Some(next.remove(index).1)
    }

    /// After the triggers of how many frames it ends, or tells of no more.
    async fn begin(&self, call: Call, what: String) -> Result<Option<Answer>, Fault> {
        self.note(&what);
        match self.answer(call) {
            None => Ok(None),
            Some(answer @ (Answer::EndsAfter(_) | Answer::TellsOf(_))) => Ok(Some(answer)),
            Some(Answer::NeverEnds) => std::future::pending().await,
            Some(Answer::Takes(time)) => {
                self.0.clock.sleep(time).await;
                Ok(None)
            }
            Some(Answer::Fails(class)) => Err(Fault {
                device: self.0.name.clone(),
                operation: what,
                class,
                reason: "as it was told".to_owned(),
            }),
        }
    }

    fn note(&self, what: &str) {
        let world = self.0.world.borrow();
        let is = |is: fn(&World) -> bool| world.as_ref().is_some_and(is);
        let mut note = what.to_owned();
        if is(World::is_anything_armed) {
            note.push_str(", armed");
        }
        if is(World::is_anything_moving) {
            note.push_str(", moving");
        }
        self.0.calls.borrow_mut().push(note);
    }
}

impl TriggerLogic for Script {
    fn check<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()> {
        let (first, total) = (plan.first_frame, plan.plan.num_frames());
        Box::pin(async move {
            self.begin(Call::Check, format!("check {first} of {total}")).await.map(drop)
        })
    }

    fn make_safe(&self) -> Doing<'_, ()> {
        Box::pin(async move {
            self.begin(Call::MakeSafe, "make safe".to_owned()).await?;
            self.0.clock.sleep(SAFE_AFTER).await;
            self.note("safe");
            Ok(())
        })
    }

    fn load<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()> {
        Box::pin(async move {
            self.0.plan.replace(Some(plan.clone()));
            let (first, total) = (plan.first_frame, plan.plan.num_frames());
            self.begin(Call::Load, format!("load {first} of {total}")).await.map(drop)
        })
    }

    fn enable(&self) -> Doing<'_, ()> {
        Box::pin(async move { self.begin(Call::Enable, "enable".to_owned()).await.map(drop) })
    }

    fn follow<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()> {
        Box::pin(async move {
            let TriggerPlan { plan, first_frame } = self.0.plan.borrow().clone().unwrap();
            let answer = self.begin(Call::Follow, "follow".to_owned()).await?;
            let end = match answer {
                Some(Answer::EndsAfter(frames) | Answer::TellsOf(frames)) => frames,
                _ => plan.num_frames(),
            };
            for frame in first_frame..end {
                self.0.clock.sleep(PERIOD).await;
                progress(frame + 1);
            }
            match answer {
                Some(Answer::TellsOf(_)) => std::future::pending().await,
                _ => Ok(()),
            }
        })
    }

    fn triggered(&self) -> Option<u64> {
        None
    }
}

/// Runs `test` on a rig with a source of triggers besides all else, once everything is at rest.
pub(super) fn with_script<T>(
    edits: &[(&'static str, &'static str)],
    test: impl AsyncFnOnce(&Rig, &Script) -> T,
) -> T {
    with_scripts([SOURCE], edits, async |rig, [script]| test(rig, script).await)
}

/// The same with several sources.
pub(super) fn with_scripts<T, const N: usize>(
    names: [&str; N],
    edits: &[(&'static str, &'static str)],
    test: impl AsyncFnOnce(&Rig, &[Script; N]) -> T,
) -> T {
    let scripts = names.map(|source| Script::new(name(source)));
    let source = |script: &Script| -> (Name, Rc<dyn TriggerLogic>) {
        (script.0.name.clone(), Rc::new(script.clone()))
    };
    let triggers = scripts.iter().map(source).collect();
    let setup = Setup { triggers, edits: edits.to_vec(), ..Setup::default() };
    with_rig(setup, async move |rig| {
        for script in &scripts {
            script.0.world.replace(Some(rig.process.world.clone()));
        }
        rig.sleep(Duration::from_secs(1)).await;
        for script in &scripts {
            assert_eq!(script.calls(), ["make safe", "safe"]);
        }
        test(rig, &scripts).await
    })
}
