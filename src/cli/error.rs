//! [`CliError`]: how a command ends when it does not succeed.
use super::text::{one_line, visible};
use crate::{
    epics,
    process::{Halted, StartError},
};
use bluefly_protocol::{api::ApiError, name::Name};
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
    /// The error of the server that was asked.
    pub(crate) remote: Option<Box<ApiError>>,
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
    fn new(code: Code, where_: impl Into<String>, message: impl Into<String>) -> Self {
        let (where_, message) = (visible(&where_.into()), visible(&message.into()));
        Self { code, where_, message, remote: None }
    }

    /// What was given to read at `where_` is wrong.
    pub(crate) fn input(where_: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::Input, where_, message)
    }

    /// The command line is wrong at `where_`.
    pub(crate) fn usage(where_: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::Usage, where_, message)
    }

    /// `what` was ended by somebody.
    pub(crate) fn aborted(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::Aborted, what, message)
    }

    /// `what` did not work.
    pub(crate) fn failed(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::Failed, what, message)
    }

    /// What ended well has failed if devices may not be safe after it.
    pub(crate) fn unless_safe<T>(ended: Result<T, Self>, halted: &Halted) -> Result<T, Self> {
        let names: Vec<&str> = halted.may_not_be_safe.iter().map(Name::as_str).collect();
        if names.is_empty() {
            return ended;
        }
        let reason = format!("{} may not be safe: look", names.join(", "));
        ended.and_then(|_| Err(Self::failed("end", reason)))
    }

    /// The server that was asked answered with `error`, which names phase and device where there is
    /// one.
    pub(crate) fn remote(code: Code, error: ApiError) -> Self {
        let mut message = one_line(&error.message);
        for (what, name) in [("phase", &error.phase), ("device", &error.device)] {
            let name = name.as_ref().filter(|name| **name != error.place);
            let untold = name.filter(|name| !message.contains(name.as_str()));
            message += &untold.map_or_else(String::new, |name| format!(" ({what} {name})"));
        }
        let remote = Some(Box::new(error.clone()));
        Self { remote, ..Self::new(code, error.place, message) }
    }

    /// A beamline could not be put into operation.
    pub(crate) fn not_started(error: &StartError) -> Self {
        match error {
            StartError::Directory { .. } => Self::usage("--out", error.to_string()),
            StartError::NoGenerator(_) => Self::input("beamline", error.to_string()),
            StartError::Unconnected(missing) if missing.is_beyond("ca://") => {
                Self::failed("start", format!("{error}; {}", epics::looked_at()))
            }
            StartError::Taken { .. }
            | StartError::Storage(_)
            | StartError::Connect { .. }
            | StartError::Away { .. }
            | StartError::Wiring(_)
            | StartError::Capture(_)
            | StartError::Sequencer { .. }
            | StartError::Unconnected(_)
            | StartError::NotUp(_) => Self::failed("start", error.to_string()),
        }
    }

    /// Writing to standard output failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::BrokenPipe => Code::OutputClosed,
            _ => Code::Failed,
        };
        Self::new(code, "standard output", error.to_string())
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

    /// An error of a server keeps its own code, phase and device.
    fn to_json(&self) -> serde_json::Value {
        if let Some(error) = &self.remote {
            return json!({"error": error});
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_actors::supervise::Exit;
    use bluefly_protocol::api::ErrorCode;

    #[test]
    fn an_error_of_a_server_tells_phase_and_device_once() {
        let check = |phase: Option<&str>, device: Option<&str>, expected: &str| {
            let error = ApiError {
                phase: phase.map(str::to_owned),
                device: device.map(str::to_owned),
                ..ApiError::new(ErrorCode::Refused, "camera", "cannot pause\nwhile idle")
            };
            assert_eq!(CliError::remote(Code::Input, error).to_string(), expected);
        };
        check(None, None, "camera: cannot pause while idle");
        check(Some("idle"), Some("camera"), "camera: cannot pause while idle");
        check(Some("staged"), None, "camera: cannot pause while idle (phase staged)");
        check(None, Some("x"), "camera: cannot pause while idle (device x)");
    }

    #[test]
    fn a_process_that_left_devices_as_they_were_ended_well() {
        let halted = |names: &[&str]| Halted {
            exit: Exit::Shutdown,
            may_not_be_safe: names.iter().map(|name| name.parse().expect("a name")).collect(),
        };
        assert_eq!(CliError::unless_safe(Ok(7), &halted(&[])), Ok(7));
        let left = halted(&["camera", "x"]);
        let told = CliError::failed("end", "camera, x may not be safe: look");
        assert_eq!(CliError::unless_safe(Ok(7), &left), Err(told));
        let worse = CliError::failed("serve", "a second signal");
        assert_eq!(CliError::unless_safe::<u8>(Err(worse.clone()), &left), Err(worse));
    }
}
