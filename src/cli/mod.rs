//! The command line: what may be asked, and how each command ends.
mod check;
mod ctl;
mod demo;
mod error;
mod fly;
mod ioc;
mod panda;
mod points;
mod profile;
mod progress;
mod scan;
mod schema;
mod serve;
mod signals;
mod simulate;
mod table;
mod text;

pub(crate) use error::CliError;
pub(crate) use signals::Signals;

use crate::logging::{LogFormat, Logging};
use clap::{Parser, Subcommand, ValueEnum};
use error::ErrorFormat;
use std::{ffi::OsString, process::ExitCode};

/// Supervises the devices of a beamline and flies scans with them.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_STATUS)]
struct Arguments {
    /// How errors are printed; every command takes it as well
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// How log lines are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged: a level, or levels by module such as `warn,bluefly_actors=debug`; `info` of
    /// a server and `error` otherwise if not given
    #[arg(long, global = true, value_name = "FILTER", env = "BLUEFLY_LOG")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 done, 2 bad usage or bad input, 3 aborted, 4 failed.\n\
                           Example: bluefly check etc/sim.toml";

#[derive(Debug, Subcommand)]
enum Command {
    /// Validate a beamline file and list its devices
    Check(check::Arguments),
    /// Talk to a running process
    Ctl(ctl::Arguments),
    /// Fly an example scan on a simulated beamline
    Demo(demo::Arguments),
    /// Serve the simulated devices of a beamline as Channel Access PVs
    Ioc(ioc::Arguments),
    /// Capture the rows of a PandA, save or load its settings, or simulate one
    Panda(panda::Arguments),
    /// Print the frames of a scan specification
    Points(points::Arguments),
    /// Print the trajectory of a scan on a beamline
    Profile(profile::Arguments),
    /// Fly one scan, without a server
    Scan(scan::Arguments),
    /// Print the JSON Schema of scan specifications
    Schema(schema::Arguments),
    /// Put a beamline into operation, and answer clients until told to end
    Serve(serve::Arguments),
    /// Fly many randomised runs on a simulated beamline, to find one that breaks a promise
    Simulate(simulate::Arguments),
}

/// Text for people, or JSON for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Runs the command that `arguments` (with the name of the program) ask for.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let format = error_format(&arguments);
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(format),
    }
}

fn run(arguments: Vec<OsString>) -> Result<(), CliError> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => {
            return error.print().map_err(|error| CliError::output(&error));
        }
        Err(error) => return Err(usage_error(&error)),
    };
    let filter = arguments.log.unwrap_or_else(|| match arguments.command {
        Command::Serve(_) | Command::Ioc(_) => "info".to_owned(),
        Command::Panda(ref arguments) if arguments.serves() => "info".to_owned(),
        _ => "error".to_owned(),
    });
    let log = Logging { format: arguments.log_format, filter };
    if !matches!(arguments.command, Command::Scan(_) | Command::Demo(_)) {
        log.start(None)?;
    }
    signals::outlive_large_files();
    match arguments.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Ctl(arguments) => ctl::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments, &log),
        Command::Ioc(arguments) => ioc::run(&arguments),
        Command::Panda(arguments) => panda::run(&arguments),
        Command::Points(arguments) => points::run(&arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Scan(arguments) => scan::run(&arguments, &log),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
    }
}

/// Known before anything is parsed, so that a wrong command line is reported in the right form:
/// `--format json` stands before or after the name of the command.
fn error_format(arguments: &[OsString]) -> ErrorFormat {
    let pairs = arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json");
    let joined = arguments.iter().any(|argument| argument == "--format=json");
    if pairs || joined { ErrorFormat::Json } else { ErrorFormat::Text }
}

/// clap's message in one line.
fn usage_error(error: &clap::Error) -> CliError {
    let text = error.render().to_string();
    let paragraphs = text.split("\n\n").map(|text| text.trim().strip_prefix("error: "));
    let first = paragraphs.flatten().next().unwrap_or("no command given");
    let words: Vec<&str> = first.split_whitespace().collect();
    CliError::usage("command line", format!("{}; see bluefly --help", words.join(" ")))
}
