//! A capture on a thread of its own, from a socket.
use super::{
    CaptureError,
    intake::{Intake, TICK, Want},
};
use crate::storage::Rows;
use std::{
    io::{self, ErrorKind, Read},
    time::Duration,
};
use tokio::{runtime::Handle, sync::oneshot};

/// Where bytes come from: a read fails with [`ErrorKind::WouldBlock`] or [`ErrorKind::TimedOut`] if
/// nothing came for [`TICK`](Self::TICK).
pub trait Source: Read + Send + 'static {
    const TICK: Duration = TICK;
}

impl Source for std::net::TcpStream {}

/// How often a wait for the disk is looked at.
const SLICE: Duration = Duration::from_millis(100);

/// Captures until the connection ends or the capture is stopped, and tells `done` how that went.
pub(super) fn spawn(
    source: impl Source,
    intake: Intake,
    done: oneshot::Sender<Result<(), CaptureError>>,
) -> io::Result<()> {
    let mut reader = Reader { source, intake, runtime: Handle::current() };
    let builder = std::thread::Builder::new().name("panda".to_owned());
    let spawned = builder.spawn(move || {
        let result = reader.run();
        // Before the result is told: who hears of it may close the file.
        drop(reader);
        drop(done.send(result));
    });
    spawned.map(drop)
}

struct Reader<S> {
    source: S,
    intake: Intake,
    runtime: Handle,
}

impl<S: Source> Reader<S> {
    fn run(&mut self) -> Result<(), CaptureError> {
        let result = self.read();
        self.intake.abandon();
        let rest = self.carry_out();
        self.intake.publish();
        // The first thing that went wrong tells; what follows from it does not.
        result.and(rest)
    }

    fn read(&mut self) -> Result<(), CaptureError> {
        while !self.intake.is_stopping() {
            match self.source.read(self.intake.space()) {
                Ok(0) => return self.intake.closed(),
                Ok(bytes) => self.intake.received(bytes),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => self.intake.idle()?,
                    ErrorKind::Interrupted => {}
                    _ => return Err(CaptureError::Socket(error)),
                },
            }
            self.carry_out()?;
            self.intake.publish_if_due();
        }
        Ok(())
    }

    fn carry_out(&mut self) -> Result<(), CaptureError> {
        loop {
            match self.intake.next_want()? {
                Want::Bytes => return Ok(()),
                Want::File(plan) => {
                    let created = self.intake.storage().create(plan);
                    let stream = self.runtime.block_on(created)?;
                    self.intake.opened(stream);
                }
                Want::Room(rows) => self.append(rows)?,
            }
        }
    }

    fn append(&mut self, rows: Rows) -> Result<(), CaptureError> {
        let (mut rows, mut waited) = (Some(rows), Duration::ZERO);
        while let Some(left) = rows {
            waited += SLICE;
            rows = self.intake.append(left, SLICE, waited)?;
        }
        Ok(())
    }
}
