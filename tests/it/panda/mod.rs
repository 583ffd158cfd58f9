//! The live connection to a PandA: what is asked is answered, refused or lost, in time.
use bluefly_actors::{
    backend::panda::control::{Control, ControlFault, Limits, Loss},
    clock::{Clock, Instant},
};
use bluefly_protocol::panda::control::{Command, Reply};
use std::{cell::RefCell, rc::Rc, time::Duration};
use tokio::io::DuplexStream;

mod actor;
mod alone;
mod comparison;
mod disk;
mod flight;
mod hurry;
mod inventory;
mod ledger;
mod link;
mod meddling;
mod program;
mod rig;
mod served;
mod settings;
mod signals;
mod told;
mod wiring;

const MS: Duration = Duration::from_millis(1);
const WITHIN: Duration = Duration::from_secs(5);
const LIMITS: Limits = Limits { reply_within: WITHIN, watch: None };

/// How a connection ended, and when.
#[derive(Clone, Default)]
struct Ended(Rc<RefCell<Option<(Loss, Duration)>>>);

impl Ended {
    fn take(&self) -> Option<(Loss, Duration)> {
        self.0.borrow_mut().take()
    }
}

fn since_start(clock: &Clock) -> Duration {
    clock.now().saturating_since(Instant::default())
}

/// A connection over one end of a pipe, which lives on its own.
fn over(pipe: DuplexStream, limits: Limits, clock: &Clock) -> (Control, Ended) {
    let (control, connection) = Control::over(pipe, limits, clock.clone());
    let (ended, clock) = (Ended::default(), clock.clone());
    let ours = ended.clone();
    tokio::task::spawn_local(async move {
        let loss = connection.await;
        *ours.0.borrow_mut() = Some((loss, since_start(&clock)));
    });
    (control, ended)
}

fn query(name: &str) -> Command {
    Command::query(name).unwrap()
}

fn value(text: &str) -> Reply {
    Reply::Value(text.to_owned())
}

/// A reply, or what became of the command in few words.
fn outcome(reply: Result<Reply, ControlFault>) -> Result<Reply, String> {
    reply.map_err(|fault| match fault {
        ControlFault::Lost { loss, .. } => format!("lost: {loss}"),
        ControlFault::NotSent { loss, .. } => format!("not sent: {loss}"),
        other => other.to_string(),
    })
}
