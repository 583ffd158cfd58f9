//! [`Crew`]: those who work at the beamline of one seed.
use super::{
    Tally,
    promises::{Ended, Remains, hold},
    scenario::{Act, Request, SPAN, Scenario},
};
use crate::process::{DiskChoice, Options, Process};
use actix::{Context, Handler, Message, dev::ToEnvelope};
use bluefly_actors::{
    clock::Clock,
    coordinator::{
        Abort, Kickoff, Pause, Prepare, Resume, RunStatus, ScanCoordinator, Stage, Stop, Unstage,
    },
    status::{Ended as StepEnd, Outcome},
    storage::MemoryDisk,
    supervise::{Exit, Schedule},
};
use bluefly_protocol::{fault::Refused, scan::Stack};
use std::{cell::RefCell, path::Path, time::Duration};

/// How long the coordinator may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Every status resolves in this time: longer than any deadline of the product.
const RESOLVE_WITHIN: Duration = Duration::from_hours(48);
/// After the last fault: lines come back, actors are restarted.
const CALM: Duration = Duration::from_secs(15);

pub(super) struct Crew<'a> {
    scenario: &'a Scenario,
    process: Process,
    disk: MemoryDisk,
    stack: Stack,
    /// What the second client was answered with.
    answers: RefCell<Vec<RunStatus>>,
}

/// How one step went.
#[derive(Debug)]
enum Step {
    Ended(StepEnd<u64>),
    Refused(Refused),
    /// The coordinator died before it answered.
    Unanswered,
}

impl<'a> Crew<'a> {
    /// Does what the scenario says; fails with the promise that does not hold.
    pub(super) async fn fly(scenario: &'a Scenario) -> Result<Tally, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let disk = MemoryDisk::new();
        let mut options =
            Options::new(Clock::simulated(), scenario.seed, directory.path().to_owned());
        options.schedule = Schedule::Shuffled;
        options.latency = scenario.latency;
        options.disk = DiskChoice::Memory(disk.clone());
        let process = Process::start(&scenario.beamline, options).await;
        let process = process.map_err(|error| error.to_string())?;
        let stack = Stack::new(&scenario.spec).map_err(|error| error.to_string())?;
        let crew = Self { scenario, process, disk, stack, answers: RefCell::default() };
        let clock = crew.process.clock.clone();
        let tally = clock.timeout(RESOLVE_WITHIN, crew.work(directory.path())).await;
        let tally = tally.unwrap_or_else(|_| {
            let progress = crew.process.bulletin.progress().borrow().clone();
            Err(format!("a status does not resolve: {progress:?}"))
        })?;
        let exit = crew.process.shutdown().await;
        hold!(exit == Exit::Shutdown, "the tree ended with {exit:?}");
        Ok(tally)
    }

    async fn work(&self, directory: &Path) -> Result<Tally, String> {
        self.process.world.schedule(self.scenario.faults.clone());
        let (flown, ()) = futures_util::join!(self.first_run(), self.interfere());
        let kickoff = flown?;
        for status in self.answers.take() {
            // One that was lost with a coordinator has resolved: it says so.
            drop(status.finished().await);
        }
        let remains = Remains {
            directory,
            disk: &self.disk,
            stack: &self.stack,
            capabilities: &self.process.beamline.capabilities,
        };
        if self.scenario.faults.is_empty() {
            self.check_safe("the first run")?;
            self.check_first(kickoff.as_ref(), remains.check()?.first())?;
        }
        self.process.clock.sleep(SPAN).await;
        self.process.world.calm();
        self.process.clock.sleep(CALM).await;
        self.come_down().await?;
        self.last_run().await?;
        self.check_safe("the last run")?;
        let ends = remains.check()?;
        if let [first, _, ..] = ends.as_slice() {
            self.check_first(kickoff.as_ref(), Some(first))?;
        }
        let is_success = |end: &Ended| end.exit_status == "success";
        let is_whole = |end: &Ended| is_success(end) && end.frames == self.stack.num_points();
        hold!(ends.last().is_some_and(is_whole), "the last run is not whole: {ends:?}");
        Ok(Tally {
            runs: ends.len() as u64,
            successes: ends.iter().filter(|end| is_success(end)).count() as u64,
            frames: ends.iter().map(|end| end.frames).sum(),
        })
    }

    /// Stages, flies each scan, unstages, as far as the scenario lets it; how the last kickoff went.
    async fn first_run(&self) -> Result<Option<Step>, String> {
        let mut flown = None;
        let mut goes_on = self.goes_on("stage", &self.step(Stage::default()).await)?;
        for _ in 0..self.scenario.num_scans {
            if !goes_on {
                break;
            }
            let prepare = Prepare(self.scenario.spec.clone());
            if !self.goes_on("prepare", &self.step(prepare).await)? {
                break;
            }
            let kickoff = self.step(Kickoff).await;
            goes_on = self.goes_on("kick off", &kickoff)?;
            if let Step::Ended(Ok(Outcome::Done(done))) = kickoff {
                let frames = self.stack.num_points();
                let is_whole = done == frames || self.scenario.is_ended();
                hold!(is_whole, "a flight is done with {done} of {frames} frames");
            }
            flown = Some(kickoff);
        }
        self.come_down().await?;
        Ok(flown)
    }

    /// Whether a step is done. If not, the scenario must have a reason for it.
    fn goes_on(&self, what: &str, step: &Step) -> Result<bool, String> {
        let scenario = self.scenario;
        let is_done = matches!(step, Step::Ended(Ok(Outcome::Done(_))));
        let is_excused = match step {
            Step::Ended(Ok(_)) | Step::Refused(_) => !self.is_calm(),
            Step::Ended(Err(_)) => scenario.has_crashes() || !scenario.faults.is_empty(),
            Step::Unanswered => scenario.has_crashes(),
        };
        hold!(is_done || is_excused, "{what}: {step:?}");
        Ok(is_done)
    }

    /// Whether nothing goes wrong and nobody ends the run.
    fn is_calm(&self) -> bool {
        let scenario = self.scenario;
        !scenario.is_ended() && !scenario.has_crashes() && scenario.faults.is_empty()
    }

    /// Unstages until the coordinator is idle, also if it crashes meanwhile.
    async fn come_down(&self) -> Result<(), String> {
        let coordinator = &self.process.coordinator;
        loop {
            coordinator.up().await.map_err(|error| format!("no coordinator: {error}"))?;
            match self.step(Unstage).await {
                Step::Ended(Ok(_)) => return Ok(()),
                Step::Refused(refused) => return Err(format!("unstage: {refused}")),
                Step::Ended(Err(_)) | Step::Unanswered => {
                    self.process.clock.sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// Does in its time what the scenario has a second client and bad luck do.
    async fn interfere(&self) {
        let clock = &self.process.clock;
        let start = clock.now();
        for (after, act) in &self.scenario.acts {
            clock.sleep_until(start + *after).await;
            match act {
                Act::Crash(actor) => match self.process.tree.crash(actor, "the scenario says so") {
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "no crash"),
                },
                Act::Ask(request) => {
                    let answer = self.request(*request).await;
                    self.answers.borrow_mut().extend(answer);
                }
            }
        }
    }

    async fn request(&self, request: Request) -> Option<RunStatus> {
        let answer = match request {
            Request::Pause => self.ask(Pause).await,
            Request::Resume => self.ask(Resume::default()).await,
            Request::Abort => self.ask(Abort { reason: None }).await,
            Request::Stop => self.ask(Stop).await,
            Request::Unstage => self.ask(Unstage).await,
        };
        // Refused in the wrong phase, or the coordinator is down at the moment.
        answer.and_then(Result::ok)
    }

    /// A run on the same beamline once all faults are over: nothing that happened may matter.
    async fn last_run(&self) -> Result<(), String> {
        let frames = self.stack.num_points();
        let prepare = Prepare(self.scenario.spec.clone());
        let steps = [
            ("stage", self.step(Stage::default()).await, 0),
            ("prepare", self.step(prepare).await, 0),
            ("kick off", self.step(Kickoff).await, frames),
            ("unstage", self.step(Unstage).await, frames),
        ];
        for (what, step, expected) in steps {
            let is_done =
                matches!(&step, Step::Ended(Ok(Outcome::Done(done))) if *done == expected);
            hold!(is_done, "{what} of the last run: {step:?}");
        }
        Ok(())
    }

    fn check_safe(&self, after: &str) -> Result<(), String> {
        let world = &self.process.world;
        hold!(!world.is_anything_moving(), "something moves after {after}");
        hold!(!world.is_anything_armed(), "something is armed after {after}");
        hold!(world.open_files().is_empty(), "{:?} are open after {after}", world.open_files());
        Ok(())
    }

    /// What the documents of the first run say is what its client was told.
    fn check_first(&self, kickoff: Option<&Step>, end: Option<&Ended>) -> Result<(), String> {
        let Some(end) = end else { return Ok(()) };
        if let Some(Step::Ended(Ok(Outcome::Aborted))) = kickoff {
            hold!(end.exit_status == "abort", "aborted, but the run ended with {end:?}");
        }
        if self.is_calm() {
            let frames = self.scenario.num_scans * self.stack.num_points();
            let is_whole = end.exit_status == "success" && end.frames == frames;
            hold!(is_whole, "nothing went wrong, but the run ended with {end:?} of {frames}");
        }
        Ok(())
    }

    async fn step<M>(&self, message: M) -> Step
    where
        ScanCoordinator: Handler<M>,
        M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
        Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
    {
        match self.ask(message).await {
            Some(Ok(status)) => Step::Ended(status.finished().await),
            Some(Err(refused)) => Step::Refused(refused),
            None => Step::Unanswered,
        }
    }

    /// The answer of the coordinator, if it is up.
    async fn ask<M>(&self, message: M) -> Option<Result<RunStatus, Refused>>
    where
        ScanCoordinator: Handler<M>,
        M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
        Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
    {
        match self.process.coordinator.ask(message, ANSWER_WITHIN).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(%error, "no answer");
                None
            }
        }
    }
}
