//! `bluefly ctl`: talks to a running process.
mod arguments;
mod device;
mod documents;
mod follow;
mod queue;
mod render;
mod run;
mod screen;
mod step;
mod vigil;

pub(crate) use arguments::Arguments;

use super::{CliError, Format, error::Code, text::visible};
use crate::client::{Answer, Call, Client, ClientError, Server};
use arguments::{Command, QueueCommand, ServerArguments};
use bluefly_actors::system::real_system;
use bluefly_protocol::api::ApiError;
use clap::CommandFactory as _;
use serde::de::DeserializeOwned;
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

/// A server, and how to print what it says.
struct Remote {
    client: Client,
    format: Format,
}

/// Does what was asked, or says why not.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    if let Command::Completions { shell } = &arguments.command {
        return completions(*shell);
    }
    let system = real_system();
    let done = system.block_on(run_here(arguments));
    // To drop it would wait for a look-up of a name, which has no time-out.
    std::mem::forget(system);
    done
}

async fn run_here(arguments: &Arguments) -> Result<(), CliError> {
    let server = server(&arguments.server)?;
    let url = server.url.clone();
    let client = Client::new(server).map_err(|error| unanswered(&url, error))?;
    let remote = Remote { client, format: arguments.format };
    match &arguments.command {
        Command::Status => remote.print(Call::get("status"), render::status).await,
        Command::Run(arguments) => run::run(&remote, arguments).await,
        Command::Stage(arguments) => step::stage(&remote, arguments).await,
        Command::Prepare(arguments) => step::prepare(&remote, arguments).await,
        Command::Kickoff(arguments) => step::kickoff(&remote, arguments).await,
        Command::Pause(arguments) => step::pause(&remote, arguments).await,
        Command::Resume(arguments) => step::resume(&remote, arguments).await,
        Command::Abort(arguments) => step::abort(&remote, arguments).await,
        Command::Stop(arguments) => step::stop(&remote, arguments).await,
        Command::Unstage(arguments) => step::unstage(&remote, arguments).await,
        Command::Watch(arguments) => run::watch(&remote, arguments).await,
        Command::Queue { command } => match command {
            QueueCommand::List => queue::list(&remote).await,
            QueueCommand::Move(arguments) => queue::place(&remote, arguments).await,
            QueueCommand::Cancel(arguments) => queue::cancel(&remote, arguments).await,
            QueueCommand::Hold(arguments) => queue::hold(&remote, arguments).await,
            QueueCommand::Release => queue::release(&remote).await,
        },
        Command::Runs(arguments) => queue::runs(&remote, arguments).await,
        Command::Documents(arguments) => documents::print(&remote, arguments).await,
        Command::Devices(arguments) => device::devices(&remote, arguments).await,
        Command::Set(arguments) => device::set(&remote, arguments).await,
        Command::Halt(arguments) => device::halt(&remote, arguments).await,
        Command::Trigger(arguments) => device::trigger(&remote, arguments).await,
        Command::Tree => remote.print(Call::get("tree"), render::tree).await,
        Command::Completions { .. } => unreachable!("it needs no server"),
    }
}

/// Where the server is, and the token that opens it.
fn server(arguments: &ServerArguments) -> Result<Server, CliError> {
    let token = arguments.token_file.as_deref().map(token).transpose()?;
    let seconds = arguments.timeout;
    let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| !timeout.is_zero());
    let timeout = timeout.filter(|timeout| *timeout <= Duration::from_hours(1));
    let timeout = timeout.ok_or_else(|| {
        CliError::usage("--timeout", format!("{seconds} s is no time-out: must be above 0 to 3600"))
    })?;
    Ok(Server { url: arguments.url.clone(), token, ca_file: arguments.ca_file.clone(), timeout })
}

/// The one line of the file of a token.
fn token(path: &Path) -> Result<String, CliError> {
    let wrong = |why: String| CliError::input("--token-file", format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(wrong("has no token: expected one line of visible characters".to_owned()));
    }
    Ok(token.to_owned())
}

/// The script that teaches a shell the commands of bluefly.
fn completions(shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut super::Arguments::command(), "bluefly", &mut script);
    io::stdout().write_all(&script).map_err(|error| CliError::output(&error))
}

impl Remote {
    async fn ask(&self, call: Call) -> Result<Answer, CliError> {
        self.client.ask(call).await.map_err(|error| self.unanswered(error))
    }

    fn parse<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, CliError> {
        answer.parse().map_err(|error| self.unanswered(error))
    }

    fn unanswered(&self, error: ClientError) -> CliError {
        unanswered(self.client.url(), error)
    }

    /// Prints what the server answers: for programs as it came, for people as `render` has it.
    async fn print<T: DeserializeOwned>(
        &self,
        call: Call,
        render: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        let answer = self.ask(call).await?;
        self.show(&answer, render)
    }

    fn show<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        render: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Json => say(&format!("{}\n", answer.text())),
            Format::Text => say(&visible(&render(&self.parse(answer)?))),
        }
    }
}

/// Prints to standard output at once, so that a reader of a pipe sees it.
fn say(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))
}

/// How a command ends that got no answer, or none that helps.
fn unanswered(url: &str, error: ClientError) -> CliError {
    match error {
        ClientError::Refused(error) => refused(error),
        ClientError::Setting { argument, ref rule } => CliError::usage(argument, rule.clone()),
        ClientError::NoServer { .. }
        | ClientError::Timeout { .. }
        | ClientError::Cut { .. }
        | ClientError::Busy { .. }
        | ClientError::Foreign { .. } => CliError::failed(url, error.to_string()),
    }
}

/// How a command ends that the server answered with an error. What was refused or is wrong is the
/// caller's to mend, anything else is not.
fn refused(error: ApiError) -> CliError {
    let is_ours = (400..500).contains(&error.code.http_status())
        && !matches!(error.code.http_status(), 408 | 429);
    let code = if is_ours { Code::Input } else { Code::Failed };
    CliError::remote(code, error)
}
