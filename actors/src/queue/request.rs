//! What may be asked of the queue.
use super::{
    RunQueue,
    book::{Book, Decision, unknown},
    list,
};
use actix::prelude::*;
use bluefly_protocol::{
    api::{ApiError, ErrorCode, Queue, Run, RunList, RunSource, RunState},
    document::check_metadata,
    fault::{Fault, FaultClass},
    name::Name,
    plan::ScanPlan,
    scan::Spec,
};
use serde_json::Value;
use std::{cell::Cell, collections::BTreeMap, rc::Rc, sync::Arc};

/// Requests under way at most.
const MAX_BUSY: usize = 64;
/// Bytes of a run at most.
const MAX_RUN_BYTES: usize = 8 << 20;

/// Takes a run into the queue, as the last one. Its specification is checked first, and it is on
/// disk when this is answered.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Run, ApiError>")]
pub struct Submit {
    pub spec: Spec,
    pub metadata: BTreeMap<String, Value>,
}

/// The runs that have not ended, and the latest `limit` of those that have; of one state, if that
/// is given.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<RunList, ApiError>")]
pub struct List {
    pub state: Option<RunState>,
    pub limit: usize,
}

/// One run.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Option<Run>, ApiError>")]
pub struct Get(pub String);

/// Takes a run out of the queue. Refused if it is running; one that has ended stays as it is.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Run, ApiError>")]
pub struct Cancel(pub String);

/// Moves a run within the queue.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Run, ApiError>")]
pub struct MoveTo {
    pub uid: String,
    /// Runs that are to be before it; beyond the end it is the last.
    pub place: u64,
}

/// No further run is begun until this is taken back.
#[derive(Clone, Debug, Default, Message)]
#[rtype(result = "Result<Queue, ApiError>")]
pub struct Hold {
    pub reason: Option<String>,
}

/// Runs are begun again when their turn comes.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Queue, ApiError>")]
pub struct Release;

/// Answered once no run of the queue is in the air, and how the last one ended is on disk.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), ApiError>")]
pub struct Settle;

type Answer<T> = ResponseActFuture<RunQueue, Result<T, ApiError>>;

/// One request under way.
struct Busy(Rc<Cell<usize>>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl RunQueue {
    /// Answers later, unless too much is under way already.
    fn later<T: 'static>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + 'static,
    ) -> Answer<T> {
        let busy = self.busy.get();
        if busy >= MAX_BUSY {
            let rule = format!("{busy} requests are under way: at most {MAX_BUSY}");
            let error = ApiError::new(ErrorCode::TooManyRequests, "queue", rule);
            return Box::pin(std::future::ready(Err(error)).into_actor(self));
        }
        self.busy.set(busy + 1);
        let busy = Busy(Rc::clone(&self.busy));
        let work = async move {
            let _busy = busy;
            work.await
        };
        Box::pin(work.into_actor(self))
    }

    /// Decides, and tells of a run afterwards.
    fn decide(
        &self,
        uid: String,
        decide: impl Fn(&Book, &str) -> Decision + 'static,
    ) -> Answer<Run> {
        let (register, clock) = (self.parts.register.clone(), self.lifeline.clock().clone());
        let clients = self.clients();
        self.later(async move {
            let decided =
                register.change(&clock, |book| decide(book, &uid), |book| book.get(&uid)).await;
            match decided {
                Ok(run) => run.ok_or_else(|| unknown(&uid)),
                // Whatever is not in the book may be in the archive.
                Err(error) if error.code == ErrorCode::NotFound => {
                    let past = list::get(&register, &clock, (clients.as_ref(), &uid)).await?;
                    past.ok_or(error)
                }
                Err(error) => Err(error),
            }
        })
    }

    fn gate(&self, decide: impl Fn(&Book) -> Decision + 'static) -> Answer<Queue> {
        let (register, clock) = (self.parts.register.clone(), self.lifeline.clock().clone());
        self.later(async move { register.change(&clock, decide, |book| book.gate().clone()).await })
    }

    /// The run that a client has in the air.
    fn clients(&self) -> Option<Run> {
        self.parts.register.client()
    }

    fn now_s(&self) -> f64 {
        let clock = self.lifeline.clock();
        clock.unix_s(clock.now())
    }
}

impl Handler<Submit> for RunQueue {
    type Result = Answer<Run>;
    fn handle(&mut self, Submit { spec, metadata }: Submit, _: &mut Context<Self>) -> Answer<Run> {
        let (parts, clock) = (self.parts.clone(), self.lifeline.clock().clone());
        let (checks, uids) = (Rc::clone(&self.checks), Rc::clone(&self.uids));
        self.later(async move {
            check_metadata(&metadata).map_err(|error| invalid("metadata", error.to_string()))?;
            let turn = checks.acquire().await;
            let (checked, capabilities) = (spec.clone(), Arc::clone(&parts.capabilities));
            let plan = move || ScanPlan::new(checked, &capabilities).map(|_| ());
            let planned = clock.foreign(plan).await;
            drop(turn);
            planned.map_err(|error| unflyable(&error.to_string()))?;
            let uid = loop {
                let uid = uids.borrow_mut().uuid();
                if !parts.register.knows(&uid) {
                    break uid;
                }
            };
            let run = submitted(uid, (spec, metadata), clock.unix_s(clock.now()));
            let bytes = serde_json::to_string(&run).map_or(0, |text| text.len());
            if bytes > MAX_RUN_BYTES {
                let rule = format!("the run takes {bytes} bytes: at most {MAX_RUN_BYTES}");
                return Err(ApiError::new(ErrorCode::TooLarge, "spec", rule));
            }
            let submit = |book: &Book| book.submit(run.clone(), &parts.spec);
            let found = parts.register.change(&clock, submit, |book| book.get(&run.uid)).await?;
            found.ok_or_else(|| unknown(&run.uid))
        })
    }
}

fn submitted(uid: String, (spec, metadata): (Spec, BTreeMap<String, Value>), now_s: f64) -> Run {
    Run {
        uid,
        state: RunState::Queued,
        place: None,
        submitted_s: now_s,
        started_s: None,
        ended_s: None,
        num_frames: None,
        reason: String::new(),
        spec: Some(spec),
        metadata,
        source: RunSource::Queue,
    }
}

fn invalid(place: &str, message: String) -> ApiError {
    ApiError::new(ErrorCode::Invalid, place, message)
}

/// A specification that cannot be flown, as the coordinator would say it.
fn unflyable(reason: &str) -> ApiError {
    let device: Name = "run_queue".parse().expect("a literal in snake case");
    let (class, operation) = (FaultClass::Rejected, "plan the scan".to_owned());
    Fault { device, operation, class, reason: reason.to_owned() }.into()
}

impl Handler<List> for RunQueue {
    type Result = Answer<RunList>;
    fn handle(&mut self, list: List, _: &mut Context<Self>) -> Answer<RunList> {
        let (register, clock) = (self.parts.register.clone(), self.lifeline.clock().clone());
        let client = self.clients();
        self.later(async move { list::list(&register, &clock, (client, list)).await })
    }
}

impl Handler<Get> for RunQueue {
    type Result = Answer<Option<Run>>;
    fn handle(&mut self, Get(uid): Get, _: &mut Context<Self>) -> Answer<Option<Run>> {
        let (register, clock) = (self.parts.register.clone(), self.lifeline.clock().clone());
        let client = self.clients();
        self.later(async move { list::get(&register, &clock, (client.as_ref(), &uid)).await })
    }
}

impl Handler<Cancel> for RunQueue {
    type Result = Answer<Run>;
    fn handle(&mut self, Cancel(uid): Cancel, _: &mut Context<Self>) -> Answer<Run> {
        let now_s = self.now_s();
        self.decide(uid, move |book, uid| book.cancel(uid, now_s))
    }
}

impl Handler<MoveTo> for RunQueue {
    type Result = Answer<Run>;
    fn handle(&mut self, MoveTo { uid, place }: MoveTo, _: &mut Context<Self>) -> Answer<Run> {
        self.decide(uid, move |book, uid| book.move_to(uid, place))
    }
}

impl Handler<Hold> for RunQueue {
    type Result = Answer<Queue>;
    fn handle(&mut self, Hold { reason }: Hold, _: &mut Context<Self>) -> Answer<Queue> {
        let reason = reason.unwrap_or_else(|| "held by request".to_owned());
        self.gate(move |book| Ok(book.hold(&reason)))
    }
}

impl Handler<Release> for RunQueue {
    type Result = Answer<Queue>;
    fn handle(&mut self, _: Release, _: &mut Context<Self>) -> Answer<Queue> {
        self.gate(|book| Ok(book.release()))
    }
}

impl Handler<Settle> for RunQueue {
    type Result = Answer<()>;
    fn handle(&mut self, _: Settle, _: &mut Context<Self>) -> Answer<()> {
        let register = self.parts.register.clone();
        self.later(async move {
            let mut changes = register.changes();
            while register.book().running().is_some() {
                let gone = |_| ApiError::unavailable("run_queue", "it is gone");
                changes.changed().await.map_err(gone)?;
            }
            Ok(())
        })
    }
}
