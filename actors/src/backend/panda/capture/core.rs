//! [`Capture`]: bytes of a data port in, rows of a file out.
use super::{
    ArmEnd, ArmPlan, CaptureError, FileColumn, FileLayout, batches::Batches, layout, stream_plan,
};
use crate::storage::{Rows, StreamPlan};
use bluefly_protocol::panda::{
    EndReason,
    data::{DataDecoder, DataError, DataRequest, Event, Header, Process},
};
use std::path::PathBuf;

/// What is to be done with what came.
#[derive(Debug)]
pub enum Step {
    /// The request for data was taken: from now on nothing is missed.
    Accepted,
    /// The file is to be made.
    Create(StreamPlan),
    /// Rows come, the first of which goes to `first_row`.
    Began {
        first_row: u64,
        /// Rows before it that were lost before this reader came.
        missed: u64,
        /// Whether there are rows in its place, which are to be written again.
        rewinds: bool,
    },
    Append(Rows),
    /// All rows of the arm were given out.
    Ended(Box<ArmEnd>),
}

/// The rows of one data port, arm after arm, on their way into one file.
///
/// Receive into [`space`](Self::space), tell [`received`](Self::received), and do all
/// [steps](Self::next_step) before the next. It holds one frame, its rows as columns and at most one
/// chunk before them.
#[derive(Debug)]
pub struct Capture {
    decoder: DataDecoder,
    process: Process,
    file: File,
    next_arm: ArmPlan,
    /// Whether an arm must be told where its rows are to go.
    needs_place: bool,
    num_arms: u64,
    /// One more than the highest row so far.
    behind: u64,
    arm: Option<Arm>,
    batches: Batches,
    began: Option<Step>,
    ended: Option<Box<ArmEnd>>,
    is_abandoned: bool,
}

/// Where rows go.
#[derive(Debug)]
enum File {
    /// It is made with the first arm.
    New {
        path: PathBuf,
        run_uid: Option<String>,
    },
    Made(Vec<FileColumn>),
}

/// The arm that is under way.
#[derive(Debug)]
struct Arm {
    layout: FileLayout,
    /// What is known so far; `kept` is the number of rows on their way.
    end: Box<ArmEnd>,
}

impl Capture {
    /// Rows of what follows `request` go to a file at `path`, which is made with the first arm.
    pub fn new(request: DataRequest, path: PathBuf, run_uid: Option<String>) -> Self {
        Self::to(request, File::New { path, run_uid })
    }

    /// Rows of what follows `request` go to a file that is there, with these columns, each arm where
    /// it is [expected](Self::expect) to; one that is not expected is an error.
    pub fn into_file(request: DataRequest, columns: Vec<FileColumn>) -> Self {
        Self { needs_place: true, ..Self::to(request, File::Made(columns)) }
    }

    fn to(request: DataRequest, file: File) -> Self {
        Self {
            decoder: DataDecoder::new(request),
            process: request.process,
            file,
            next_arm: ArmPlan::default(),
            needs_place: false,
            num_arms: 0,
            behind: 0,
            arm: None,
            batches: Batches::default(),
            began: None,
            ended: None,
            is_abandoned: false,
        }
    }

    /// Where to receive.
    pub fn space(&mut self) -> &mut [u8] {
        self.decoder.space()
    }

    /// Tells how much of the space was filled.
    pub fn received(&mut self, bytes: usize) {
        self.decoder.received(bytes);
    }

    /// Tells what is known of the next arm. What was asked for holds until it is told anew.
    pub fn expect(&mut self, plan: ArmPlan) {
        self.next_arm = plan;
    }

    /// Lets rows leave that do not fill a chunk.
    pub fn hand_over(&mut self) {
        self.batches.release();
    }

    /// Nothing has come for a while, and so no word of an overrun: what came before is sound.
    pub fn idle(&mut self) {
        self.batches.trust();
    }

    /// Whether a buffer is wanted back.
    pub const fn wants_spare(&self) -> bool {
        self.batches.wants_spare()
    }

    /// Takes a buffer back: rows that were given out and have been written.
    pub fn recycle(&mut self, rows: Rows) {
        self.batches.recycle(rows);
    }

    /// Rows of the arm that is under way: how many came, and how many of them are sound and kept.
    pub fn counts(&self) -> Option<(u64, u64)> {
        let kept = |arm: &Arm| arm.end.kept - self.batches.num_doubtful();
        self.arm.as_ref().map(|arm| (arm.end.received, kept(arm)))
    }

    /// Whether there are rows that have not left.
    pub fn has_rows(&self) -> bool {
        !self.batches.is_empty()
    }

    /// What began to come and is not yet whole.
    pub fn unfinished(&self) -> Option<&'static str> {
        match self.decoder.closed() {
            Err(DataError::ClosedBeforeAnswer) => Some("the answer to the request for data"),
            Err(DataError::ClosedInHeader { .. }) => Some("a header"),
            Err(DataError::ClosedInRows { .. }) => Some("a frame"),
            Ok(()) | Err(_) => None,
        }
    }

    /// Tells what is wrong if the connection was closed here.
    pub fn closed(&self) -> Result<(), CaptureError> {
        self.decoder.closed().map_err(CaptureError::Data)
    }

    /// Nothing more is taken: the arm that is under way ends with the rows that are sound.
    pub fn abandon(&mut self) {
        self.is_abandoned = true;
        if let Some(arm) = self.arm.take() {
            self.finish(arm, None);
        }
    }

    /// The next thing to do; `None` until more bytes have come.
    pub fn next_step(&mut self) -> Result<Option<Step>, CaptureError> {
        loop {
            if let Some(began) = self.began.take() {
                return Ok(Some(began));
            }
            if let Some(rows) = self.batches.take_full() {
                return Ok(Some(Step::Append(rows)));
            }
            if let Some(end) = self.ended.take() {
                return Ok(Some(Step::Ended(end)));
            }
            if self.is_abandoned {
                return Ok(None);
            }
            match self.decoder.next_event().map_err(CaptureError::Data)? {
                None => return Ok(None),
                Some(Event::Accepted) => return Ok(Some(Step::Accepted)),
                Some(Event::Header(header)) => {
                    let header = header.clone();
                    if let Some(create) = self.begin(&header)? {
                        return Ok(Some(create));
                    }
                }
                Some(Event::Rows { bytes, .. }) => {
                    let arm = self.arm.as_mut().expect("rows follow a header");
                    arm.take(bytes, &mut self.batches, self.process);
                }
                Some(Event::End { rows, reason, .. }) => {
                    let arm = self.arm.take().expect("an ending follows a header");
                    self.finish(arm, Some((rows, reason)));
                }
                Some(Event::Text { .. }) => unreachable!("frames were asked for"),
            }
        }
    }

    fn begin(&mut self, header: &Header) -> Result<Option<Step>, CaptureError> {
        let asked = self.next_arm.asked.clone();
        let plan = std::mem::replace(&mut self.next_arm, ArmPlan { asked, ..ArmPlan::default() });
        let arm = self.num_arms;
        if self.needs_place && plan.first_row.is_none() {
            return Err(CaptureError::Unexpected { arm });
        }
        let (layout, missed) = (FileLayout::of(header, &plan)?, header.missed);
        let (layout, create) = match &self.file {
            File::Made(columns) => {
                let layout = layout.arranged(columns);
                if let Some(difference) = layout::difference(columns, &layout.file_columns()) {
                    return Err(CaptureError::OtherColumns { arm, difference });
                }
                (layout, None)
            }
            File::New { path, run_uid } => {
                let columns = layout.file_columns();
                let create = Step::Create(stream_plan(&columns, path.clone(), run_uid.clone()));
                self.file = File::Made(columns);
                (layout, Some(create))
            }
        };
        // Of rows that have their places those that come are not moved to the places of the missed.
        let first_row = plan.first_row.map_or(self.behind, |first| first.saturating_add(missed));
        self.num_arms += 1;
        self.batches.begin(first_row);
        self.began = Some(Step::Began { first_row, missed, rewinds: first_row < self.behind });
        let end = Box::new(ArmEnd {
            arm,
            plan,
            first_row,
            kept: 0,
            received: 0,
            spoilt: 0,
            missed,
            told: None,
            arm_time: header.arm_time.clone(),
            start_time: header.start_time.clone(),
        });
        self.arm = Some(Arm { layout, end });
        Ok(create)
    }

    fn finish(&mut self, mut arm: Arm, told: Option<(u64, EndReason)>) {
        let may_be_spoilt = match &told {
            None | Some((_, EndReason::DataOverrun)) => true,
            Some(_) => false,
        };
        if may_be_spoilt {
            arm.end.spoilt = self.batches.num_doubtful();
            self.batches.discard();
        }
        self.batches.release();
        self.batches.trust();
        let end = self.batches.next();
        arm.end.kept = end - arm.end.first_row;
        arm.end.told = told;
        self.behind = self.behind.max(end);
        self.ended = Some(arm.end);
    }
}

impl Arm {
    fn take(&mut self, bytes: &[u8], batches: &mut Batches, process: Process) {
        // The server had more to send, so it had not lost what came before.
        batches.trust();
        let row_bytes = self.layout.row_bytes();
        let num_rows = (bytes.len() / row_bytes) as u64;
        self.end.received += num_rows;
        let room = self.end.plan.room().saturating_sub(self.end.kept + self.end.missed_places());
        let num_kept = num_rows.min(room);
        self.end.kept += num_kept;
        batches.push(&self.layout, &bytes[..num_kept as usize * row_bytes]);
        if process == Process::Scaled {
            batches.trust();
        }
    }
}
