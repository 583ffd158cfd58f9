//! [`Control`]: what is asked of a PandA, over one connection.
use super::{
    ControlFault, Dial, Limits, Loss, MAX_QUEUED, TcpDial,
    connection::{Ask, Broken, Connection},
    dial::Wire,
};
use crate::{
    backend::panda::{SocketFault, capture::BoxTells},
    clock::Clock,
};
use bluefly_protocol::panda::{
    Address,
    control::{Command, Refusal, Reply, UnexpectedReply},
    describe::{Captured, Completion, parse_captured, parse_count},
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// A connection to the control port. Cheap to clone; commands of all clones are sent in the order in
/// which they are asked, without waiting for replies.
///
/// A command without a reply in time ends the connection: its reply may still come, and would be
/// taken for that of the next.
#[derive(Clone, Debug)]
pub struct Control {
    asks: mpsc::Sender<Ask>,
    ended: Arc<OnceLock<Loss>>,
    limits: Limits,
    clock: Clock,
}

/// The first wait before an arm that was refused is tried again, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Control {
    /// A connection over `wire`, which lives as long as the future that comes with it: it resolves
    /// with what ended the connection. If it is dropped, all who wait are told.
    pub fn over(
        wire: impl Wire,
        limits: Limits,
        clock: Clock,
    ) -> (Self, impl Future<Output = Loss>) {
        let (asks, asked) = mpsc::channel(MAX_QUEUED);
        let ended = Arc::new(OnceLock::new());
        let connection = Connection::new(asked, limits, clock.clone(), ended.clone());
        (Self { asks, ended, limits, clock }, connection.run(wire))
    }

    /// Connects by TCP; every command is to be answered within `within`. The connection ends with
    /// its last clone. Must be called within a `LocalSet`.
    pub async fn connect(
        address: &Address,
        within: Duration,
        clock: Clock,
    ) -> Result<Self, ControlFault> {
        let dial = TcpDial { address: address.clone(), within, clock: clock.clone() };
        let wire = dial.dial().await;
        let wire = wire.map_err(|source| SocketFault::of(address, address.control_port, source))?;
        let limits = Limits { reply_within: within, watch: None };
        let (control, connection) = Self::over(wire, limits, clock);
        actix_rt::spawn(async move {
            let loss = connection.await;
            tracing::debug!(%loss, "a control connection ended");
        });
        Ok(control)
    }

    /// The reply to `command`. A refusal is a reply.
    pub async fn ask(&self, command: Command) -> Result<Reply, ControlFault> {
        self.ask_within(self.limits.reply_within, command).await
    }

    /// The same with a deadline of its own, for what takes long. A reply cannot come before those to
    /// earlier commands, and is not due before them either.
    pub async fn ask_within(
        &self,
        within: Duration,
        command: Command,
    ) -> Result<Reply, ControlFault> {
        let name = command.to_string();
        let (reply, replied) = oneshot::channel();
        let deadline = self.clock.now() + within;
        let broken = match self.asks.send(Ask { command, within, deadline, reply }).await {
            Err(_) => Broken { was_sent: false, loss: self.loss() },
            Ok(()) => match replied.await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(broken)) => broken,
                Err(_) => Broken { was_sent: true, loss: self.loss() },
            },
        };
        Err(match broken {
            Broken { was_sent: true, loss } => ControlFault::Lost { command: name, loss },
            Broken { was_sent: false, loss } => ControlFault::NotSent { command: name, loss },
        })
    }

    fn loss(&self) -> Loss {
        self.ended.get().cloned().unwrap_or(Loss::GivenUp)
    }

    /// Resolves once `command` is done.
    pub async fn done(&self, command: Command) -> Result<(), ControlFault> {
        let name = command.to_string();
        let done = self.ask(command).await?.into_done();
        done.map_err(|source| ControlFault::Unexpected { command: name, source })
    }

    /// The value that `command` asks for.
    pub async fn value(&self, command: Command) -> Result<String, ControlFault> {
        let name = command.to_string();
        let value = self.ask(command).await?.into_value();
        value.map_err(|source| ControlFault::Unexpected { command: name, source })
    }

    /// The lines that `command` asks for.
    pub async fn lines(&self, command: Command) -> Result<Vec<String>, ControlFault> {
        let name = command.to_string();
        let lines = self.ask(command).await?.into_lines();
        lines.map_err(|source| ControlFault::Unexpected { command: name, source })
    }

    /// Resolves when the capture is armed. It is refused while any reader of the data port has not
    /// taken the last capture to its end: then it is tried again, up to `patience`.
    pub async fn arm(&self, patience: Duration) -> Result<(), ControlFault> {
        let since = self.clock.now();
        let mut wait = FIRST_WAIT;
        loop {
            let refused = match self.ask(Command::arm()).await?.into_done() {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            if !matches!(&refused, UnexpectedReply::Refused(error) if error.class == Refusal::NotNow)
            {
                let command = Command::arm().to_string();
                return Err(ControlFault::Unexpected { command, source: refused });
            }
            if self.is_busy().await? {
                return Err(ControlFault::Armed);
            }
            let waited = self.clock.now() - since;
            if waited >= patience {
                return Err(ControlFault::StillTaking { waited, last: refused });
            }
            self.clock.sleep(wait.min(patience.saturating_sub(waited))).await;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }

    /// Resolves when the capture is told to end; `END` follows on the data port. It may have ended
    /// already.
    pub async fn disarm(&self) -> Result<(), ControlFault> {
        self.done(Command::disarm()).await
    }

    /// Whether a capture has not ended; readers that have not taken the last one do not count.
    async fn is_busy(&self) -> Result<bool, ControlFault> {
        let completion = self.value(query("*PCAP.COMPLETION")).await?;
        Ok(Completion::from(completion.as_str()) == Completion::Busy)
    }

    /// What the PandA says of the capture that has ended.
    pub async fn tells(&self) -> Result<BoxTells, ControlFault> {
        let count = query("*PCAP.CAPTURED");
        let command = count.to_string();
        let captured = self.value(count).await?;
        let captured = parse_count(&captured)
            .map_err(|source| ControlFault::Unreadable { command, source })?;
        let health = self.value(query("PCAP.HEALTH")).await?;
        Ok(BoxTells { captured: Some(captured), health: Some(health) })
    }

    /// What is captured, as far as it can be read.
    pub async fn captured(&self) -> Result<Vec<Captured>, ControlFault> {
        let command = query("*CAPTURE");
        let name = command.to_string();
        let lines = self.lines(command).await?;
        parse_captured(&lines).map_err(|source| ControlFault::Unreadable { command: name, source })
    }
}

/// # Panics
/// If `name` is none that can be asked for: for names that stand in the source.
fn query(name: &str) -> Command {
    Command::query(name).expect("a name without operators")
}
