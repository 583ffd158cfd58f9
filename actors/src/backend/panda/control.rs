//! [`Control`]: the control port, one command after the other, each with a deadline.
use super::{
    capture::BoxTells,
    socket::{Address, SocketFault, connect},
};
use crate::clock::{Clock, Instant};
use bluefly_protocol::panda::{
    control::{Command, Refusal, Reply, ReplyDecoder, ReplyError, UnexpectedReply},
    describe::{Captured, Completion, DescribeError, parse_captured},
};
use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A connection to the control port. A command that fails for another reason than a refusal ends the
/// connection: its reply may still come, and would be taken for that of the next.
#[derive(Clone)]
pub struct Control {
    connection: Arc<Mutex<Option<Connection>>>,
    clock: Clock,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ControlFault {
    #[error(transparent)]
    Connect(#[from] SocketFault),
    #[error("control port: {command}: no reply within {} s", within.as_secs_f64())]
    Silent { command: String, within: Duration },
    #[error("control port: {command}: the connection was closed")]
    Closed { command: String },
    #[error("control port: {command}: {source}")]
    Socket {
        command: String,
        #[source]
        source: io::Error,
    },
    #[error("control port: {command}: {source}")]
    Malformed {
        command: String,
        #[source]
        source: ReplyError,
    },
    #[error("control port: {command}: {source}")]
    Unexpected {
        command: String,
        #[source]
        source: UnexpectedReply,
    },
    #[error("control port: {command}: {source}")]
    Unreadable {
        command: String,
        #[source]
        source: DescribeError,
    },
    /// An earlier command failed.
    #[error("control port: {command}: the connection was given up")]
    GivenUp { command: String },
    #[error("cannot arm: a capture is under way already")]
    Armed,
    #[error("cannot arm for {} s, as others have not taken the last capture to its end: {last}", waited.as_secs_f64())]
    StillTaking { waited: Duration, last: UnexpectedReply },
}

struct Connection {
    socket: TcpStream,
    replies: ReplyDecoder,
    within: Duration,
}

/// The first wait before an arm that was refused is tried again, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Control {
    /// Connects; every command is to be answered within `within`. It blocks: not for the thread of an
    /// actor.
    pub fn connect(
        address: &Address,
        within: Duration,
        clock: Clock,
    ) -> Result<Self, ControlFault> {
        let socket = connect(&address.host, address.control_port, within);
        let socket = socket.map_err(|source| address.fault(address.control_port, source))?;
        let connection = Connection { socket, replies: ReplyDecoder::new(), within };
        Ok(Self { connection: Arc::new(Mutex::new(Some(connection))), clock })
    }

    /// The reply to `command`. A refusal is a reply.
    pub async fn ask(&self, command: Command) -> Result<Reply, ControlFault> {
        let (connection, clock) = (self.connection.clone(), self.clock.clone());
        let ask = move || {
            let mut slot = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(connection) = slot.as_mut() else {
                return Err(ControlFault::GivenUp { command: name(&command) });
            };
            let reply = connection.ask(&command, &clock);
            if reply.is_err() {
                *slot = None;
            }
            reply
        };
        self.clock.foreign(ask).await
    }

    /// The value that `command` asks for.
    pub async fn value(&self, command: Command) -> Result<String, ControlFault> {
        let name = name(&command);
        let value = self.ask(command).await?.into_value();
        value.map_err(|source| ControlFault::Unexpected { command: name, source })
    }

    /// The lines that `command` asks for.
    pub async fn lines(&self, command: Command) -> Result<Vec<String>, ControlFault> {
        let name = name(&command);
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
                let command = name(&Command::arm());
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
        let command = Command::disarm();
        let name = name(&command);
        let done = self.ask(command).await?.into_done();
        done.map_err(|source| ControlFault::Unexpected { command: name, source })
    }

    /// Whether a capture has not ended; readers that have not taken the last one do not count.
    async fn is_busy(&self) -> Result<bool, ControlFault> {
        let completion = self.value(query("*PCAP.COMPLETION")).await?;
        Ok(Completion::from(completion.as_str()) == Completion::Busy)
    }

    /// What the PandA says of the capture that has ended.
    pub async fn tells(&self) -> Result<BoxTells, ControlFault> {
        let captured = self.value(query("*PCAP.CAPTURED")).await?;
        let health = self.value(query("PCAP.HEALTH")).await?;
        Ok(BoxTells { captured: captured.parse().ok(), health: Some(health) })
    }

    /// What is captured, as far as it can be read.
    pub async fn captured(&self) -> Result<Vec<Captured>, ControlFault> {
        let command = query("*CAPTURE");
        let name = name(&command);
        let lines = self.lines(command).await?;
        parse_captured(&lines).map_err(|source| ControlFault::Unreadable { command: name, source })
    }
}

/// # Panics
/// If `name` is none that can be asked for: for names that stand in the source.
fn query(name: &str) -> Command {
    Command::query(name).expect("a name without operators")
}

/// The first line.
fn name(command: &Command) -> String {
    let text = String::from_utf8_lossy(command.as_bytes());
    text.lines().next().unwrap_or_default().to_owned()
}

impl Connection {
    fn ask(&mut self, command: &Command, clock: &Clock) -> Result<Reply, ControlFault> {
        let deadline = clock.now() + self.within;
        self.exchange(command, clock, deadline).map_err(|failure| {
            let command = name(command);
            match failure {
                Failure::Closed => ControlFault::Closed { command },
                Failure::Malformed(source) => ControlFault::Malformed { command, source },
                Failure::Socket(source) if is_timeout(&source) => {
                    ControlFault::Silent { command, within: self.within }
                }
                Failure::Socket(source) => ControlFault::Socket { command, source },
            }
        })
    }

    fn exchange(
        &mut self,
        command: &Command,
        clock: &Clock,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let left = || {
            let left = deadline - clock.now();
            if left.is_zero() { Err(io::Error::from(ErrorKind::TimedOut)) } else { Ok(left) }
        };
        self.socket.set_write_timeout(Some(left()?))?;
        self.socket.write_all(command.as_bytes())?;
        let mut bytes = [0; 4_096];
        loop {
            if let Some(reply) = self.replies.next_reply().map_err(Failure::Malformed)? {
                return Ok(reply);
            }
            self.socket.set_read_timeout(Some(left()?))?;
            match self.socket.read(&mut bytes) {
                Ok(0) => return Err(Failure::Closed),
                Ok(received) => self.replies.feed(&bytes[..received]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

enum Failure {
    Closed,
    Malformed(ReplyError),
    Socket(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}
