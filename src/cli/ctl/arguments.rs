//! What `bluefly ctl` may be asked.
use super::Format;
use bluefly_protocol::name::Name;
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Exit status: 0 done, 2 refused or bad input, 3 the run was aborted, 4 failed.\n\
                  Example: bluefly ctl status\n         \
                  bluefly ctl run etc/demo.json --watch"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) server: ServerArguments,
    /// Text for people, or the JSON of the server for programs
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(super) format: Format,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// Where the process listens
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "BLUEFLY_URL",
        default_value = "http://127.0.0.1:8470",
        value_hint = ValueHint::Url
    )]
    pub(super) url: String,
    /// The file of the token that the process asks for
    #[arg(long, global = true, value_name = "FILE", env = "BLUEFLY_TOKEN_FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Certificates (PEM) of those who vouch for an https server; those of the system if not given
    #[arg(long, global = true, value_name = "FILE", env = "BLUEFLY_CA_FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// The longest that an answer may take
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10.0)]
    pub(super) timeout: f64,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell where the process and its run stand
    #[command(after_help = "Example: bluefly ctl status")]
    Status,
    /// Submit a run; it is flown when its turn has come
    Run(RunArguments),
    /// Bring the scan to rest at the next complete frame
    #[command(after_help = "Example: bluefly ctl pause")]
    Pause(WaitArguments),
    /// Go on with a paused scan
    Resume(ResumeArguments),
    /// End the run early; what was taken is kept, and the run counts as aborted
    Abort(AbortArguments),
    /// End the run early; what was taken is kept, and the run counts as done
    #[command(after_help = "Example: bluefly ctl stop")]
    Stop(WaitArguments),
    /// Begin a run step by step: make the detectors ready for new files
    Stage(StageArguments),
    /// Check a specification and plan the scan
    Prepare(PrepareArguments),
    /// Start the prepared scan
    Kickoff(KickoffArguments),
    /// End a run that was taken step by step
    #[command(after_help = "Example: bluefly ctl unstage")]
    Unstage(WaitArguments),
    /// Show how far the run has come, until it ends
    Watch(WatchArguments),
    /// Show and change the order of runs that wait
    Queue {
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// List runs: the one in the air, those that wait, and those that have ended
    Runs(RunsArguments),
    /// Print the documents of a run
    Documents(DocumentsArguments),
    /// List the devices, or show one
    Devices(DevicesArguments),
    /// Move a motor
    Set(SetArguments),
    /// Stop a device; legal at any time
    #[command(after_help = "Example: bluefly ctl halt x")]
    Halt(DeviceArguments),
    /// Take one frame with a detector, which goes into no file
    #[command(after_help = "Example: bluefly ctl trigger camera")]
    Trigger(DeviceArguments),
    /// Draw the tree of actors
    #[command(after_help = "Example: bluefly ctl tree")]
    Tree,
    /// Print a script that teaches a shell the commands of bluefly
    #[command(
        after_help = "Example: bluefly ctl completions bash > ~/.local/share/bash-completion/completions/bluefly"
    )]
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl run etc/demo.json --watch --metadata sample=gold")]
pub(super) struct RunArguments {
    /// The scan specification; `-` reads standard input
    #[arg(value_name = "SPEC.json", value_hint = ValueHint::FilePath)]
    pub(super) spec: PathBuf,
    /// End when the run has ended, and as it did
    #[arg(long)]
    pub(super) wait: bool,
    /// Like --wait, and show how far it has come
    #[arg(long, conflicts_with = "wait")]
    pub(super) watch: bool,
    /// A field of the start document; a value that is JSON is taken as such, any other as text
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) metadata: Vec<String>,
}

/// How long to wait for what was asked.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct WaitArguments {
    /// The longest that is waited until it is done; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(super) wait: f64,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl resume --retake 10")]
pub(super) struct ResumeArguments {
    /// Complete frames to take again
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) retake: u64,
    /// The longest that is waited until the scan has ended
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub(super) wait: f64,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl abort --reason \"wrong sample\"")]
pub(super) struct AbortArguments {
    /// Stands in the stop document
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) wait: WaitArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl stage --metadata sample=gold")]
pub(super) struct StageArguments {
    /// A field of the start document; a value that is JSON is taken as such, any other as text
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) metadata: Vec<String>,
    #[command(flatten)]
    pub(super) wait: WaitArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl prepare etc/demo.json")]
pub(super) struct PrepareArguments {
    /// The scan specification; `-` reads standard input
    #[arg(value_name = "SPEC.json", value_hint = ValueHint::FilePath)]
    pub(super) spec: PathBuf,
    #[command(flatten)]
    pub(super) wait: WaitArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl kickoff")]
pub(super) struct KickoffArguments {
    /// The longest that is waited until the scan has ended
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub(super) wait: f64,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example: bluefly ctl watch\n         bluefly ctl watch --format json | jq .event"
)]
pub(super) struct WatchArguments {
    /// Go on for ever, one run after the other
    #[arg(long)]
    pub(super) follow: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// List the run in the air and those that wait
    #[command(after_help = "Example: bluefly ctl queue list")]
    List,
    /// Move a run that waits to another place
    Move(MoveArguments),
    /// Take a run out of the queue
    #[command(
        after_help = "Example: bluefly ctl queue cancel 01234567-89ab-cdef-0123-456789abcdef"
    )]
    Cancel(UidArguments),
    /// Begin no further run; the one in the air goes on
    Hold(HoldArguments),
    /// Begin runs again when their turn comes
    #[command(after_help = "Example: bluefly ctl queue release")]
    Release,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl queue move 01234567-89ab-cdef-0123-456789abcdef 0")]
pub(super) struct MoveArguments {
    /// The run
    #[arg(value_name = "UID")]
    pub(super) uid: String,
    /// Runs that are to be before it
    #[arg(value_name = "PLACE")]
    pub(super) place: u64,
}

#[derive(Debug, Args)]
pub(super) struct UidArguments {
    /// The run
    #[arg(value_name = "UID")]
    pub(super) uid: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl queue hold --reason \"sample change\"")]
pub(super) struct HoldArguments {
    /// Told to whoever looks at the queue
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl runs --state failed --limit 10")]
pub(super) struct RunsArguments {
    /// Show this one
    #[arg(value_name = "UID", conflicts_with_all = ["state", "limit"])]
    pub(super) uid: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum)]
    pub(super) state: Option<RunStateArgument>,
    /// No more than so many that have ended
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
}

/// States of a run by which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RunStateArgument {
    Queued,
    Running,
    Done,
    Aborted,
    Failed,
    Cancelled,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example: bluefly ctl documents 01234567-89ab-cdef-0123-456789abcdef --format json > run.jsonl"
)]
pub(super) struct DocumentsArguments {
    /// The run
    #[arg(value_name = "UID")]
    pub(super) uid: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl devices camera")]
pub(super) struct DevicesArguments {
    /// Show this one
    #[arg(value_name = "NAME")]
    pub(super) name: Option<Name>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: bluefly ctl set x 1.5")]
pub(super) struct SetArguments {
    /// The motor
    #[arg(value_name = "NAME")]
    pub(super) name: Name,
    /// In the units of the motor
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub(super) value: f64,
    #[command(flatten)]
    pub(super) wait: WaitArguments,
}

#[derive(Debug, Args)]
pub(super) struct DeviceArguments {
    /// The device
    #[arg(value_name = "NAME")]
    pub(super) name: Name,
    #[command(flatten)]
    pub(super) wait: WaitArguments,
}
