//! [`Reader`]: a client of the data port.
use super::{
    base64,
    experiment::{Block, Experiment, Lookup},
    fault::Fault,
    fpga::EndReason,
    header::{self, Preamble},
    layout::{Layout, Scaled},
    number::general,
    options::{Format, HeaderForm, Options, Process},
    time::iso_8601,
};
use std::time::Duration;

/// What a client of the data port was sent, and where it is.
#[derive(Debug, Default)]
pub(super) struct Reader {
    stage: Stage,
    pub(super) output: Vec<u8>,
}

#[derive(Debug)]
enum Stage {
    /// With what came of the line so far.
    Options(Vec<u8>),
    /// Waits for an arming.
    Idle(Options),
    Takes(Options, Progress),
    /// Nothing more is said once all is sent.
    Ends,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Options(Vec::new())
    }
}

/// How far a reader has come in an experiment.
#[derive(Clone, Copy, Debug)]
struct Progress {
    has_header: bool,
    /// The next block.
    block: u64,
    missed: u64,
    rows: u64,
    /// All was said; what is not sent yet keeps it busy.
    is_done: bool,
}

/// More is encoded once less than this waits to be sent.
const HIGH_WATER: usize = 256 << 10;
const MAX_OPTIONS: usize = 1_022;
/// Bytes of a frame of scaled rows, with its head.
const SCALED_FRAME: usize = 65_536;
const FRAME_HEAD: usize = 8;
/// Bytes in a line of base64.
const BASE64_LINE: usize = 57;

impl Reader {
    /// Takes what the client sent; `current` is the experiment that is under way.
    pub(super) fn receive(&mut self, bytes: &[u8], current: Option<&Experiment>) {
        let Stage::Options(line) = &mut self.stage else { return };
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            line.extend_from_slice(bytes);
            if line.len() > MAX_OPTIONS {
                self.stage = Stage::Ends;
            }
            return;
        };
        line.extend_from_slice(&bytes[..end]);
        if line.len() > MAX_OPTIONS {
            self.stage = Stage::Ends;
            return;
        }
        match Options::parse(line) {
            Ok(options) => {
                if options.has_status {
                    self.output.extend_from_slice(b"OK\n");
                }
                self.stage = Stage::Idle(options);
                if let Some(experiment) = current {
                    self.begin(experiment);
                }
            }
            Err(fault) => self.refuse(&fault),
        }
    }

    fn refuse(&mut self, fault: &Fault) {
        self.output.extend_from_slice(format!("ERR {}\n", fault.text()).as_bytes());
        self.stage = Stage::Ends;
    }

    /// Takes part in an experiment from the oldest rows that are still there.
    pub(super) fn begin(&mut self, experiment: &Experiment) {
        if let Stage::Idle(options) = self.stage {
            let (block, missed) = experiment.oldest();
            let progress = Progress { has_header: false, block, missed, rows: 0, is_done: false };
            self.stage = Stage::Takes(options, progress);
        }
    }

    /// Whether its options were taken and it was not ended since.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.stage, Stage::Idle(_) | Stage::Takes(..))
    }

    /// Whether it takes data or has some to take.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Takes(..))
    }

    /// Whether the connection is to be closed.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ends) && self.output.is_empty()
    }

    /// Encodes what there is, as far as there is room for it; `start_time` is that of the latest
    /// start of any experiment.
    pub(super) fn pump(&mut self, experiment: &Experiment, start_time: Duration) {
        let Stage::Takes(options, mut progress) = self.stage else { return };
        while self.output.len() < HIGH_WATER && !progress.is_done {
            if !progress.has_header {
                if !experiment.has_started() && experiment.end.is_none() {
                    break;
                }
                self.add_header(options, &progress, experiment, start_time);
                progress.has_header = true;
            }
            match experiment.block(progress.block) {
                Lookup::There(block) => {
                    self.add_block(options, &experiment.layout, &block);
                    progress.block += 1;
                    progress.rows += block.num_rows;
                }
                Lookup::Gone => {
                    self.add_end(options, progress.rows, "Data overrun");
                    progress.is_done = true;
                }
                Lookup::NotYet => {
                    let Some(reason) = experiment.end else { break };
                    self.add_end(options, progress.rows, reason.text());
                    progress.is_done = true;
                }
            }
        }
        self.stage = match (progress.is_done, options.is_one_shot) {
            (true, true) if self.output.is_empty() => Stage::Ends,
            (true, false) if self.output.is_empty() => Stage::Idle(options),
            _ => Stage::Takes(options, progress),
        };
    }

    fn add_header(
        &mut self,
        options: Options,
        progress: &Progress,
        experiment: &Experiment,
        start_time: Duration,
    ) {
        let layout = &experiment.layout;
        let bytes = match options.process {
            Process::Scaled => layout.scaled_row_bytes(),
            Process::Raw => layout.raw_row_bytes(),
        };
        let preamble = Preamble {
            arm_time: iso_8601(experiment.armed_at, 9),
            start_time: iso_8601(start_time, 9),
            missed: progress.missed,
            process: options.process.name(),
            format: options.format.name(),
            sample_bytes: (options.format != Format::Ascii).then_some(bytes),
        };
        let header = match (options.header, options.process) {
            (HeaderForm::None, _) => return,
            (HeaderForm::Plain, Process::Raw) => header::plain(&preamble, layout.raw_entries()),
            (HeaderForm::Plain, Process::Scaled) => {
                header::plain(&preamble, layout.scaled_entries())
            }
            (HeaderForm::Xml, Process::Raw) => header::xml(&preamble, layout.raw_entries()),
            (HeaderForm::Xml, Process::Scaled) => header::xml(&preamble, layout.scaled_entries()),
        };
        self.output.extend_from_slice(header.as_bytes());
    }

    fn add_block(&mut self, options: Options, layout: &Layout, block: &Block) {
        match options.process {
            Process::Raw => self.add_rows(options.format, &block.bytes, layout.raw_row_bytes()),
            Process::Scaled if options.format == Format::Ascii => {
                for row in block.bytes.chunks_exact(layout.raw_row_bytes()) {
                    add_scaled_line(layout, row, &mut self.output);
                }
            }
            Process::Scaled => {
                let row_bytes = layout.scaled_row_bytes();
                let rows = (SCALED_FRAME - FRAME_HEAD) / row_bytes;
                let mut scaled = Vec::with_capacity(rows * row_bytes);
                for part in block.bytes.chunks(rows * layout.raw_row_bytes()) {
                    scaled.clear();
                    for row in part.chunks_exact(layout.raw_row_bytes()) {
                        add_scaled(layout, row, &mut scaled);
                    }
                    self.add_rows(options.format, &scaled, row_bytes);
                }
            }
        }
    }

    fn add_rows(&mut self, format: Format, bytes: &[u8], row_bytes: usize) {
        let output = &mut self.output;
        match format {
            Format::Framed => {
                output.extend_from_slice(b"BIN ");
                output.extend_from_slice(&((bytes.len() + FRAME_HEAD) as u32).to_le_bytes());
                output.extend_from_slice(bytes);
            }
            Format::Unframed => output.extend_from_slice(bytes),
            Format::Base64 => {
                for line in bytes.chunks(BASE64_LINE) {
                    output.push(b' ');
                    base64::encode(line, output);
                    // The server sends the zero at the end of its string as well.
                    output.extend_from_slice(b"\0\n");
                }
            }
            Format::Ascii => {
                for row in bytes.chunks_exact(row_bytes) {
                    for word in row.as_chunks::<4>().0 {
                        let word = u32::from_le_bytes(*word);
                        output.extend_from_slice(format!(" 0x{word:08x}").as_bytes());
                    }
                    output.push(b'\n');
                }
            }
        }
    }

    fn add_end(&mut self, options: Options, rows: u64, reason: &str) {
        if options.has_status {
            self.output.extend_from_slice(format!("END {rows} {reason}\n").as_bytes());
        }
    }
}

impl EndReason {
    /// As the server words it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::Disarmed => "Disarmed",
            Self::FramingError => "Framing error",
            Self::Overflow => "DMA data error",
        }
    }
}

fn add_scaled(layout: &Layout, row: &[u8], out: &mut Vec<u8>) {
    for value in layout.scaled(row) {
        match value {
            Scaled::Bits(bits) => out.extend_from_slice(&bits.to_le_bytes()),
            Scaled::Double(value) => out.extend_from_slice(&value.to_le_bytes()),
        }
    }
}

fn add_scaled_line(layout: &Layout, row: &[u8], out: &mut Vec<u8>) {
    for value in layout.scaled(row) {
        let text = match value {
            Scaled::Bits(bits) => bits.to_string(),
            Scaled::Double(value) => general(value, 10),
        };
        out.push(b' ');
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'\n');
}
