//! `bluefly panda record`: the rows of a PandA, up to the end of a capture, in an HDF5 file.
use super::{display::Display, summary::Summary};
use crate::cli::{CliError, Format, Signals};
use actix::Actor as _;
use bluefly_actors::{
    backend::panda::{
        Address, Control,
        capture::{ArmEnd, ArmPlan, ArmRecord, BoxTells, CaptureHandle, Settings, Target},
        connect_data,
    },
    clock::Clock,
    storage::{Storage, StorageClient, StorageConfig},
    system::real_system,
};
use bluefly_protocol::panda::{
    EndReason,
    data::{DataRequest, Process},
    describe::Captured,
};
use std::{
    io::{self, Write as _},
    num::NonZeroU64,
    path::PathBuf,
    time::Duration,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Rows lie in /entry/data/BLOCK.FIELD.CAPTURE, and what became of the capture in \
                        /entry/arms.\n\
                        Exit status: 0 all rows are there, 3 it was ended by a signal or disarmed by \
                        others, 4 rows are missing.\n\
                        Example: bluefly panda record 192.168.0.10 --out scan.h5 --arm --rows 100000"
)]
pub(crate) struct Arguments {
    /// The PandA, with its ports if they are not 8888 and 8889
    #[arg(value_name = "HOST[:CTRL[:DATA]]")]
    address: Address,
    /// The file to create
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Arm the capture, and disarm it if it is ended here; otherwise wait for others to arm it
    #[arg(long)]
    arm: bool,
    /// End after so many rows
    #[arg(long, value_name = "N")]
    rows: Option<NonZeroU64>,
    /// Have the PandA make engineering units of the rows: twice the bytes on the network
    #[arg(long)]
    scaled: bool,
    /// How errors and the summary are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Each answer of the PandA may take so long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A reader that stopped to read keeps a PandA from being armed for half a minute.
const ARM_WITHIN: Duration = Duration::from_secs(45);
/// A capture that was disarmed ends within so long.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Readers of the file are no further behind than this and the time of a chunk.
const FLUSH_PERIOD: Duration = Duration::from_millis(50);
/// Rows that may wait for the disk: a second of the fastest PandA. Those beyond wait in the PandA.
const QUEUE_BYTES: u64 = 64 << 20;

/// Captures until the end, and prints what came of it.
pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let system = real_system();
    let done = system.block_on(record(arguments));
    // To drop it would wait for threads that a file system or a network may hold for ever.
    std::mem::forget(system);
    done
}

async fn record(arguments: &Arguments) -> Result<(), CliError> {
    let signals = Signals::of_process();
    let out = &arguments.out;
    if out.exists() {
        let reason = format!("{}: there is a file of that name", out.display());
        return Err(CliError::usage("--out", reason));
    }
    let config = StorageConfig {
        flush_period: FLUSH_PERIOD,
        queue_bytes: QUEUE_BYTES,
        ..StorageConfig::default()
    };
    let clock = Clock::real();
    let storage = StorageClient::hdf5(config, clock.clone());
    let storage = storage.map_err(|error| CliError::failed("storage", error.to_string()))?;
    Storage::new(storage.clone()).start();
    let session = Session { arguments, clock, storage: storage.clone() };
    let done = session.run(signals).await;
    storage.shutdown().await;
    done
}

struct Session<'a> {
    arguments: &'a Arguments,
    clock: Clock,
    storage: StorageClient,
}

/// Why rows stopped coming.
enum Stopped {
    /// The PandA ended the capture, or the connection broke.
    ByItself,
    /// There are as many rows as were asked for.
    Enough,
    BySignal,
}

impl Session<'_> {
    async fn run(&self, mut signals: Signals) -> Result<(), CliError> {
        let (control, mut capture) = tokio::select! { biased;
            started = self.start() => started?,
            () = signals.reach(1) => {
                return Err(CliError::aborted("panda", "interrupted by a signal before it began"));
            }
        };
        let (stopped, end) = self.capture(control.as_ref(), &mut capture, &mut signals).await?;
        let finished = self.finish(control.as_ref(), capture, stopped, end);
        signals.patiently(finished).await.unwrap_or_else(|| {
            let message = "a second signal: the end of the capture was not waited for";
            Err(CliError::failed("panda", message))
        })
    }

    /// The control port, and rows that are asked for: an arm from now on misses nothing.
    async fn start(&self) -> Result<(Option<Control>, CaptureHandle), CliError> {
        let address = self.arguments.address.clone();
        let control = Control::connect(&address, ANSWER_WITHIN, self.clock.clone()).await;
        let control = match control {
            Ok(control) => Some(control),
            Err(error) if self.arguments.arm => return Err(failed(&error)),
            Err(error) => {
                tracing::warn!(%error, "the PandA is not asked what it captured");
                None
            }
        };
        let asked = match &control {
            Some(control) => Some(control.captured().await.map_err(|error| failed(&error))?),
            None => None,
        };
        let process = if self.arguments.scaled { Process::Scaled } else { Process::Raw };
        let request = DataRequest::framed(process);
        let connect = move || connect_data(&address, request, ANSWER_WITHIN);
        let socket = self.clock.foreign(connect).await.map_err(|error| failed(&error))?;
        let target = Target::New { path: self.arguments.out.clone(), run_uid: None };
        let settings = Settings { plan: self.plan(asked), ..Settings::new(request, target) };
        let capture = CaptureHandle::on_thread(socket, settings, self.storage.clone());
        let mut capture = capture.map_err(|error| failed(&error))?;
        let mut progress = capture.progress();
        tokio::select! { biased;
            accepted = progress.wait_for(|progress| progress.is_accepted) => drop(accepted),
            finished = capture.finished() => finished.map_err(|error| failed(&error))?,
        }
        Ok((control, capture))
    }

    fn plan(&self, asked: Option<Vec<Captured>>) -> ArmPlan {
        let rows = self.arguments.rows.map(NonZeroU64::get);
        ArmPlan { first_row: None, expected: rows, most: rows, asked }
    }

    /// Captures until rows stop coming, for whatever reason; what came of the arm if it has ended.
    async fn capture(
        &self,
        control: Option<&Control>,
        capture: &mut CaptureHandle,
        signals: &mut Signals,
    ) -> Result<(Stopped, Option<ArmEnd>), CliError> {
        let (mut progress, shown) = (capture.progress(), capture.progress());
        let mut display = Display::new(self.clock.clone());
        let to_the_end = async {
            if let Some(control) = control.filter(|_| self.arguments.arm) {
                control.arm(ARM_WITHIN).await.map_err(|error| failed(&error))?;
            }
            Ok(capture.ended().await)
        };
        let enough = async {
            let Some(rows) = self.arguments.rows else { return std::future::pending().await };
            if progress.wait_for(|progress| progress.kept >= rows.get()).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! { biased;
            end = to_the_end => Ok((Stopped::ByItself, end?)),
            () = signals.reach(1) => Ok((Stopped::BySignal, None)),
            () = enough => Ok((Stopped::Enough, None)),
            () = display.follow(&shown) => unreachable!("it never ends"),
        }
    }

    /// Ends the capture, puts what became of it into the file and on standard output.
    async fn finish(
        &self,
        control: Option<&Control>,
        mut capture: CaptureHandle,
        stopped: Stopped,
        end: Option<ArmEnd>,
    ) -> Result<(), CliError> {
        let end = match (&stopped, end) {
            (Stopped::ByItself, end) => end,
            (Stopped::Enough | Stopped::BySignal, _) => self.end(control, &mut capture).await,
        };
        capture.stop();
        let result = capture.finished().await.map_err(|error| error.to_string());
        let stream = capture.progress().borrow().stream.clone();
        let (Some(mut end), Some(stream)) = (end, stream) else {
            return Err(nothing_came(&stopped, result));
        };
        let tells = match control.filter(|_| end.told.is_some()) {
            Some(control) => control.tells().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the PandA does not tell what it captured");
                BoxTells::default()
            }),
            None => BoxTells::default(),
        };
        let record = ArmRecord::new(end.clone(), tells.clone());
        let recorded = stream.record(record.entry());
        let closed = stream.close().await;
        // What is on disk, also if it takes no more.
        let committed = stream.watch().borrow().committed;
        end.kept = end.kept.min(committed.saturating_sub(end.first_row));
        let summary = Summary {
            path: self.arguments.out.clone(),
            record: ArmRecord::new(end, tells),
            columns: stream.plan().columns.len(),
            bytes: closed.as_ref().ok().map(|summary| summary.bytes),
        };
        self.print(&summary)?;
        let stored = recorded.and(closed.map(drop)).map_err(|error| error.to_string());
        verdict(&summary, &stopped, result.and(stored))
    }

    /// Ends an arm that has not ended.
    async fn end(&self, control: Option<&Control>, capture: &mut CaptureHandle) -> Option<ArmEnd> {
        if let Some(control) = control.filter(|_| self.arguments.arm) {
            match control.disarm().await {
                Ok(()) => {
                    let end = self.clock.timeout(END_WITHIN, capture.ended()).await;
                    if let Ok(Some(end)) = end {
                        return Some(end);
                    }
                    tracing::warn!("the PandA does not tell the end of the capture");
                }
                Err(error) => tracing::error!(%error, "the PandA may still be armed"),
            }
        }
        capture.stop();
        capture.ended().await
    }

    fn print(&self, summary: &Summary) -> Result<(), CliError> {
        let text = match self.arguments.format {
            Format::Text => summary.to_string(),
            Format::Json => summary.to_json().to_string(),
        };
        writeln!(io::stdout(), "{text}").map_err(|error| CliError::output(&error))
    }
}

fn failed(error: &impl ToString) -> CliError {
    CliError::failed("panda", error.to_string())
}

fn nothing_came(stopped: &Stopped, result: Result<(), String>) -> CliError {
    match (result, stopped) {
        (Err(error), _) => failed(&error),
        (Ok(()), Stopped::BySignal) => {
            CliError::aborted("panda", "interrupted by a signal before a capture began")
        }
        (Ok(()), Stopped::ByItself | Stopped::Enough) => {
            failed(&"the connection was closed before a capture began")
        }
    }
}

/// Whether all rows are there, and why not.
fn verdict(
    summary: &Summary,
    stopped: &Stopped,
    result: Result<(), String>,
) -> Result<(), CliError> {
    let record = &summary.record;
    let kept = format!("{} rows are in {}", record.end.kept, summary.path.display());
    if let Err(error) = result {
        return Err(CliError::failed("panda", format!("{error}; {kept}")));
    }
    let was_disarmed = matches!(record.end.told, Some((_, EndReason::Disarmed)));
    match stopped {
        Stopped::BySignal => {
            Err(CliError::aborted("panda", format!("interrupted by a signal; {kept}")))
        }
        Stopped::ByItself if was_disarmed => {
            Err(CliError::aborted("panda", format!("disarmed by somebody else; {kept}")))
        }
        Stopped::ByItself | Stopped::Enough if record.problems.is_empty() => Ok(()),
        Stopped::ByItself | Stopped::Enough => {
            Err(CliError::failed("panda", format!("{}; {kept}", record.problems_text())))
        }
    }
}
