//! [`Tree`]: what runs, and what may be done to it from outside.
use super::{
    control::{Control, Order, Vitals, lock},
    env::Env,
    events::Events,
    exit::{Exit, Kill},
    reference::Ref,
    spec::ChildSpec,
};
use crate::watch;
use actix::Actor;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

/// What a child is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not running, and not about to.
    #[default]
    Down,
    /// Made, but not ready.
    Starting,
    Up,
    /// Waiting to be restarted.
    Backoff,
    Stopping,
}

/// One node of a tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: String,
    pub state: State,
    /// 0 before its first start.
    pub incarnation: u64,
    pub restarts: u64,
    pub last_exit: Option<Exit>,
    /// How often this incarnation was polled.
    pub polls: u64,
    /// Real microseconds spent in those polls; 0 in a simulation.
    pub busy_us: u64,
    /// Requests that this incarnation has not answered, those in its mailbox among them.
    #[serde(default)]
    pub asked: u64,
    pub children: Vec<Snapshot>,
}

/// A tree could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("{0}: is not in the tree")]
    Unknown(String),
    #[error("{0}: is not running")]
    NotRunning(String),
    #[error("{0}: is not an actor")]
    NotAnActor(String),
    #[error("{0}: is not a running supervisor")]
    NotASupervisor(String),
    #[error("{0}: is taken by another child of this supervisor")]
    Taken(String),
    #[error("{0}: its supervisor ended meanwhile")]
    Gone(String),
    /// Making the spec of a child panicked.
    #[error("cannot be made: {0}")]
    NotMade(String),
}

/// What a running supervisor is asked to do.
pub(super) enum Command {
    Add { make: Box<dyn FnOnce() -> ChildSpec + Send>, reply: Reply },
    Remove { id: Arc<str>, reply: Reply },
    Restart { id: Arc<str>, reply: Reply },
}

pub(super) type Reply = oneshot::Sender<Result<(), TreeError>>;

/// What is known of one child; written by its supervisor alone.
pub(super) struct Node {
    pub(super) id: Arc<str>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) state: State,
    pub(super) incarnation: u64,
    pub(super) restarts: u64,
    pub(super) last_exit: Option<Exit>,
    /// Of the incarnation that runs.
    pub(super) control: Option<Arc<Control>>,
    pub(super) children: Vec<Arc<Node>>,
    /// Of a supervisor that runs.
    pub(super) commands: Option<mpsc::Sender<Command>>,
}

impl Node {
    pub(super) fn new(id: &Arc<str>) -> Arc<Self> {
        Arc::new(Self { id: Arc::clone(id), seen: Mutex::default() })
    }

    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut lock(&self.seen))
    }

    pub(super) fn children(&self) -> Vec<Arc<Self>> {
        self.update(|seen| seen.children.clone())
    }

    fn snapshot(&self) -> Snapshot {
        let (mut snapshot, children) = self.update(|seen| {
            let vitals = seen.control.as_ref().map(|control| &control.vitals);
            let snapshot = Snapshot {
                id: self.id.to_string(),
                state: seen.state,
                incarnation: seen.incarnation,
                restarts: seen.restarts,
                last_exit: seen.last_exit.clone(),
                polls: vitals.map_or(0, |vitals| vitals.polls()),
                busy_us: vitals.map_or(0, |vitals| vitals.busy_us()),
                asked: vitals.map_or(0, |vitals| vitals.asked()),
                children: vec![],
            };
            (snapshot, seen.children.clone())
        });
        snapshot.children = children.iter().map(|child| child.snapshot()).collect();
        snapshot
    }

    fn collect_vitals(&self, found: &mut Vec<(Arc<str>, Arc<Vitals>)>) {
        let control = self.update(|seen| match seen.commands {
            Some(_) => None,
            None => seen.control.clone(),
        });
        if let Some(control) = control {
            found.push((Arc::clone(&self.id), Arc::clone(&control.vitals)));
        }
        self.children().iter().for_each(|child| child.collect_vitals(found));
    }

    /// The node called `id` at or below this one, depth first.
    fn find(self: &Arc<Self>, id: &str) -> Option<Arc<Self>> {
        if &*self.id == id {
            return Some(Arc::clone(self));
        }
        self.children().iter().find_map(|child| child.find(id))
    }

    /// The node below this one which has a child called `id`.
    fn parent_of(self: &Arc<Self>, id: &str) -> Option<Arc<Self>> {
        let children = self.children();
        if children.iter().any(|child| &*child.id == id) {
            return Some(Arc::clone(self));
        }
        children.iter().find_map(|child| child.parent_of(id))
    }
}

/// Handle of a running tree: cheap to clone, usable from any thread. Dropping it stops nothing.
#[derive(Clone)]
pub struct Tree {
    root: Arc<Node>,
    env: Env,
    control: Arc<Control>,
    ended: watch::Receiver<Option<Exit>>,
}

impl Tree {
    pub(super) fn new(
        root: Arc<Node>,
        env: Env,
        control: Arc<Control>,
        ended: watch::Receiver<Option<Exit>>,
    ) -> Self {
        Self { root, env, control, ended }
    }

    /// What runs now.
    pub fn snapshot(&self) -> Snapshot {
        self.root.snapshot()
    }

    /// Births and deaths from now on.
    pub fn events(&self) -> Events {
        self.env.events()
    }

    /// Id and vitals of every running actor.
    pub fn vitals(&self) -> Vec<(Arc<str>, Arc<Vitals>)> {
        let mut found = vec![];
        self.root.collect_vitals(&mut found);
        found
    }

    /// Asks the tree to stop and resolves once it has, children in reverse order.
    pub async fn shutdown(&self) -> Exit {
        self.control.request_stop();
        self.join().await
    }

    /// Resolves once the tree has stopped.
    pub async fn join(&self) -> Exit {
        let mut ended = self.ended.clone();
        let exit = match ended.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone(),
            Err(_) => None,
        };
        exit.unwrap_or(Exit::Killed(Kill::Lost))
    }

    /// Injects a fault: the actor called `id` panics with `why` when it is polled next, which is at
    /// once.
    pub fn crash(&self, id: &str, why: &str) -> Result<(), TreeError> {
        let node = self.root.find(id).ok_or_else(|| TreeError::Unknown(id.to_owned()))?;
        let (control, supervises) =
            node.update(|seen| (seen.control.clone(), seen.commands.is_some()));
        if supervises {
            return Err(TreeError::NotAnActor(id.to_owned()));
        }
        let control = control.ok_or_else(|| TreeError::NotRunning(id.to_owned()))?;
        control.order(Order::Crash(why.to_owned()));
        Ok(())
    }

    /// Adds a child to the supervisor called `under`, as its last; resolves once it has been
    /// started. `make` runs on the thread of that supervisor. An id is free again once its child
    /// has ended for good.
    pub async fn add<A: Actor>(
        &self,
        under: &str,
        make: impl FnOnce() -> (ChildSpec, Ref<A>) + Send + 'static,
    ) -> Result<Ref<A>, TreeError> {
        let (sender, reference) = oneshot::channel();
        let make = Box::new(move || {
            let (spec, reference) = make();
            if sender.send(reference).is_err() {
                tracing::debug!(id = spec.id(), "added for nobody");
            }
            spec
        });
        let supervisor =
            self.root.find(under).ok_or_else(|| TreeError::Unknown(under.to_owned()))?;
        command(&supervisor, under, |reply| Command::Add { make, reply }).await?;
        reference.await.map_err(|_| TreeError::Gone(under.to_owned()))
    }

    /// Stops the child called `id` and forgets it, with the number of its incarnations. References to
    /// it are down for good.
    pub async fn remove(&self, id: &str) -> Result<(), TreeError> {
        let parent = self.root.parent_of(id).ok_or_else(|| TreeError::Unknown(id.to_owned()))?;
        command(&parent, id, |reply| Command::Remove { id: id.into(), reply }).await
    }

    /// Stops the child called `id`, if it runs, and starts it at once, whatever its back-off. Does
    /// not count as one of its supervisor's restarts.
    pub async fn restart(&self, id: &str) -> Result<(), TreeError> {
        let parent = self.root.parent_of(id).ok_or_else(|| TreeError::Unknown(id.to_owned()))?;
        command(&parent, id, |reply| Command::Restart { id: id.into(), reply }).await
    }
}

async fn command(
    supervisor: &Node,
    id: &str,
    command: impl FnOnce(Reply) -> Command,
) -> Result<(), TreeError> {
    let commands = supervisor.update(|seen| seen.commands.clone());
    let commands = commands.ok_or_else(|| TreeError::NotASupervisor(supervisor.id.to_string()))?;
    let gone = || TreeError::Gone(id.to_owned());
    let (reply, answer) = oneshot::channel();
    commands.send(command(reply)).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}
