//! `bluefly panda`: what there is for PandA boxes.
mod serve;

use super::CliError;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve a simulated PandA box on its two ports
    Serve(serve::Arguments),
}

impl Arguments {
    /// Whether it runs until it is told to end, and tells of itself meanwhile.
    pub(super) const fn serves(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
    }
}
