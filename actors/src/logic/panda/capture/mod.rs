//! [`PandaCapture`]: the rows of a PandA as the frames of a detector.
//!
//! One connection to the data port stands for as long as the file is open, and every arm goes over it:
//! a row lands where its frame belongs, and what became of each arm is told in the file.
mod configure;
mod drain;
mod file;
mod follow;
mod reader;
mod seam;
mod setup;

pub use setup::{CaptureColumn, CaptureSetup, Encoder};

use super::{
    super::{
        Task,
        detector::{Arm, Dataset, Description},
        haste::Haste,
    },
    is_loss,
};
use crate::{
    backend::panda::{
        ControlFault,
        capture::{ArmPlan, DataPort, FileColumn},
    },
    clock::Clock,
    signal::panda::{PandaSeat, Session},
    storage::{StorageClient, StorageError, StreamHandle},
};
use bluefly_protocol::{
    exposures::ExposuresPerFrame,
    fault::{Fault, FaultClass},
    name::Name,
    panda::{
        control::Command,
        describe::{BlockName, PcapStatus},
    },
};
use file::Open;
use futures_util::future::{LocalBoxFuture, Shared};
use reader::Armed;
use std::{cell::RefCell, rc::Rc, time::Duration};

/// Arms a PandA and follows its rows to the disk.
pub struct PandaCapture {
    device: Name,
    seat: PandaSeat,
    port: Rc<dyn DataPort>,
    storage: StorageClient,
    setup: CaptureSetup,
    haste: Haste,
    /// A file that was asked for and is not known to be there.
    making: RefCell<Option<Making>>,
    file: RefCell<Option<Rc<Open>>>,
}

/// A file on its way: whoever asked for it may be gone before it is there.
#[derive(Clone)]
struct Making {
    made: Shared<LocalBoxFuture<'static, Result<StreamHandle, StorageError>>>,
    columns: Vec<FileColumn>,
    datasets: Vec<Dataset>,
}

/// The block that captures.
const PCAP: &str = "PCAP";
/// How long the data port may take to accept a reader.
const ACCEPT_WITHIN: Duration = Duration::from_secs(10);
/// How long others may take to read the last capture to its end before this one can be armed.
const ARM_WITHIN: Duration = Duration::from_secs(15);
/// How long the disk may take.
const DISK_WITHIN: Duration = Duration::from_secs(20);

impl PandaCapture {
    pub fn new(
        device: Name,
        (seat, port): (PandaSeat, Rc<dyn DataPort>),
        storage: StorageClient,
        setup: CaptureSetup,
    ) -> Self {
        let (making, file) = (RefCell::default(), RefCell::default());
        let haste = Haste::new(storage.clock().clone());
        Self { device, seat, port, storage, setup, haste, making, file }
    }

    /// What its file will have, whether or not one is open.
    pub fn describe(&self) -> Result<Description, Fault> {
        let task = self.task("describe its file");
        let selection = self.select(task, &self.session(task)?)?;
        let datasets = self.setup.datasets(&selection);
        Ok(Description { datasets, exposures_per_frame: ExposuresPerFrame::ONE })
    }

    /// Gets ready for the triggers of `arm.frames` frames; resolves once they would be taken.
    pub async fn arm(&self, arm: &Arm) -> Result<(), Fault> {
        let last = arm.first_index + arm.frames.saturating_sub(1);
        let operation = format!("arm for frames {} to {last}", arm.first_index);
        let task = self.task(&operation);
        if arm.frames == 0 {
            return Err(task.fault(FaultClass::Rejected, "there are no frames"));
        }
        let not_open = || task.fault(FaultClass::Failed, "no file is open");
        let open = self.open_now().ok_or_else(not_open)?;
        open.check_written(task)?;
        self.come_to_rest(task).await?;
        let session = self.session(task)?;
        let selection = self.configure(task, &session).await?;
        self.connect(task, &open).await?;
        if open.stream.watch().borrow().committed > arm.first_index {
            stored(task, open.stream.rewind(arm.first_index))?;
        }
        let plan = ArmPlan {
            first_row: Some(arm.first_index),
            expected: Some(arm.frames),
            most: Some(arm.frames),
            asked: Some(selection.captured),
        };
        // Whether it is armed is not known while this waits.
        open.expect(plan);
        match session.control.arm(ARM_WITHIN).await {
            Ok(()) => open.armed.set(Armed::Yes),
            Err(fault) => {
                if !is_loss(&fault) {
                    open.armed.set(Armed::No);
                }
                return Err(lost(task, &fault));
            }
        }
        self.check_armed(task, &session).await?;
        open.due.set(Some(arm.frames));
        Ok(())
    }

    /// Fails unless rows would be taken, and sent to a reader.
    async fn check_armed(&self, task: Task<'_>, session: &Session) -> Result<(), Fault> {
        let status = self.status(task, session).await?;
        let active = done(task, session.control.value(query("PCAP.ACTIVE")).await)?;
        if status.is_busy && status.active_readers > 0 && active == "1" {
            return Ok(());
        }
        let reason = format!(
            "PCAP.ACTIVE is {active}, and {} of {} readers take rows, after *PCAP.ARM=",
            status.active_readers, status.readers
        );
        Err(task.fault(FaultClass::Failed, reason))
    }

    async fn status(&self, task: Task<'_>, session: &Session) -> Result<PcapStatus, Fault> {
        let status = done(task, session.control.value(query("*PCAP.STATUS")).await)?;
        let unreadable = |error| task.fault(FaultClass::Failed, format!("*PCAP.STATUS?: {error}"));
        status.parse().map_err(unreadable)
    }

    /// The blocks that it uses.
    pub(super) fn blocks(&self) -> Vec<BlockName> {
        let pcap = PCAP.parse().expect("a name that stands here");
        let captured = self.setup.columns.iter().map(|column| column.field.block.clone());
        captured.chain([pcap]).collect()
    }

    /// Takes frames from this one on out of its file: they are not what they were taken for.
    pub(super) fn forget_from(&self, frame: u64) -> Result<(), Fault> {
        match self.open_now() {
            Some(open) if open.frames_on_disk() > frame => {
                stored(self.task("take frames out of its file"), open.stream.rewind(frame))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn task<'a>(&'a self, operation: &'a str) -> Task<'a> {
        Task { device: &self.device, operation }
    }

    fn clock(&self) -> &Clock {
        self.storage.clock()
    }

    fn open_now(&self) -> Option<Rc<Open>> {
        self.file.borrow().clone()
    }

    /// Who to send commands to.
    fn session(&self, task: Task<'_>) -> Result<Session, Fault> {
        task.done(self.seat.reached())
    }

    /// What came of a request that the disk may take its time for.
    async fn stored_in_time<T>(
        &self,
        task: Task<'_>,
        request: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, Fault> {
        let result = self.haste.within(DISK_WITHIN, request).await.map_err(|after| {
            let reason = format!("the disk does not answer within {after:?}");
            task.fault(FaultClass::Failed, reason)
        })?;
        stored(task, result)
    }
}

/// What came of a command.
fn done<T>(task: Task<'_>, result: Result<T, ControlFault>) -> Result<T, Fault> {
    result.map_err(|fault| lost(task, &fault))
}

fn lost(task: Task<'_>, fault: &ControlFault) -> Fault {
    let class = if is_loss(fault) { FaultClass::Disconnected } else { FaultClass::Failed };
    task.fault(class, fault.to_string())
}

/// What came of a request to the storage.
fn stored<T>(task: Task<'_>, result: Result<T, StorageError>) -> Result<T, Fault> {
    result.map_err(|error| task.fault(FaultClass::Failed, error.to_string()))
}

/// # Panics
/// If `name` is none that can be asked for: for names that stand in the source.
fn query(name: &str) -> Command {
    Command::query(name).expect("a name without operators")
}
