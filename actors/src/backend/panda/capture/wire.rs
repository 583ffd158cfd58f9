//! A capture by a task, from a connection on any clock.
use super::{
    CaptureError,
    handle::Shared,
    intake::{Intake, TICK, Want},
};
use crate::{backend::panda::control::Wire, storage::Rows};
use std::{io, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt as _, sync::oneshot};

/// What is to be done next.
enum Turn {
    Received(io::Result<usize>),
    Silence,
    Stopping,
}

/// Captures until the connection ends or the capture is stopped, and tells `done` how that went.
pub(super) fn spawn(
    wire: impl Wire + 'static,
    (intake, shared): (Intake, Arc<Shared>),
    done: oneshot::Sender<Result<(), CaptureError>>,
) {
    let mut reader = Reader { wire, intake, shared };
    actix_rt::spawn(async move {
        let result = reader.run().await;
        // Before the result is told: who hears of it may close the file.
        drop(reader);
        drop(done.send(result));
    });
}

struct Reader<W> {
    wire: W,
    intake: Intake,
    shared: Arc<Shared>,
}

impl<W: Wire> Reader<W> {
    async fn run(&mut self) -> Result<(), CaptureError> {
        let result = self.read().await;
        self.intake.abandon();
        let rest = self.carry_out().await;
        self.intake.publish();
        // The first thing that went wrong tells; what follows from it does not.
        result.and(rest)
    }

    async fn read(&mut self) -> Result<(), CaptureError> {
        while !self.intake.is_stopping() {
            let clock = self.intake.clock().clone();
            let waits_for_silence = self.intake.waits_for_silence();
            let turn = tokio::select! { biased;
                read = self.wire.read(self.intake.space()) => Turn::Received(read),
                () = self.shared.stopping.notified() => Turn::Stopping,
                () = clock.sleep(TICK), if waits_for_silence => Turn::Silence,
            };
            match turn {
                Turn::Received(Ok(0)) => return self.intake.closed(),
                Turn::Received(Ok(bytes)) => self.intake.received(bytes),
                Turn::Received(Err(error)) => return Err(CaptureError::Socket(error)),
                Turn::Silence => self.intake.idle()?,
                Turn::Stopping => {}
            }
            self.carry_out().await?;
            self.intake.publish_if_due();
        }
        Ok(())
    }

    async fn carry_out(&mut self) -> Result<(), CaptureError> {
        loop {
            match self.intake.next_want()? {
                Want::Bytes => return Ok(()),
                Want::File(plan) => {
                    let stream = self.intake.storage().create(plan).await?;
                    self.intake.opened(stream);
                }
                Want::Room(rows) => self.append(rows).await?,
            }
        }
    }

    async fn append(&mut self, rows: Rows) -> Result<(), CaptureError> {
        let (clock, mut waited) = (self.intake.clock().clone(), Duration::ZERO);
        let mut rows = self.intake.append(rows, Duration::ZERO, waited)?;
        while let Some(left) = rows {
            clock.sleep(TICK).await;
            waited += TICK;
            rows = self.intake.append(left, Duration::ZERO, waited)?;
        }
        Ok(())
    }
}
