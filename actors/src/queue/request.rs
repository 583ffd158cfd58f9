//! What may be asked of the queue.
use super::{
    RunQueue,
    book::{Book, Decision, Item, same, unknown},
    list,
    register::Register,
};
use crate::{clock::Clock, random::Stream};
use actix::prelude::*;
use bluefly_protocol::{
    api::{ApiError, ErrorCode, Queue, Run, RunList, RunSource, RunState, is_uuid},
    document::check_metadata,
    fault::{Fault, FaultClass},
    name::Name,
    plan::{Capabilities, ScanPlan},
    scan::Spec,
};
use serde_json::Value;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// Requests under way at most.
const MAX_BUSY: usize = 64;
/// Further requests that may be under way while so many are, if they end something.
const MAX_URGENT: usize = 64;
/// Bytes of a run at most.
const MAX_RUN_BYTES: usize = 8 << 20;

/// Takes a run into the queue, as the last one. Its specification is checked first, and it is on
/// disk when this is answered.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Run, ApiError>")]
pub struct Submit {
    pub spec: Spec,
    pub metadata: BTreeMap<String, Value>,
    /// That of the run, a UUID; a new one if none is given. A run that was submitted under it before
    /// is answered with again, if it was the same.
    pub uid: Option<String>,
    /// Cancelled when nobody waits for the answer any more: then nothing is queued.
    pub given_up: CancellationToken,
}

impl Submit {
    /// A run of a new uid, for somebody who waits for the answer in any case.
    pub fn new(spec: Spec, metadata: BTreeMap<String, Value>) -> Self {
        Self { spec, metadata, uid: None, given_up: CancellationToken::new() }
    }
}

/// The runs that have not ended, and the latest `limit` of those that have; of one state, if that
/// is given.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<RunList, ApiError>")]
pub struct List {
    pub state: Option<RunState>,
    pub limit: usize,
}

/// How many runs wait for their turn.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "usize")]
pub struct CountWaiting;

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

/// Whether a request is to get through while others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    Usual,
    High,
}

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
        urgency: Urgency,
        work: impl Future<Output = Result<T, ApiError>> + 'static,
    ) -> Answer<T> {
        let busy = self.busy.get();
        let max = match urgency {
            Urgency::Usual => MAX_BUSY,
            Urgency::High => MAX_BUSY + MAX_URGENT,
        };
        if busy >= max {
            let rule = format!("{busy} requests are under way: at most {max}");
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
        self.later(Urgency::High, async move {
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
        self.later(Urgency::High, async move {
            register.change(&clock, decide, |book| book.gate().clone()).await
        })
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
    fn handle(&mut self, submit: Submit, _: &mut Context<Self>) -> Answer<Run> {
        let (parts, clock) = (self.parts.clone(), self.lifeline.clock().clone());
        let (checks, uids) = (Rc::clone(&self.checks), Rc::clone(&self.uids));
        let (client, now_s) = (self.clients(), self.now_s());
        self.later(Urgency::Usual, async move {
            let Submit { spec, metadata, uid, given_up } = submit;
            check_metadata(&metadata).map_err(|error| invalid("metadata", error.to_string()))?;
            let (register, is_chosen) = (&parts.register, uid.is_some());
            let uid = uid.unwrap_or_else(|| new_uid(&uids, register));
            let run = submitted(uid, (spec, metadata), now_s);
            if is_chosen && let Some(known) = known(register, &clock, (client, &run)).await? {
                return Ok(known);
            }
            let turn = tokio::select! { biased;
                () = given_up.cancelled() => return Err(too_late()),
                turn = checks.acquire() => turn,
            };
            let capabilities = Arc::clone(&parts.capabilities);
            let item = clock.foreign(move || checked(run, &capabilities)).await;
            drop(turn);
            let item = item?;
            let submit = |book: &Book| {
                if given_up.is_cancelled() {
                    return Err(too_late());
                }
                book.submit(item.clone(), &parts.spec)
            };
            let uid = &item.run.uid;
            let found = register.change(&clock, submit, |book| book.get(uid)).await?;
            found.ok_or_else(|| unknown(uid))
        })
    }
}

fn new_uid(uids: &RefCell<Stream>, register: &Register) -> String {
    loop {
        let uid = uids.borrow_mut().uuid();
        if !register.knows(&uid) {
            return uid;
        }
    }
}

/// The run that was submitted before under the same uid, if one was.
async fn known(
    register: &Register,
    clock: &Clock,
    (client, run): (Option<Run>, &Run),
) -> Result<Option<Run>, ApiError> {
    if !is_uuid(&run.uid) {
        let rule = format!("{:?} is no UUID of lower case digits with dashes", run.uid);
        return Err(invalid("uid", rule));
    }
    match list::get(register, clock, (client.as_ref(), &run.uid)).await? {
        Some(known) => same(&known, run).map(|()| Some(known)),
        None if register.knows(&run.uid) => {
            let rule = "there is another run of that uid";
            Err(ApiError::new(ErrorCode::Refused, "uid", rule))
        }
        None => Ok(None),
    }
}

/// A run that can be flown, counted. Takes long.
fn checked(run: Run, capabilities: &Capabilities) -> Result<Item, ApiError> {
    if let Some(spec) = run.spec.clone() {
        ScanPlan::new(spec, capabilities).map_err(|error| unflyable(&error.to_string()))?;
    }
    let item = Item::new(run);
    if item.bytes > MAX_RUN_BYTES {
        let rule = format!("the run takes {} bytes: at most {MAX_RUN_BYTES}", item.bytes);
        return Err(ApiError::new(ErrorCode::TooLarge, "spec", rule));
    }
    Ok(item)
}

fn too_late() -> ApiError {
    ApiError::new(ErrorCode::Timeout, "queue", "nobody waits for the answer any more")
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
        self.later(
            Urgency::Usual,
            async move { list::list(&register, &clock, (client, list)).await },
        )
    }
}

impl Handler<CountWaiting> for RunQueue {
    type Result = MessageResult<CountWaiting>;
    fn handle(&mut self, _: CountWaiting, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.parts.register.book().num_waiting())
    }
}

impl Handler<Get> for RunQueue {
    type Result = Answer<Option<Run>>;
    fn handle(&mut self, Get(uid): Get, _: &mut Context<Self>) -> Answer<Option<Run>> {
        let (register, clock) = (self.parts.register.clone(), self.lifeline.clock().clone());
        let client = self.clients();
        self.later(Urgency::Usual, async move {
            list::get(&register, &clock, (client.as_ref(), &uid)).await
        })
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
        let (register, clock) = (self.parts.register.clone(), self.lifeline.clock().clone());
        self.later(Urgency::High, async move {
            let mut changes = register.changes();
            // A run whose begin is on its way to the disk runs as soon as it is there.
            register.change(&clock, |_| Ok(Vec::new()), |_| ()).await?;
            while register.book().running().is_some() {
                let gone = |_| ApiError::unavailable("run_queue", "it is gone");
                changes.changed().await.map_err(gone)?;
            }
            Ok(())
        })
    }
}
