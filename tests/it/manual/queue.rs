//! Runs of the queue, while devices are operated by hand.
use super::{FRAMES, ask, ms, to, trigger};
use crate::run::rig::{GRID, Rig, Setup, beamline, spec};
use bluefly::process::{Options, Process};
use bluefly_actors::{
    clock::Clock,
    queue::{Get, Submit},
    random::Seed,
    status::Outcome,
    storage::MemoryDisk,
    supervise::{ChildSpec, Strategy, Supervisor},
    system::simulated_system,
};
use bluefly_protocol::api::{Run, RunState};
use std::{collections::BTreeMap, time::Duration};

/// Runs `test` on a rig that has a queue.
fn queued(test: impl AsyncFnOnce(&Rig)) {
    simulated_system().block_on(async move {
        let (memory, directory) = (MemoryDisk::new(), tempfile::tempdir().unwrap());
        let out = directory.path().to_owned();
        let mut options = Options::new(Clock::simulated(), Seed(1), out);
        options.disk = (Setup::default().disk)(&memory);
        let doors = |_| ChildSpec::supervisor("api", || Supervisor::new(Strategy::OneForOne));
        options.doors = Some(Box::new(doors));
        let process = Process::start(&beamline(&[]), options).await.unwrap();
        let rig = Rig { process, memory, directory };
        test(&rig).await;
        rig.process.shutdown().await;
    });
}

async fn submit(rig: &Rig) -> Run {
    let queue = rig.process.queue.as_ref().unwrap();
    let submit = Submit::new(spec(GRID), BTreeMap::new());
    queue.ask(submit, ms(5_000)).await.unwrap().unwrap()
}

/// The run once it has ended.
async fn ended(rig: &Rig, run: &Run) -> Run {
    let queue = rig.process.queue.as_ref().unwrap();
    for _ in 0..600 {
        rig.sleep(ms(100)).await;
        let found = queue.ask(Get(run.uid.clone()), ms(5_000)).await.unwrap();
        let run = found.unwrap().unwrap();
        if run.state != RunState::Queued && run.state != RunState::Running {
            return run;
        }
    }
    panic!("it did not end within a minute; {:?}", rig.progress());
}

#[test]
fn a_queued_run_waits_for_what_is_operated_by_hand() {
    for wait in [0, 1, 2, 5, 20, 200] {
        queued(async |rig| {
            let moving = ask(rig, to("y", 20.0)).await.unwrap();
            let run = submit(rig).await;
            rig.sleep(ms(wait)).await;
            // Refused if the run has its turn already: it does not wait for the detector.
            let taking = ask(rig, trigger("camera")).await;
            assert_eq!(moving.finished().await, Ok(Outcome::Done(Some(20.0))));
            let run = ended(rig, &run).await;
            assert_eq!((run.state, run.reason.as_str()), (RunState::Done, ""), "{taking:?}");
            rig.assert_complete(GRID, FRAMES);
            rig.assert_safe();
        });
    }
}

#[test]
fn a_queued_run_that_is_paused_by_a_stop_waits_for_somebody() {
    queued(async |rig| {
        let run = submit(rig).await;
        rig.reach(bluefly_protocol::run::RunPhase::Running).await;
        rig.sleep(ms(300)).await;
        super::done(rig, super::stop("x")).await.unwrap();
        rig.sleep(Duration::from_mins(2)).await;
        assert_eq!(rig.progress().phase, bluefly_protocol::run::RunPhase::Paused);
        rig.ask(bluefly_actors::coordinator::Resume::default()).await.unwrap();
        assert_eq!(ended(rig, &run).await.state, RunState::Done);
        rig.assert_complete(GRID, FRAMES);
    });
}
