//! `bluefly panda save` and `bluefly panda load`: how a PandA is set up, as a file.
use crate::cli::{
    CliError,
    table::{Align, table},
    text::one_line,
};
use bluefly_actors::{
    backend::panda::{Address, Control, ControlFault, control::Loaded},
    clock::Clock,
    system::real_system,
};
use bluefly_protocol::panda::{
    describe::Inventory,
    settings::{Difference, Setting, Settings},
    wiring::{Wire, WireReason},
};
use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bluefly panda save 192.168.0.10 panda.txt")]
pub(crate) struct SaveArguments {
    /// The PandA, with its control port if it is not 8888
    #[arg(value_name = "HOST[:CTRL]")]
    address: Address,
    /// The file to create; standard output if not given
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 it is set up so, or with --dry-run it can be; 4 something was \
                        refused, is not as in the file, or is no setting of this PandA.\n\
                        Example: bluefly panda load 192.168.0.10 panda.txt --dry-run"
)]
pub(crate) struct LoadArguments {
    /// The PandA, with its control port if it is not 8888
    #[arg(value_name = "HOST[:CTRL]")]
    address: Address,
    /// What `bluefly panda save` wrote, or lines of it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Each answer of the PandA may take so long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Asks how it is set up, and writes that down.
pub(super) fn save(arguments: &SaveArguments) -> Result<(), CliError> {
    let saved = real_system().block_on(async {
        let (control, inventory) = connect(&arguments.address).await?;
        control.settings(&inventory).await
    });
    let text = saved.map_err(|error| failed(&error))?.to_string();
    let Some(file) = &arguments.file else {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        return written.map_err(|error| CliError::output(&error));
    };
    let created = fs::File::create_new(file).and_then(|mut out| out.write_all(text.as_bytes()));
    created.map_err(|error| CliError::usage(file.display().to_string(), error.to_string()))
}

/// Sets it up as the file says, and looks whether it is.
pub(super) fn load(arguments: &LoadArguments) -> Result<(), CliError> {
    let name = arguments.file.display().to_string();
    let text = fs::read_to_string(&arguments.file)
        .map_err(|error| CliError::input(&name, format!("cannot read the file: {error}")))?;
    let settings =
        Settings::parse(&text).map_err(|error| CliError::input(&name, error.to_string()))?;
    let loaded = real_system().block_on(async {
        let (control, inventory) = connect(&arguments.address).await?;
        let loaded = if arguments.dry_run {
            let differences = control.differences(&inventory, &settings).await?;
            Loaded { refused: Vec::new(), differences }
        } else {
            control.load(&inventory, &settings).await?
        };
        Ok((inventory, loaded))
    });
    let (inventory, Loaded { refused, differences }) = loaded.map_err(|error| failed(&error))?;
    // What the file does not name is left as it is.
    let of_file = differences.into_iter().filter(|difference| difference.wanted.is_some());
    let differences: Vec<Difference> = of_file.collect();
    let mut out = io::stdout().lock();
    let written = out.write_all(shown(&differences).as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| CliError::output(&error))?;
    if arguments.dry_run {
        return loadable(&name, &inventory, &differences);
    }
    if refused.is_empty() && differences.is_empty() {
        return Ok(());
    }
    let refused = refused.iter().map(|(command, error)| format!("{command} was refused: {error}"));
    let mut problems: Vec<String> = refused.collect();
    if !differences.is_empty() {
        problems.push(format!("settings that are not as in the file: {}", differences.len()));
    }
    Err(CliError::failed(name, problems.join("; ")))
}

/// Fails if something of the file can never be set.
fn loadable(file: &str, inventory: &Inventory, differences: &[Difference]) -> Result<(), CliError> {
    let (unknown, known): (Vec<_>, Vec<_>) =
        differences.iter().partition(|difference| difference.found.is_none());
    let names: Vec<&str> = unknown.iter().map(|difference| difference.name.as_str()).collect();
    let mut problems: Vec<String> =
        known.into_iter().filter_map(|known| beyond(file, inventory, known)).collect();
    if !names.is_empty() {
        problems.insert(0, format!("no settings of this PandA: {}", names.join(", ")));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(CliError::failed(file, problems.join("; ")))
}

/// What is wrong with a value that the PandA has not.
fn beyond(file: &str, inventory: &Inventory, difference: &Difference) -> Option<String> {
    let Difference { name, wanted: Some(Setting::Value(value)), .. } = difference else {
        return None;
    };
    let wire = Wire { field: name.parse().ok()?, value: value.clone(), key: file.to_owned() };
    match wire.check(inventory, &[]) {
        Err(reason @ (WireReason::NoChoice(_) | WireReason::TooLate(_))) => {
            Some(format!("{name}={value}: {reason}"))
        }
        Ok(()) | Err(_) => None,
    }
}

async fn connect(address: &Address) -> Result<(Control, Inventory), ControlFault> {
    let control = Control::connect(address, ANSWER_WITHIN, Clock::real()).await?;
    let inventory = control.inventory().await?;
    Ok((control, inventory))
}

/// A row for each; nothing if all is as in the file.
fn shown(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return String::new();
    }
    let text = |setting: &Option<Setting>| match setting {
        Some(setting) => one_line(&setting.to_string()),
        None => "no setting".to_owned(),
    };
    let rows = differences
        .iter()
        .map(|Difference { name, wanted, found }| [one_line(name), text(found), text(wanted)]);
    table(["FIELD", "FOUND", "IN THE FILE"].map(|name| (name, Align::Left)), rows)
}

fn failed(error: &ControlFault) -> CliError {
    CliError::failed("panda", error.to_string())
}
