//! [`Start`]: brings one incarnation to life: on the common thread, on its own, or as a supervisor.
use super::{
    control::{Control, Order},
    env::Env,
    exit::{Exit, Kill},
    life::{Life, Readiness},
    lifeline::Lifeline,
    panics::capture,
    reference::{Published, Ref},
    shuffle::shuffled,
    supervisor::{Supervisor, Ward},
    tree::Node,
};
use crate::{clock::Instant, watch};
use actix::{
    Actor, Context,
    dev::channel::{AddressReceiver, channel},
};
use std::{sync::Arc, thread::JoinHandle};
use tokio::{sync::oneshot, task::LocalSet};

/// What a new incarnation is told.
pub(super) struct Birth<'a> {
    pub(super) env: &'a Env,
    pub(super) incarnation: u64,
    pub(super) mailbox: usize,
    pub(super) readiness: Readiness,
    pub(super) node: &'a Arc<Node>,
}

/// One incarnation that was started. Dropped before it ended, it is killed.
pub(super) struct Running {
    pub(super) control: Arc<Control>,
    pub(super) ready: oneshot::Receiver<()>,
    pub(super) done: oneshot::Receiver<Exit>,
    pub(super) since: Instant,
    thread: Option<JoinHandle<()>>,
    has_ended: bool,
}

/// Makes incarnations of one child.
pub(super) trait Start {
    fn start(&mut self, birth: &Birth<'_>) -> Running;
    /// Lets messages through to the incarnation that was started last.
    fn publish(&mut self) {}
    /// Refuses messages from now on.
    fn unpublish(&mut self) {}
}

/// A blocked thread that was given up.
pub(super) struct GivenUp {
    pub(super) done: oneshot::Receiver<Exit>,
    pub(super) thread: JoinHandle<()>,
}

impl Running {
    /// Takes the incarnation down; resolves once it is gone, or at once, with the thread to join
    /// later, if it has a thread of its own, which may be blocked.
    pub(super) async fn kill(&mut self, kill: Kill) -> (Exit, Option<GivenUp>) {
        self.control.order(Order::Kill(kill));
        if let Some(thread) = self.thread.take() {
            let (_, closed) = oneshot::channel();
            let done = std::mem::replace(&mut self.done, closed);
            return (Exit::Killed(kill), Some(GivenUp { done, thread }));
        }
        let exit = (&mut self.done).await.unwrap_or(Exit::Killed(Kill::Lost));
        (exit, None)
    }

    /// Clears up after an incarnation that has ended.
    pub(super) fn ended(mut self) {
        self.has_ended = true;
        // Its exit was the last thing that the thread sent.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of an actor panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            self.control.order(Order::Kill(Kill::Orphaned));
        }
    }
}

/// The place of an actor in a branch, kept outside of it, so that references stay good when the
/// whole branch is planned anew.
pub struct Seat<A: Actor> {
    id: Arc<str>,
    publisher: watch::Sender<Option<Published<A>>>,
}

impl<A: Actor<Context = Context<A>>> Seat<A> {
    /// An empty seat, and the reference to whoever sits there.
    pub fn new(id: &str) -> (Self, Ref<A>) {
        let id: Arc<str> = id.into();
        let publisher = watch::Sender::new(None);
        let reference = Ref::new(Arc::clone(&id), publisher.subscribe());
        (Self { id, publisher }, reference)
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn address(&self) -> Address<A> {
        let (id, publisher) = (Arc::clone(&self.id), self.publisher.clone());
        Address { id, publisher, next: None }
    }
}

/// Where the references to an actor learn of its incarnations.
pub(super) struct Address<A: Actor> {
    id: Arc<str>,
    publisher: watch::Sender<Option<Published<A>>>,
    next: Option<Published<A>>,
}

/// What the task or thread of one incarnation takes along.
struct Newborn<A: Actor> {
    lifeline: Lifeline,
    mailbox: AddressReceiver<A>,
    readiness: Readiness,
    done: oneshot::Sender<Exit>,
}

impl<A: Actor<Context = Context<A>>> Address<A> {
    pub(super) fn new(id: &str) -> (Self, Ref<A>) {
        let (seat, reference) = Seat::new(id);
        (seat.address(), reference)
    }

    fn prepare(&mut self, birth: &Birth<'_>) -> (Newborn<A>, Running) {
        let (control, ready) = Control::new();
        let control = Arc::new(control);
        let (sender, mailbox) = channel(birth.mailbox);
        let clock = birth.env.clock().clone();
        let vitals = Arc::clone(&control.vitals);
        self.next = Some(Published { sender, clock, vitals, given_up: None });
        let (id, env) = (Arc::clone(&self.id), birth.env.clone());
        let lifeline = Lifeline::new(id, birth.incarnation, env, Arc::clone(&control));
        let (done_sender, done) = oneshot::channel();
        let readiness = birth.readiness;
        let newborn = Newborn { lifeline, mailbox, readiness, done: done_sender };
        let since = birth.env.clock().now();
        (newborn, Running { control, ready, done, since, thread: None, has_ended: false })
    }

    /// Starts an incarnation on this thread.
    fn start_here(
        &mut self,
        birth: &Birth<'_>,
        make: impl FnOnce(&mut Context<A>, Lifeline) -> A,
    ) -> Running {
        let (Newborn { lifeline, mailbox, readiness, done }, running) = self.prepare(birth);
        let ctx = Context::with_receiver(mailbox);
        match Life::begin(ctx, &lifeline, readiness, make) {
            Ok(life) => drop(actix_rt::spawn(async move { report(done, life.await) })),
            Err(exit) => report(done, exit),
        }
        running
    }

    fn publish(&mut self) {
        self.publisher.send_replace(self.next.take());
    }

    fn unpublish(&mut self) {
        self.next = None;
        self.publisher.send_replace(None);
    }
}

/// An actor on the common thread.
pub(super) struct Local<A: Actor, F> {
    address: Address<A>,
    factory: F,
}

impl<A: Actor, F> Local<A, F> {
    pub(super) fn new(address: Address<A>, factory: F) -> Self {
        Self { address, factory }
    }
}

impl<A, F> Start for Local<A, F>
where
    A: Actor<Context = Context<A>>,
    F: FnMut(&mut Context<A>, Lifeline) -> A,
{
    fn start(&mut self, birth: &Birth<'_>) -> Running {
        self.address.start_here(birth, &mut self.factory)
    }

    fn publish(&mut self) {
        self.address.publish();
    }

    fn unpublish(&mut self) {
        self.address.unpublish();
    }
}

/// An actor on a thread of its own.
pub(super) struct Threaded<A: Actor, F> {
    address: Address<A>,
    factory: Arc<F>,
}

impl<A: Actor, F> Threaded<A, F> {
    pub(super) fn new(address: Address<A>, factory: F) -> Self {
        Self { address, factory: Arc::new(factory) }
    }
}

impl<A, F> Start for Threaded<A, F>
where
    A: Actor<Context = Context<A>>,
    F: Fn(&mut Context<A>, Lifeline) -> A + Send + Sync + 'static,
{
    fn start(&mut self, birth: &Birth<'_>) -> Running {
        if birth.env.clock().is_simulated() {
            return self.address.start_here(birth, &*self.factory);
        }
        let (newborn, mut running) = self.address.prepare(birth);
        if let Some(next) = &mut self.address.next {
            next.given_up = Some(running.control.killed.clone());
        }
        let factory = Arc::clone(&self.factory);
        let name = format!("actor-{}", self.address.id);
        let thread = std::thread::Builder::new().name(name);
        match thread.spawn(move || live_alone(newborn, &*factory)) {
            Ok(thread) => running.thread = Some(thread),
            // The closure is gone and the exit with it, so that the start fails as `Lost`.
            Err(error) => tracing::error!(id = &*self.address.id, %error, "cannot start a thread"),
        }
        running
    }

    fn publish(&mut self) {
        self.address.publish();
    }

    fn unpublish(&mut self) {
        self.address.unpublish();
    }
}

/// The whole life of an incarnation on the present thread.
fn live_alone<A: Actor<Context = Context<A>>>(
    newborn: Newborn<A>,
    make: impl FnOnce(&mut Context<A>, Lifeline) -> A,
) {
    let Newborn { lifeline, mailbox, readiness, done } = newborn;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report(done, Exit::Failed(format!("cannot make a runtime: {error}"))),
    };
    let tasks = LocalSet::new();
    let exit = tasks.block_on(&runtime, async {
        match Life::begin(Context::with_receiver(mailbox), &lifeline, readiness, make) {
            Ok(life) => life.await,
            Err(exit) => exit,
        }
    });
    drop(tasks);
    runtime.shutdown_background();
    report(done, exit);
}

/// A supervisor.
pub(super) struct Branch<F> {
    id: Arc<str>,
    factory: F,
}

impl<F> Branch<F> {
    pub(super) fn new(id: &str, factory: F) -> Self {
        Self { id: id.into(), factory }
    }
}

impl<F: FnMut() -> Supervisor> Start for Branch<F> {
    fn start(&mut self, birth: &Birth<'_>) -> Running {
        let (control, ready) = Control::new();
        let control = Arc::new(control);
        let (done_sender, done) = oneshot::channel();
        match capture(&mut self.factory) {
            Ok(plan) => {
                let (env, node) = (birth.env.clone(), Arc::clone(birth.node));
                let ward = Ward { env, node, control: Arc::clone(&control) };
                let coin = birth.env.is_shuffled().then(|| {
                    let owner = format!("schedule of {}", self.id);
                    birth.env.seed().stream(&owner, birth.incarnation)
                });
                let run = plan.run(ward);
                drop(actix_rt::spawn(async move {
                    let exit = match coin {
                        Some(coin) => shuffled(run, coin).await,
                        None => run.await,
                    };
                    report(done_sender, exit);
                }));
            }
            Err(panic) => report(done_sender, Exit::Panicked(panic)),
        }
        let since = birth.env.clock().now();
        Running { control, ready, done, since, thread: None, has_ended: false }
    }
}

fn report(done: oneshot::Sender<Exit>, exit: Exit) {
    if let Err(exit) = done.send(exit) {
        tracing::debug!(%exit, "ended after its supervisor");
    }
}
