//! [`Stand`]: a beamline with a queue, on the simulated clock, whose process may be killed.
use crate::run::rig::{Setup, beamline, spec};
use actix::{Context, Handler, Message, dev::ToEnvelope};
use bluefly::process::{Options, Process};
use bluefly_actors::{
    clock::Clock,
    coordinator::{RunStatus, ScanCoordinator},
    feed::Listener,
    queue::{Get, Hold, List, Release, RunQueue, Submit},
    random::Seed,
    storage::MemoryDisk,
    supervise::{ChildSpec, Strategy, Supervisor},
    system::simulated_system,
};
use bluefly_protocol::{
    api::{ApiError, Event, EventKinds, Run, RunList, RunState},
    document::ExitStatus,
    fault::Refused,
    run::{RunPhase, RunProgress},
};
use bluefly_sim::Latency;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// 5 frames of 20 ms, flown.
pub(super) const LINE: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.02, "spec":
        {"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 5}}}"#;

/// A moment after a queue was released: so much later, and so many polls of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) later: Duration,
    pub(super) polls: u32,
}

/// Moments in every phase of a run of a [`LINE`], close together where these are short.
pub(super) fn moments() -> Vec<Moment> {
    let us = Duration::from_micros;
    let end = with_queue(Setup::default(), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        stand.submit_lines(1).await;
        let begin = stand.process.clock.now();
        stand.ask(Release).await.unwrap();
        let mut progress = stand.process.bulletin.progress();
        progress.wait_for(|progress| progress.ended.is_some()).await.unwrap();
        stand.process.clock.now() - begin
    });
    let polls = [0, 1, 2, 3, 4, 6, 9, 14];
    let at_once = polls.map(|polls| Moment { later: Duration::ZERO, polls }).into_iter();
    let early = (0..60).map(|i| Moment { later: us(1 + 11 * i), polls: i as u32 % 4 });
    let early = at_once.chain(early);
    let closing = end.saturating_sub(us(600));
    let ending = (0..40).map(|i| Moment { later: closing + us(17 * i), polls: i as u32 % 4 });
    let between = (1..16).map(|part| Moment { later: end * part / 16, polls: 0 });
    early.chain(between).chain(ending).collect()
}

const SECOND: Duration = Duration::from_secs(1);

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    InOrder,
    Killed,
}

pub(super) struct Stand {
    pub(super) process: Process,
}

/// Runs `test` with a process on `directory`.
pub(super) fn with_stand<T>(
    (directory, setup, end): (&Path, Setup, End),
    test: impl AsyncFnOnce(&Stand) -> T,
) -> T {
    simulated_system().block_on(async move {
        let stand = Stand::new(directory, setup).await;
        let result = test(&stand).await;
        match end {
            End::InOrder => drop(stand.process.shutdown().await),
            End::Killed => {}
        }
        result
    })
}

/// Runs `test` with a process of its own, which ends in order.
pub(super) fn with_queue<T>(setup: Setup, test: impl AsyncFnOnce(&Stand) -> T) -> T {
    let directory = tempfile::tempdir().unwrap();
    with_stand((directory.path(), setup, End::InOrder), test)
}

pub(super) fn edited(edits: Vec<(&'static str, &'static str)>) -> Setup {
    Setup { edits, ..Setup::default() }
}

impl Stand {
    async fn new(directory: &Path, setup: Setup) -> Self {
        let memory = MemoryDisk::new();
        let mut options = Options::new(Clock::simulated(), Seed(setup.seed), directory.to_owned());
        options.schedule = setup.schedule;
        options.latency =
            Latency { least: Duration::from_micros(5), most: Duration::from_micros(50) };
        options.disk = (setup.disk)(&memory);
        options.doors = Some(Box::new(|_| {
            ChildSpec::supervisor("api", || Supervisor::new(Strategy::OneForOne))
        }));
        let process = Process::start(&beamline(&setup.edits), options).await.unwrap();
        process.queue.as_ref().unwrap().up().await.unwrap();
        Self { process }
    }

    /// The answer of the queue; one that is being restarted is waited for.
    pub(super) async fn ask<M, T>(&self, message: M) -> Result<T, ApiError>
    where
        RunQueue: Handler<M>,
        M: Message<Result = Result<T, ApiError>> + Clone + Send + 'static,
        T: Send + 'static,
        Context<RunQueue>: ToEnvelope<RunQueue, M>,
    {
        let queue = self.process.queue.as_ref().unwrap();
        loop {
            queue.up().await.unwrap();
            match queue.ask(message.clone(), SECOND).await {
                Ok(answer) => return answer,
                Err(_) => self.process.clock.sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// The answer of the coordinator, which must be up.
    pub(super) async fn coordinate<M>(&self, message: M) -> Result<RunStatus, Refused>
    where
        ScanCoordinator: Handler<M>,
        M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
        Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
    {
        self.process.coordinator.ask(message, SECOND).await.unwrap()
    }

    pub(super) async fn submit(&self, text: &str) -> Run {
        self.ask(Submit::new(spec(text), BTreeMap::new())).await.unwrap()
    }

    /// So many runs; their uids.
    pub(super) async fn submit_lines(&self, count: usize) -> Vec<String> {
        let mut uids = Vec::new();
        for _ in 0..count {
            uids.push(self.submit(LINE).await.uid);
        }
        uids
    }

    /// Queues runs and lets them begin; does `what` at a moment after that.
    pub(super) async fn fly_until<T>(
        &self,
        count: usize,
        Moment { later, polls }: Moment,
        what: impl AsyncFnOnce() -> T,
    ) -> (Vec<String>, T) {
        self.ask(Hold::default()).await.unwrap();
        let uids = self.submit_lines(count).await;
        let later = async {
            self.sleep(later).await;
            for _ in 0..polls {
                tokio::task::yield_now().await;
            }
            what().await
        };
        let (released, done) = futures_util::join!(self.ask(Release), later);
        // One that was lost with the queue is on disk or is not.
        released.unwrap();
        (uids, done)
    }

    pub(super) async fn list(&self) -> RunList {
        self.ask(List { state: None, limit: 100 }).await.unwrap()
    }

    pub(super) async fn run(&self, uid: &str) -> Run {
        self.ask(Get(uid.to_owned())).await.unwrap().unwrap()
    }

    /// What became of some runs.
    pub(super) async fn states(&self, uids: &[String]) -> Vec<RunState> {
        let mut states = Vec::new();
        for uid in uids {
            states.push(self.run(uid).await.state);
        }
        states
    }

    /// Resolves once the list is as wanted, which must be within an hour.
    pub(super) async fn until(&self, is_right: impl Fn(&RunList) -> bool) -> RunList {
        let listener = self.process.desk.feed().listen(None);
        let wait = async {
            let mut listener: Listener = listener;
            loop {
                let list = self.list().await;
                if is_right(&list) {
                    return list;
                }
                // What happens to the gate is no event.
                let ready = self.process.clock.timeout(SECOND, listener.ready()).await;
                if ready.is_ok() {
                    listener.take(EventKinds::ALL, usize::MAX);
                }
            }
        };
        match self.process.clock.timeout(Duration::from_hours(1), wait).await {
            Ok(list) => list,
            Err(late) => panic!("{late}: {:?}, {:?}", self.list().await, self.progress()),
        }
    }

    /// Resolves once nothing is running or queued.
    pub(super) async fn until_done(&self) -> RunList {
        let is_live = |run: &Run| matches!(run.state, RunState::Queued | RunState::Running);
        self.until(|list| !list.runs.iter().any(is_live)).await
    }

    pub(super) async fn until_running(&self, uid: &str) {
        let is_it = |run: &Run| run.uid == uid && run.state == RunState::Running;
        self.until(|list| list.runs.iter().any(is_it)).await;
    }

    pub(super) fn progress(&self) -> RunProgress {
        self.process.bulletin.progress().borrow().clone()
    }

    /// The uid of the run that the queue has in the air or staged.
    pub(super) fn running(&self) -> String {
        let told = self.told();
        told.last().map_or(String::new(), |(uid, ..)| uid.clone())
    }

    pub(super) async fn reach(&self, phase: RunPhase) {
        let mut progress = self.process.bulletin.progress();
        progress.wait_for(|progress| progress.phase == phase).await.unwrap();
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.process.clock.sleep(duration).await;
    }

    /// What listeners were told of runs from the beginning: uid, state and place.
    pub(super) fn told(&self) -> Vec<(String, RunState, Option<u64>)> {
        let mut listener = self.process.desk.feed().listen(Some(0));
        let texts = listener.take("queue".parse().unwrap(), usize::MAX).texts;
        let events = texts.iter().map(|text| serde_json::from_str(text).unwrap());
        let runs = events.filter_map(|event| match event {
            Event::Queue { run, .. } => {
                assert_eq!((run.spec, run.metadata.len()), (None, 0), "it is told in short");
                Some((run.uid, run.state, run.place))
            }
            _ => None,
        });
        runs.collect()
    }

    /// Every run was flown once at most, has ended as its documents say, and nothing is lost.
    pub(super) async fn assert_history(&self, uids: &[String]) {
        let list = self.list().await;
        let text = std::fs::read_to_string(&self.process.documents).unwrap_or_default();
        for uid in uids {
            let found: Vec<&Run> = list.runs.iter().filter(|run| run.uid == *uid).collect();
            let [run] = found[..] else { panic!("{uid} is there {} times", found.len()) };
            let begun = format!("{{\"name\":\"start\",\"doc\":{{\"uid\":\"{uid}\"");
            let flown = text.matches(&begun).count();
            let past = self.process.archive.run(uid).unwrap();
            match run.state {
                RunState::Queued | RunState::Cancelled => assert_eq!(flown, 0, "{run:?}"),
                RunState::Running => assert!(flown <= 1, "{run:?}"),
                RunState::Done | RunState::Aborted | RunState::Failed => {
                    assert_eq!(flown, usize::from(past.is_some()), "{run:?}");
                }
            }
            if let Some(past) = past {
                let state = match past.exit_status() {
                    ExitStatus::Success => RunState::Done,
                    ExitStatus::Abort => RunState::Aborted,
                    ExitStatus::Fail => RunState::Failed,
                };
                let told = (run.state, run.num_frames, run.reason.as_str());
                assert_eq!(told, (state, past.num_frames(), past.reason()));
            } else {
                assert_ne!(run.state, RunState::Done, "{run:?}");
            }
        }
        let places: Vec<u64> = list.runs.iter().filter_map(|run| run.place).collect();
        assert_eq!(places, (0..places.len() as u64).collect::<Vec<_>>());
    }
}
