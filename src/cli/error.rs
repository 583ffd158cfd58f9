//! [`CliError`]: how a command ends when it does not succeed.
use serde_json::json;
use std::{io, process::ExitCode};

/// What kind of end it was; decides the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The command line is wrong.
    Usage,
    /// What the command was given to read is wrong.
    Input,
    /// Somebody ended it.
    Aborted,
    /// It did not work.
    Failed,
    /// Whoever read our output has seen enough. Nothing is said about it.
    OutputClosed,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Input => "input",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
            Self::OutputClosed => "output_closed",
        }
    }

    /// 0 done, 2 bad usage or bad input, 3 aborted, 4 failed.
    const fn exit_status(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Usage | Self::Input => 2,
            Self::Aborted => 3,
            Self::Failed => 4,
        }
    }
}

/// Why a command ended, and where to look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{where_}: {message}")]
pub(crate) struct CliError {
    pub(crate) code: Code,
    /// File and key, node of a scan specification, or argument.
    pub(crate) where_: String,
    /// What is wrong and what was expected, in one line.
    pub(crate) message: String,
}

/// How errors are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    /// One line for people.
    Text,
    /// `{"error": {"code", "where", "message"}}`, in one line.
    Json,
}

impl CliError {
    /// What was given to read at `where_` is wrong.
    pub(crate) fn input(where_: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::Input, where_: where_.into(), message: message.into() }
    }

    /// The command line is wrong at `where_`.
    pub(crate) fn usage(where_: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::Usage, where_: where_.into(), message: message.into() }
    }

    /// `what` was ended by somebody.
    pub(crate) fn aborted(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::Aborted, where_: what.into(), message: message.into() }
    }

    /// `what` did not work.
    pub(crate) fn failed(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::Failed, where_: what.into(), message: message.into() }
    }

    /// Writing to standard output failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::BrokenPipe => Code::OutputClosed,
            _ => Code::Failed,
        };
        Self { code, where_: "standard output".into(), message: error.to_string() }
    }

    /// Prints the error and returns the exit status.
    pub(crate) fn report(&self, format: ErrorFormat) -> ExitCode {
        if self.code != Code::OutputClosed {
            match format {
                ErrorFormat::Text => eprintln_lossy(&format!("error: {self}")),
                ErrorFormat::Json => eprintln_lossy(&self.to_json().to_string()),
            }
        }
        ExitCode::from(self.code.exit_status())
    }

    fn to_json(&self) -> serde_json::Value {
        json!({"error": {
            "code": self.code.as_str(), "where": self.where_, "message": self.message,
        }})
    }
}

/// Prints to standard error; if that is closed, the exit status alone has to tell.
fn eprintln_lossy(line: &str) {
    use io::Write as _;
    let written = writeln!(io::stderr(), "{line}");
    drop(written);
}
