//! [`Register`]: what outlives an incarnation of the queue: the book, its file, and how far the run
//! in the air has come.
use super::{
    book::{Book, Change, Decision},
    log::{Log, LogError},
    pilot::Flying,
};
use crate::{archive::Archive, clock::Clock, feed::Feed, watch};
use bluefly_protocol::{
    api::{ApiError, ErrorCode, Event, EventKind, Run},
    beamline::QueueSpec,
};
use std::{
    cell::{Cell, Ref, RefCell},
    collections::BTreeMap,
    io,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
};
use tokio::sync::Mutex;

/// Where queued runs stand. Cheap to clone; all clones are the same register.
#[derive(Clone)]
pub struct Register(Rc<Inner>);

struct Inner {
    book: RefCell<Book>,
    log: Arc<Log>,
    /// Decisions in the book.
    version: Cell<u64>,
    /// Who decides waits until the one before is on disk: in the order in which they came.
    turn: Mutex<()>,
    flying: RefCell<Option<Flying>>,
    /// The run that a client has in the air.
    client: RefCell<Option<Run>>,
    is_closed: Cell<bool>,
    changes: watch::Sender<u64>,
    archive: Archive,
    feed: Feed,
}

/// What a register is made from.
pub struct RegisterParts {
    /// The file of the queue; it need not exist yet.
    pub path: PathBuf,
    pub archive: Archive,
    pub feed: Feed,
    pub spec: QueueSpec,
    /// Unix time.
    pub now_s: f64,
}

impl Register {
    /// The queue that an earlier process left: a run that was in the air then has ended. Blocks.
    /// Fails if the file cannot be read, or if another process has it.
    pub fn open(parts: RegisterParts) -> io::Result<Self> {
        let RegisterParts { path, archive, feed, spec, now_s } = parts;
        let (log, mut book) = Log::open(path).map_err(io::Error::other)?;
        let mut decided = super::ending::after_kill(&book, &archive, (spec.after_restart, now_s))?;
        for change in &decided {
            book.apply(change).map_err(io::Error::other)?;
        }
        let held = book.restart(spec.after_restart);
        for change in &held {
            book.apply(change).map_err(io::Error::other)?;
        }
        decided.extend(held);
        log.begin(decided, &book);
        Ok(Self(Rc::new(Inner {
            book: RefCell::new(book),
            log: Arc::new(log),
            version: Cell::new(0),
            turn: Mutex::default(),
            flying: RefCell::default(),
            client: RefCell::default(),
            is_closed: Cell::new(false),
            changes: watch::Sender::new(0),
            archive,
            feed,
        })))
    }

    pub(super) fn book(&self) -> Ref<'_, Book> {
        self.0.book.borrow()
    }

    pub(super) fn archive(&self) -> &Archive {
        &self.0.archive
    }

    /// Tells of every change of the book from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    pub(super) fn flying(&self) -> Option<Flying> {
        self.0.flying.borrow().clone()
    }

    pub(super) fn fly(&self, flying: Option<Flying>) {
        self.0.flying.replace(flying);
    }

    pub(super) fn client(&self) -> Option<Run> {
        self.0.client.borrow().clone()
    }

    pub(super) fn set_client(&self, run: Option<Run>) {
        self.0.client.replace(run);
    }

    /// No further run is begun by this process, which is about to end. Nothing of it is on disk.
    pub fn close(&self) {
        self.0.is_closed.set(true);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed.get()
    }

    /// Whether a run of that uid was ever heard of.
    pub(super) fn knows(&self, uid: &str) -> bool {
        self.book().get(uid).is_some() || self.0.archive.knows(uid)
    }

    /// Puts on disk what is decided, which then counts; resolves with what `tell` says of the book
    /// afterwards. If it cannot be written, nothing has changed.
    pub(super) async fn change<T>(
        &self,
        clock: &Clock,
        decide: impl Fn(&Book) -> Decision,
        tell: impl Fn(&Book) -> T,
    ) -> Result<T, ApiError> {
        let _turn = self.0.turn.lock().await;
        loop {
            self.take_in();
            let changes = decide(&self.book())?;
            if changes.is_empty() {
                return Ok(tell(&self.book()));
            }
            let mut after = Book::clone(&self.book());
            for change in &changes {
                after.apply(change).map_err(|misfit| failed(&misfit))?;
            }
            let (log, version) = (Arc::clone(&self.0.log), self.0.version.get());
            let written = clock.foreign(move || log.append(version, changes, &after)).await;
            self.take_in();
            match written {
                Ok(()) => return Ok(tell(&self.book())),
                // An incarnation that died had decided something, and it landed only now.
                Err(LogError::Stale) => {}
                Err(error @ (LogError::Unreadable(_) | LogError::File { .. })) => {
                    return Err(failed(&error));
                }
            }
        }
    }

    /// Takes in what has landed on disk.
    fn take_in(&self) {
        for changes in self.0.log.take_landed() {
            for change in &changes {
                let taken = self.0.book.borrow_mut().apply(change);
                taken.expect("it was applied once when it was decided");
                self.tell(change);
            }
            self.0.version.set(self.0.version.get() + 1);
            self.0.changes.send_modify(|count| *count += 1);
        }
    }

    fn tell(&self, change: &Change) {
        let uid = match change {
            Change::Submitted { run } | Change::Kept { run } => &run.run.uid,
            Change::Moved { uid, .. }
            | Change::Cancelled { uid, .. }
            | Change::Started { uid, .. }
            | Change::Returned { uid }
            | Change::Ended { uid, .. } => uid,
            Change::Held { .. } | Change::Released => return self.announce_gate(),
        };
        if let Some(run) = self.book().get(uid) {
            self.announce(run);
        }
    }

    /// Tells listeners where a run stands.
    pub(super) fn announce(&self, run: Run) {
        let run = Run { spec: None, metadata: BTreeMap::new(), ..run };
        self.push(&Event::Queue { seq: 0, run });
    }

    fn announce_gate(&self) {
        let queue = self.book().gate().clone();
        self.push(&Event::Gate { seq: 0, queue });
    }

    fn push(&self, event: &Event) {
        let [head, tail] = event.around_seq().expect("an event of the queue has a number");
        self.0.feed.push(EventKind::Queue, [&head, &tail]);
    }
}

fn failed(reason: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::Failed, "queue", reason.to_string())
}
