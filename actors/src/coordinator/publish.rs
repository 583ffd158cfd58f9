//! [`Publisher`]: composes the documents of a run and writes them, each exactly once, also if it
//! crashes or the coordinator does.
use super::journal::{Journal, Line};
use crate::{
    archive::{Archive, Unended},
    feed::Feed,
    random::Stream,
    status::{Operation, Outcome, Status},
    supervise::{Lifeline, Ping},
};
use actix::prelude::*;
use bluefly_protocol::{
    document::{
        self, ComposeError, DescriptorInfo, Document, ResourceInfo, RunComposer, RunInfo,
        StreamResource,
    },
    fault::{Fault, FaultClass},
    name::Name,
};
use std::{cell::RefCell, collections::BTreeMap, io, rc::Rc, sync::Arc};

/// The stream that has the rows of a fly scan.
pub(super) const STREAM: &str = "primary";

type Composer = RunComposer<Box<dyn FnMut() -> String>>;

/// What outlives an incarnation of the publisher: the run that is open, and what is not yet written.
#[derive(Clone)]
pub struct Ledger {
    run: Rc<RefCell<Run>>,
    journal: Arc<Journal>,
}

struct Run {
    /// Of the run that was begun last.
    uid: Arc<str>,
    composer: Option<Composer>,
    /// Rows composed in this run.
    rows: u64,
    /// What was declared, if anything was.
    resources: Option<Arc<[StreamResource]>>,
    /// Their documents, which go out with the first rows: consumers dislike a resource that never
    /// gets any.
    unannounced: Vec<Document>,
    scans: u64,
    /// The kickoff that began the run.
    kickoff: u64,
    uids: Rc<RefCell<Stream>>,
}

impl Ledger {
    /// A ledger whose documents are appended to the file of `archive`, one JSON line each. `uids`
    /// makes their identifiers. The feed is told of each once it is in the file.
    pub fn new(archive: Archive, uids: Stream, feed: Feed) -> Self {
        let uids = Rc::new(RefCell::new(uids));
        let run = Run {
            uid: "".into(),
            composer: None,
            rows: 0,
            resources: None,
            unannounced: Vec::new(),
            kickoff: 0,
            scans: 0,
            uids,
        };
        Self { run: Rc::new(RefCell::new(run)), journal: Arc::new(Journal::new(archive, feed)) }
    }

    /// Ends the run that a killed process left open, if one did: its documents get their end. For
    /// the start of a process, before anything is published; it blocks.
    pub fn end_unended(&self, now_s: f64) -> io::Result<Option<Unended>> {
        self.journal.end_unended(|| self.run.borrow().uids.borrow_mut().uuid(), now_s)
    }

    /// Documents as they are written, each with the run that it belongs to.
    fn lines(&self, documents: &[Document]) -> Vec<Line> {
        let mut run = self.run.borrow_mut();
        let line = |document: &Document| {
            if let Document::Start(start) = document {
                run.uid = start.uid.as_str().into();
            }
            Line::new(&run.uid, document)
        };
        documents.iter().map(line).collect()
    }
}

/// The actor that announces runs.
pub struct Publisher {
    name: Name,
    ledger: Ledger,
    lifeline: Lifeline,
}

impl Publisher {
    pub fn new(name: Name, ledger: Ledger, lifeline: Lifeline) -> Self {
        Self { name, ledger, lifeline }
    }

    fn now_s(&self) -> f64 {
        let clock = self.lifeline.clock();
        clock.unix_s(clock.now())
    }

    /// Writes documents; done, with `value`, once they are in the file.
    fn write<T: Clone + Send + Sync + 'static>(
        &self,
        ctx: &mut Context<Self>,
        operation: &'static str,
        composed: Result<(Vec<Document>, T), ComposeError>,
    ) -> Status<(), T> {
        let owner = Operation::new(self.name.clone(), ());
        let status = owner.status();
        let (documents, value) = match composed {
            Ok(composed) => composed,
            Err(error) => {
                owner.settle(Err(self.fault(operation, &error).into()));
                return status;
            }
        };
        self.ledger.journal.push(self.ledger.lines(&documents));
        let (journal, clock) = (Arc::clone(&self.ledger.journal), self.lifeline.clock().clone());
        let written = async move {
            let write = Arc::clone(&journal);
            let written = clock.foreign(move || write.write()).await;
            written.map_err(|error| format!("{}: {error}", journal.path().display()))
        };
        ctx.spawn(written.into_actor(self).map(move |written, actor, _| {
            let end = written.map(|()| Outcome::Done(value));
            owner.settle(end.map_err(|error| actor.fault(operation, &error).into()));
        }));
        status
    }

    fn fault(&self, operation: &str, reason: &dyn std::fmt::Display) -> Fault {
        Fault {
            device: self.name.clone(),
            operation: operation.to_owned(),
            class: FaultClass::Failed,
            reason: reason.to_string(),
        }
    }
}

impl Actor for Publisher {
    type Context = Context<Self>;
}

/// Publishes the start document; the status tells the identifier of the run.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Status<(), String>")]
pub struct BeginRun {
    pub info: RunInfo,
    /// Tells a request that is made again, which begins nothing new, from another run.
    pub kickoff: u64,
}

impl Handler<BeginRun> for Publisher {
    type Result = MessageResult<BeginRun>;
    fn handle(&mut self, begin: BeginRun, ctx: &mut Context<Self>) -> Self::Result {
        let composed = self.ledger.run.borrow_mut().begin(begin, self.now_s());
        MessageResult(self.write(ctx, "begin a run", composed))
    }
}

impl Run {
    fn begin(
        &mut self,
        BeginRun { mut info, kickoff }: BeginRun,
        now_s: f64,
    ) -> Result<(Vec<Document>, String), ComposeError> {
        if let Some(composer) = self.composer.as_ref().filter(|_| self.kickoff == kickoff) {
            return Ok((Vec::new(), composer.run_uid().to_owned()));
        }
        // A run that nobody ended: whoever flew it could not reach us any more.
        let reason = "it was never ended".to_owned();
        let mut documents = self.end(document::Outcome::Fail { reason }, now_s);
        self.kickoff = kickoff;
        self.scans += 1;
        info.scan_id = self.scans;
        info.time_s = now_s;
        let uids = Rc::clone(&self.uids);
        let uids: Box<dyn FnMut() -> String> = Box::new(move || uids.borrow_mut().uuid());
        let (composer, start) = RunComposer::start(info, uids)?;
        let uid = composer.run_uid().to_owned();
        self.composer = Some(composer);
        (self.rows, self.resources) = (0, None);
        self.unannounced.clear();
        documents.push(start);
        Ok((documents, uid))
    }

    fn declare(
        &mut self,
        declare: Declare,
        now_s: f64,
    ) -> Result<(Vec<Document>, Arc<[StreamResource]>), ComposeError> {
        let Some(composer) = &mut self.composer else { return Err(no_run()) };
        if let Some(resources) = &self.resources {
            return Ok((Vec::new(), Arc::clone(resources)));
        }
        let descriptor = composer.descriptor(declare.descriptor, now_s)?;
        let resources = declare.resources.into_iter();
        let resources: Vec<StreamResource> = resources
            .map(|resource| composer.stream_resource(resource))
            .collect::<Result<_, ComposeError>>()?;
        let documents = resources.iter().cloned().map(Document::StreamResource);
        self.unannounced = documents.collect();
        let resources: Arc<[StreamResource]> = resources.into();
        self.resources = Some(Arc::clone(&resources));
        Ok((vec![descriptor], resources))
    }

    /// Rows that were composed already are left out: a caller who never heard asks again.
    fn rows(&mut self, rows: Rows) -> Result<Vec<Document>, ComposeError> {
        let Some(composer) = &mut self.composer else { return Err(no_run()) };
        let known = self.rows.saturating_sub(rows.first_row).min(rows.times.len() as u64) as usize;
        let tail = |mut column: Vec<f64>| column.split_off(known);
        let columns = rows.columns.into_iter().map(|(key, column)| (key, tail(column))).collect();
        let timestamps_s = tail(rows.times);
        let count = timestamps_s.len() as u64;
        let mut documents = Vec::new();
        if count > 0 {
            documents.append(&mut self.unannounced);
        }
        documents.extend(composer.rows(STREAM, document::Rows { count, columns, timestamps_s })?);
        self.rows += count;
        Ok(documents)
    }

    fn end(&mut self, outcome: document::Outcome, now_s: f64) -> Vec<Document> {
        self.composer.take().map(|composer| composer.stop(outcome, now_s)).into_iter().collect()
    }
}

fn no_run() -> ComposeError {
    ComposeError::UnknownStream { stream: STREAM.to_owned() }
}

/// Publishes what the rows of the open run consist of; only once, for a caller who never heard asks
/// again. The status tells the resources, whose documents go out with the first rows.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Status<(), Arc<[StreamResource]>>")]
pub struct Declare {
    pub descriptor: DescriptorInfo,
    pub resources: Vec<ResourceInfo>,
}

impl Handler<Declare> for Publisher {
    type Result = MessageResult<Declare>;
    fn handle(&mut self, declare: Declare, ctx: &mut Context<Self>) -> Self::Result {
        let composed = self.ledger.run.borrow_mut().declare(declare, self.now_s());
        MessageResult(self.write(ctx, "declare a stream", composed))
    }
}

/// Publishes rows that are on disk. The same rows may be told again: they are published once.
#[derive(Clone, Debug, PartialEq, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct Rows {
    pub first_row: u64,
    /// Seconds since 1970-01-01T00:00:00Z, one for each row.
    pub times: Vec<f64>,
    /// Values that stand in the documents, by data key.
    pub columns: BTreeMap<String, Vec<f64>>,
}

impl Rows {
    /// Keeps the first `count` rows and returns the others.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        let count = count.min(self.times.len());
        let tail = |column: &mut Vec<f64>| column.split_off(count);
        let columns = self.columns.iter_mut().map(|(key, column)| (key.clone(), tail(column)));
        Self {
            first_row: self.first_row + count as u64,
            columns: columns.collect(),
            times: tail(&mut self.times),
        }
    }
}

impl Handler<Rows> for Publisher {
    type Result = MessageResult<Rows>;
    fn handle(&mut self, rows: Rows, ctx: &mut Context<Self>) -> Self::Result {
        let composed = self.ledger.run.borrow_mut().rows(rows);
        MessageResult(self.write(ctx, "publish rows", composed.map(|made| (made, ()))))
    }
}

/// Publishes the stop document of the open run, if one is open.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct EndRun(pub document::Outcome);

impl Handler<EndRun> for Publisher {
    type Result = MessageResult<EndRun>;
    fn handle(&mut self, EndRun(outcome): EndRun, ctx: &mut Context<Self>) -> Self::Result {
        let documents = self.ledger.run.borrow_mut().end(outcome, self.now_s());
        MessageResult(self.write(ctx, "end the run", Ok((documents, ()))))
    }
}

impl Handler<Ping> for Publisher {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}
