//! [`Panda`]: the owner of the connections to a PandA.
use crate::{
    backend::panda::control::{Control, ControlFault, Dial, Limits, Loss, Watch},
    clock::Clock,
    logic::panda::wiring::{Found, Wiring},
    signal::panda::PandaSeat,
    supervise::{Backoff, ChildSpec, Lifeline, Ping, Seat, Strategy, Supervisor},
};
use actix::prelude::*;
use bluefly_protocol::panda::describe::{Identity, Inventory, Replaced};
use futures_util::future::try_join;
use std::{io, rc::Rc, sync::Arc, time::Duration};

/// How long things may take at a PandA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PandaTiming {
    /// A connection is there within so long.
    pub connect_within: Duration,
    /// Of the connection for commands.
    pub commands: Limits,
    /// Of the connection for what is observed: it is asked little, so that a PandA which hangs is
    /// noticed on it while a command takes its time.
    pub polling: Limits,
    /// What is observed is asked for so often.
    pub period: Duration,
}

impl Default for PandaTiming {
    fn default() -> Self {
        let limits = |reply_within| Limits { reply_within, watch: Some(Watch::PROMPT) };
        Self {
            connect_within: Duration::from_secs(2),
            commands: limits(Duration::from_secs(5)),
            polling: limits(Watch::PROMPT.within),
            period: Duration::from_millis(100),
        }
    }
}

/// A PandA, and how it is reached. Cheap to clone.
#[derive(Clone)]
pub struct PandaLink {
    pub dial: Rc<dyn Dial>,
    pub seat: PandaSeat,
    pub timing: PandaTiming,
    /// Set whenever it is reached, before anybody else can talk to it.
    pub wiring: Wiring,
}

/// A supervised PandA. An incarnation connects twice, asks what the PandA has, and lives as long as
/// both connections do; whatever ends one of them ends it, and the next one begins anew.
pub struct Panda {
    lifeline: Lifeline,
    link: PandaLink,
    reached: Option<Reached>,
}

/// What a PandA said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    pub identity: Identity,
    pub application: Option<String>,
    pub num_fields: usize,
    /// How it is another than when it was connected before.
    pub replaced: Option<Replaced>,
    /// What was not as it is to be, and what cannot be made so.
    pub wiring: Found,
}

/// Asks how the connection is.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "PandaState")]
pub struct Look;

/// How the connection is.
#[derive(Clone, Debug, PartialEq, Eq, MessageResponse)]
pub struct PandaState {
    pub incarnation: u64,
    /// `None` until it is reached.
    pub reached: Option<Reached>,
}

/// What the actor is told by its work.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Attached(Reached);

const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    max: Duration::from_secs(5),
    reset_after: Duration::from_secs(10),
};
/// In which deaths are counted; any number of them is put up with.
const WINDOW: Duration = Duration::from_secs(10);

impl Panda {
    pub const fn new(lifeline: Lifeline, link: PandaLink) -> Self {
        Self { lifeline, link, reached: None }
    }

    /// One that is tried again for ever, with a supervisor of its own: a PandA without power is no
    /// reason to stop anything else.
    pub fn branch(place: Seat<Self>, link: PandaLink) -> ChildSpec {
        let id = place.id().to_owned();
        ChildSpec::supervisor(&format!("{id}-connections"), move || {
            let link = link.clone();
            let spec =
                ChildSpec::seated(&place, move |_, lifeline| Self::new(lifeline, link.clone()));
            let supervisor = Supervisor::new(Strategy::OneForOne).intensity(usize::MAX, WINDOW);
            supervisor.child(spec.backoff(BACKOFF))
        })
    }
}

impl Actor for Panda {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let work = Work {
            incarnation: self.lifeline.incarnation(),
            clock: self.lifeline.clock().clone(),
            link: self.link.clone(),
        };
        let address = ctx.address();
        let attached = move |reached| address.do_send(Attached(reached));
        let ended = work.run(attached).into_actor(self);
        ctx.spawn(ended.map(|why, actor, ctx| actor.lifeline.fail(ctx, why)));
    }
}

impl Handler<Attached> for Panda {
    type Result = ();
    fn handle(&mut self, Attached(reached): Attached, _: &mut Context<Self>) {
        let panda = self.lifeline.id();
        tracing::info!(%panda, fields = reached.num_fields, "connected");
        if let Some(replaced) = &reached.replaced {
            tracing::warn!(%panda, %replaced, "another box than before");
        }
        for loose in &reached.wiring.loose {
            tracing::info!(%panda, field = %loose.wire.field, was = loose.found, is = loose.wire.value, "wired");
        }
        for error in &reached.wiring.wrong {
            tracing::error!(%panda, %error, "cannot be wired");
        }
        self.reached = Some(reached);
    }
}

impl Handler<Look> for Panda {
    type Result = PandaState;
    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> PandaState {
        let incarnation = self.lifeline.incarnation();
        PandaState { incarnation, reached: self.reached.clone() }
    }
}

impl Handler<Ping> for Panda {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

/// What one incarnation does.
struct Work {
    incarnation: u64,
    clock: Clock,
    link: PandaLink,
}

/// Signals are down when this is dropped, for whatever reason.
struct Attachment {
    seat: PandaSeat,
    incarnation: u64,
    loss: Loss,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.seat.detach(self.incarnation, &self.loss);
    }
}

impl Work {
    /// Until a connection is lost or there is none; why.
    async fn run(self, attached: impl Fn(Reached)) -> String {
        let PandaLink { dial, seat, timing, .. } = &self.link;
        let peer = dial.peer();
        if let Err(superseded) = seat.claim(self.incarnation) {
            return superseded.to_string();
        }
        let wires = try_join(dial.dial(), dial.dial());
        let wires = self.clock.timeout(timing.connect_within, wires).await;
        let wires = wires.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let (commands, polling) = match wires {
            Ok(wires) => wires,
            Err(error) => return format!("{peer}: cannot connect: {error}"),
        };
        let (commands, first) = Control::over(commands, timing.commands, self.clock.clone());
        let (polling, second) = Control::over(polling, timing.polling, self.clock.clone());
        let (seat, incarnation) = (seat.clone(), self.incarnation);
        let mut attachment = Attachment { seat, incarnation, loss: Loss::GivenUp };
        let (loss, why) = tokio::select! { biased;
            loss = first => (loss.clone(), format!("{peer}: commands: {loss}")),
            loss = second => (loss.clone(), format!("{peer}: polling: {loss}")),
            why = self.talk(commands, polling, attached) => (Loss::GivenUp, format!("{peer}: {why}")),
        };
        attachment.loss = loss;
        why
    }

    /// Asks what the PandA has, and then for what is observed, until that fails; why.
    async fn talk(
        &self,
        commands: Control,
        polling: Control,
        attached: impl Fn(Reached),
    ) -> String {
        let talked = async {
            let inventory = Arc::new(commands.inventory().await?);
            let PandaLink { seat, timing, wiring, .. } = &self.link;
            let wiring = wiring.apply(&commands, &inventory).await?;
            let told = Arc::clone(&inventory);
            let replaced = match seat.attach(self.incarnation, commands, inventory) {
                Ok(replaced) => replaced,
                Err(superseded) => return Ok(superseded.to_string()),
            };
            attached(reached(&told, replaced, wiring));
            match seat.poll(polling, timing.period).await {
                Some(fault) => Err(fault),
                None => Ok("nothing is attached".to_owned()),
            }
        };
        match talked.await {
            Ok(why) => why,
            // Of a connection that ended the loss itself tells more.
            Err(ControlFault::Lost { .. } | ControlFault::NotSent { .. }) => {
                std::future::pending().await
            }
            Err(fault) => fault.to_string(),
        }
    }
}

fn reached(inventory: &Inventory, replaced: Option<Replaced>, wiring: Found) -> Reached {
    Reached {
        identity: inventory.identity.clone(),
        application: inventory.application.clone(),
        num_fields: inventory.num_fields(),
        replaced,
        wiring,
    }
}
