//! [`Supervisor`]: keeps its children alive.
use super::{
    child::{Child, News},
    control::{Control, Order},
    env::Env,
    events::Event,
    exit::{Exit, Kill},
    panics::{capture, install_panic_hook},
    shuffle::shuffled,
    spec::{ChildSpec, Restart},
    start::GivenUp,
    tree::{Command, Node, Reply, State, Tree, TreeError},
};
use crate::clock::Instant;
use crate::watch;
use std::{
    collections::VecDeque, fmt, future::poll_fn, ops::Range, sync::Arc, task::Poll, time::Duration,
};
use tokio::sync::mpsc;

/// Who is restarted with a child that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nobody else.
    OneForOne,
    /// All its siblings.
    OneForAll,
    /// The siblings that were started after it.
    RestForOne,
}

/// The plan of a supervisor: its children in the order in which they start; they stop in reverse.
pub struct Supervisor {
    strategy: Strategy,
    max_restarts: usize,
    window: Duration,
    specs: Vec<ChildSpec>,
}

/// Restarts within [`WINDOW`] that a supervisor puts up with, unless told otherwise.
const MAX_RESTARTS: usize = 3;
const WINDOW: Duration = Duration::from_mins(1);
/// Commands that wait while a supervisor starts or stops children.
const COMMANDS: usize = 16;
/// How long the threads that were given up have at the end to come back.
const GIVEN_UP_GRACE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// No children yet; 3 restarts in 60 s.
    pub fn new(strategy: Strategy) -> Self {
        Self { strategy, max_restarts: MAX_RESTARTS, window: WINDOW, specs: vec![] }
    }

    /// Sets how many restarts within `window` it puts up with; at one more it stops all its
    /// children and ends with [`Exit::Escalated`].
    pub fn intensity(mut self, max_restarts: usize, window: Duration) -> Self {
        self.max_restarts = max_restarts;
        self.window = window;
        self
    }

    /// Adds a child after those it has.
    ///
    /// # Panics
    /// If it has a child with the same id.
    pub fn child(mut self, spec: ChildSpec) -> Self {
        let taken = self.specs.iter().any(|other| other.id == spec.id);
        assert!(!taken, "{}: two children of one supervisor have the same id", spec.id);
        self.specs.push(spec);
        self
    }

    /// Starts it as the root of a tree, called `id`. Must be called on the thread of an actix system
    /// or of a tokio `LocalSet`, where all its actors will run.
    pub fn spawn(self, id: &str, env: &Env) -> Tree {
        install_panic_hook();
        let (control, _) = Control::new();
        let (control, node) = (Arc::new(control), Node::new(&id.into()));
        let end = watch::Sender::new(None);
        let ended = end.subscribe();
        let ward =
            Ward { env: env.clone(), node: Arc::clone(&node), control: Arc::clone(&control) };
        node.update(|seen| {
            seen.state = State::Up;
            seen.incarnation = 1;
            seen.control = Some(Arc::clone(&control));
        });
        let coin = env.is_shuffled().then(|| env.seed().stream(&format!("schedule of {id}"), 1));
        let (run, root) = (self.run(ward), Arc::clone(&node));
        drop(actix_rt::spawn(async move {
            let exit = match coin {
                Some(coin) => shuffled(run, coin).await,
                None => run.await,
            };
            root.update(|seen| {
                seen.state = State::Down;
                seen.control = None;
                seen.last_exit = Some(exit.clone());
            });
            end.send_replace(Some(exit));
        }));
        Tree::new(node, env.clone(), control, ended)
    }

    /// Runs it until it is stopped, killed or out of restarts.
    pub(super) async fn run(self, ward: Ward) -> Exit {
        let control = Arc::clone(&ward.control);
        let (commander, commands) = mpsc::channel(COMMANDS);
        let (now, earlier) = (ward.env.clock().now(), ward.node.children());
        let child = |spec| Child::new(spec, &earlier, now);
        let mut keeper = Keeper {
            strategy: self.strategy,
            max_restarts: self.max_restarts,
            window: self.window,
            children: self.specs.into_iter().map(child).collect(),
            ward,
            commands,
            deaths: VecDeque::new(),
            given_up: vec![],
        };
        keeper.ward.node.update(|seen| seen.commands = Some(commander));
        keeper.show_children();
        tokio::select! { biased;
            () = control.killed.cancelled() => match control.take_order() {
                Some(Order::Kill(kill)) => Exit::Killed(kill),
                Some(Order::Crash(_)) | None => Exit::Killed(Kill::Lost),
            },
            exit = keeper.keep() => exit,
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Supervisor({:?}, {:?})", self.strategy, self.specs)
    }
}

/// What a supervisor is given to run in.
pub(super) struct Ward {
    pub(super) env: Env,
    pub(super) node: Arc<Node>,
    pub(super) control: Arc<Control>,
}

/// A running supervisor.
struct Keeper {
    strategy: Strategy,
    max_restarts: usize,
    window: Duration,
    ward: Ward,
    /// In the order in which they start.
    children: Vec<Child>,
    commands: mpsc::Receiver<Command>,
    /// When children died that were to be restarted, within the window.
    deaths: VecDeque<Instant>,
    given_up: Vec<(Arc<str>, GivenUp)>,
}

enum Wake {
    Stop,
    News(usize, News),
    Timer,
    Command(Command),
}

/// What came of starting a child.
enum Started {
    Ready,
    Died(Exit),
    Late,
    /// The supervisor itself is to stop.
    Interrupted,
}

/// A supervisor is out of restarts.
struct Escalation(String);

impl Keeper {
    async fn keep(&mut self) -> Exit {
        let exit = match self.keep_on().await {
            Ok(()) => Exit::Shutdown,
            Err(Escalation(why)) => Exit::Escalated(why),
        };
        self.ward.node.update(|seen| seen.commands = None);
        self.stop_group(0..self.children.len()).await;
        self.join_given_up().await;
        if let Exit::Escalated(_) = exit {
            let id = Arc::clone(&self.ward.node.id);
            tracing::error!(id = &*id, %exit, "supervisor gave up");
            self.ward.env.announce(Event::Escalated { id, exit: exit.clone() });
        }
        exit
    }

    async fn keep_on(&mut self) -> Result<(), Escalation> {
        self.start_due().await?;
        self.ward.control.ready();
        loop {
            match self.next().await {
                Wake::Stop => return Ok(()),
                Wake::News(child, News::Ended(exit)) => self.bury(child, exit).await?,
                // What is due next has changed.
                Wake::News(_, News::Answered) => {}
                Wake::News(child, News::Unresponsive) => {
                    let exit = self.kill(child, Kill::Unresponsive).await;
                    self.bury(child, exit).await?;
                }
                Wake::Timer => {
                    let now = self.now();
                    self.children.iter_mut().for_each(|child| child.probe_if_due(now));
                }
                Wake::Command(command) => self.obey(command).await?,
            }
            self.start_due().await?;
        }
    }

    async fn next(&mut self) -> Wake {
        let Self { ward, children, commands, .. } = self;
        let (clock, due) = (ward.env.clock(), children.iter().filter_map(Child::due).min());
        let timer = async {
            match due {
                Some(due) => clock.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let news = poll_fn(|cx| {
            for (i, child) in children.iter_mut().enumerate() {
                if let Poll::Ready(news) = child.poll_news(&ward.env, cx) {
                    return Poll::Ready((i, news));
                }
            }
            Poll::Pending
        });
        tokio::select! { biased;
            () = ward.control.stop.cancelled() => Wake::Stop,
            (child, news) = news => Wake::News(child, news),
            () = timer => Wake::Timer,
            Some(command) = commands.recv() => Wake::Command(command),
        }
    }

    /// Starts every child whose time has come, in order, one after the other.
    async fn start_due(&mut self) -> Result<(), Escalation> {
        loop {
            let now = self.now();
            let due = |child: &Child| child.start_at.is_some_and(|at| at <= now);
            let Some(i) = self.children.iter().position(due) else { return Ok(()) };
            let exit = match self.start(i).await {
                Started::Ready => {
                    self.children[i].up(&self.ward.env);
                    continue;
                }
                Started::Interrupted => return Ok(()),
                Started::Died(exit) => exit,
                Started::Late => self.kill(i, Kill::NotReady).await,
            };
            self.bury(i, exit).await?;
        }
    }

    async fn start(&mut self, i: usize) -> Started {
        let Ward { env, control, .. } = &self.ward;
        if control.stop.is_cancelled() {
            return Started::Interrupted;
        }
        let limit = self.children[i].spec.start_within;
        let running = self.children[i].begin(env);
        let late = async {
            match limit {
                Some(limit) => env.clock().sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { biased;
            () = control.stop.cancelled() => Started::Interrupted,
            Ok(()) = &mut running.ready => Started::Ready,
            exit = &mut running.done => Started::Died(exit.unwrap_or(Exit::Killed(Kill::Lost))),
            () = late => Started::Late,
        }
    }

    /// A child has ended: decides who is restarted, and when.
    async fn bury(&mut self, i: usize, exit: Exit) -> Result<(), Escalation> {
        let now = self.now();
        let child = &mut self.children[i];
        let ran = child.running.take().map_or(Duration::ZERO, |running| {
            let ran = now - running.since;
            running.ended();
            ran
        });
        child.down(&self.ward.env, &exit);
        if !child.spec.may_restart(&exit) {
            return Ok(());
        }
        let wait = child.next_wait(ran);
        if self.exhausts_restarts(now) {
            return Err(Escalation(format!("{} {exit}", self.children[i].spec.id)));
        }
        let group = match self.strategy {
            Strategy::OneForOne => i..i + 1,
            Strategy::OneForAll => 0..self.children.len(),
            Strategy::RestForOne => i..self.children.len(),
        };
        self.stop_group(group.clone()).await;
        let at = self.now() + wait;
        for (j, child) in self.children[group.clone()].iter_mut().enumerate() {
            if group.start + j == i || child.spec.restart != Restart::Temporary {
                child.restart_at(at);
            }
        }
        Ok(())
    }

    /// Counts a death; true if it is one too many.
    fn exhausts_restarts(&mut self, now: Instant) -> bool {
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|death| now - *death > self.window) {
            self.deaths.pop_front();
        }
        self.deaths.len() > self.max_restarts
    }

    /// Stops the children in `group` that run, in reverse order.
    async fn stop_group(&mut self, group: Range<usize>) {
        for i in group.rev() {
            self.stop(i).await;
        }
    }

    async fn stop(&mut self, i: usize) {
        let child = &mut self.children[i];
        child.start_at = None;
        let Some(running) = &mut child.running else {
            child.node.update(|seen| seen.state = State::Down);
            return;
        };
        child.node.update(|seen| seen.state = State::Stopping);
        running.control.request_stop();
        let clock = self.ward.env.clock();
        let exit = match clock.timeout(child.spec.shutdown, &mut running.done).await {
            Ok(exit) => exit.unwrap_or(Exit::Killed(Kill::Lost)),
            Err(_) => self.kill(i, Kill::ShutdownTimeout).await,
        };
        let child = &mut self.children[i];
        if let Some(running) = child.running.take() {
            running.ended();
        }
        child.down(&self.ward.env, &exit);
    }

    async fn kill(&mut self, i: usize, kill: Kill) -> Exit {
        let child = &mut self.children[i];
        let Some(running) = &mut child.running else { return Exit::Killed(kill) };
        let (exit, given_up) = running.kill(kill).await;
        let id = Arc::clone(&child.spec.id);
        self.given_up.extend(given_up.map(|thread| (id, thread)));
        exit
    }

    /// Joins the threads of incarnations that were given up, except those that are blocked still.
    async fn join_given_up(&mut self) {
        let clock = self.ward.env.clock().clone();
        let deadline = clock.now() + GIVEN_UP_GRACE;
        for (id, GivenUp { done, thread }) in self.given_up.drain(..) {
            if clock.timeout(deadline - clock.now(), done).await.is_err() {
                tracing::warn!(
                    id = &*id,
                    "a thread that was given up is blocked still: left behind"
                );
            } else if thread.join().is_err() {
                tracing::error!(id = &*id, "a thread that was given up panicked");
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Escalation> {
        match command {
            Command::Add { make, reply } => {
                let made = capture(make).map_err(TreeError::NotMade);
                let added = made.and_then(|spec| self.add(spec));
                let outcome = if added.is_ok() { self.start_due().await } else { Ok(()) };
                answer(reply, added);
                outcome
            }
            Command::Remove { id, reply } => {
                let Some(i) = self.position(&id) else {
                    answer(reply, Err(TreeError::Gone(id.to_string())));
                    return Ok(());
                };
                self.stop(i).await;
                self.children.remove(i);
                self.show_children();
                answer(reply, Ok(()));
                Ok(())
            }
            Command::Restart { id, reply } => {
                let Some(i) = self.position(&id) else {
                    answer(reply, Err(TreeError::Gone(id.to_string())));
                    return Ok(());
                };
                self.stop(i).await;
                let now = self.now();
                self.children[i].restart_at(now);
                let outcome = self.start_due().await;
                answer(reply, Ok(()));
                outcome
            }
        }
    }

    fn add(&mut self, spec: ChildSpec) -> Result<(), TreeError> {
        let earlier = self.ward.node.children();
        if let Some(i) = self.position(&spec.id) {
            if !self.children[i].has_ended() {
                return Err(TreeError::Taken(spec.id.to_string()));
            }
            self.children.remove(i);
        }
        let now = self.now();
        // Siblings that it may depend on come first, and they may be waiting for their restart.
        let start_at = match self.strategy {
            Strategy::OneForOne => now,
            Strategy::OneForAll | Strategy::RestForOne => {
                self.children.iter().filter_map(|child| child.start_at).max().unwrap_or(now)
            }
        };
        self.children.push(Child::new(spec, &earlier, start_at));
        self.show_children();
        Ok(())
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.children.iter().position(|child| &*child.spec.id == id)
    }

    fn show_children(&self) {
        let nodes = self.children.iter().map(|child| Arc::clone(&child.node)).collect();
        self.ward.node.update(|seen| seen.children = nodes);
    }

    fn now(&self) -> Instant {
        self.ward.env.clock().now()
    }
}

fn answer(reply: Reply, outcome: Result<(), TreeError>) {
    if reply.send(outcome).is_err() {
        tracing::debug!("a command was obeyed that nobody waits for");
    }
}
