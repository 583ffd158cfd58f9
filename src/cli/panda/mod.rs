//! `bluefly panda`: what is done with a PandA alone, real or simulated.
mod display;
mod record;
mod serve;
mod settings;
mod summary;

use super::CliError;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bluefly panda serve")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Capture the rows of a PandA into an HDF5 file
    Record(record::Arguments),
    /// Write down how a PandA is set up
    Save(settings::SaveArguments),
    /// Set a PandA up as it was written down
    Load(settings::LoadArguments),
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
        Command::Record(arguments) => record::run(arguments),
        Command::Save(arguments) => settings::save(arguments),
        Command::Load(arguments) => settings::load(arguments),
        Command::Serve(arguments) => serve::run(arguments),
    }
}
