//! [`Settings`]: how a PandA is set up, as lines that set it up so again.
//!
//! A file of settings is what would be sent to the control port, a command after the other.
use super::{
    control::{Command, CommandError, Reply, UnexpectedReply},
    describe::{Change, ChangeGroup, DescribeError, FieldClass, FieldName, Inventory, ValueType},
    table::{TableMode, TableText, WordsError, base64_lines, read_base64},
    wiring::Wire,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What every setting of a PandA is set to, by name. Times are in ticks, as no other unit is exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, Setting>);

/// What one field or attribute is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    Value(String),
    /// A table, as words.
    Words(Vec<u32>),
}

/// What is asked to know the settings of a PandA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saving {
    settings: Settings,
    /// What the changes do not tell, with its name.
    asked: Vec<String>,
}

/// One setting that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub name: String,
    /// `None` if it is not among those that were to be set.
    pub wanted: Option<Setting>,
    /// `None` if there is no such setting.
    pub found: Option<Setting>,
}

/// Settings that cannot be had, read or said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{name}: {source}")]
    Reply {
        name: String,
        #[source]
        source: UnexpectedReply,
    },
    #[error(transparent)]
    Name(#[from] DescribeError),
    #[error("{name}: {source}")]
    Words {
        name: String,
        #[source]
        source: WordsError,
    },
    #[error("{name} could not be read by the PandA")]
    Unread { name: String },
    #[error("line {line}: `{text}` is no NAME=VALUE and no NAME<B")]
    Line { line: usize, text: String },
    #[error("line {line}: {name} is set twice")]
    Twice { line: usize, name: String },
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("{asked} questions have {answered} answers")]
    Answers { asked: usize, answered: usize },
}

/// When a setting is put: what it says may depend on those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Nothing runs while it is set up.
    Halt,
    Units,
    Values,
    Tables,
    Attributes,
    Positions,
    Bits,
    /// What is enabled runs with all else as it will be.
    Enables,
}

const GROUPS: [ChangeGroup; 3] = [ChangeGroup::Config, ChangeGroup::Attr, ChangeGroup::Table];
const ENABLE: &str = "ENABLE";
const TABLE_MARK: &str = "<B";

impl Saving {
    /// Has the connection told again of all that ever changed, before the first questions.
    ///
    /// # Panics
    /// Never: the name stands here.
    pub fn restart() -> Command {
        Command::assign("*CHANGES", "S").expect("a name without operators")
    }

    /// The first questions.
    pub fn questions() -> [Command; 3] {
        GROUPS.map(|group| Command::changes(Some(group)))
    }

    /// Takes the answers to the first questions.
    pub fn begin(inventory: &Inventory, changes: Vec<Change>) -> Result<Self, SettingsError> {
        let mut saving = Self { settings: Settings::default(), asked: Vec::new() };
        for change in changes {
            let name = change.name().to_owned();
            let field: FieldName = name.parse()?;
            let Some(info) = inventory.field(&field) else { continue };
            match change {
                Change::Value { .. } if field.attribute() == Some("QUEUED_LINES") => {}
                Change::Value { .. } if field.attribute().is_none() && is_time(&info.class) => {
                    saving.asked.push(format!("{name}.RAW"));
                }
                Change::Value { value, .. } => {
                    saving.settings.0.insert(name, Setting::Value(value));
                }
                Change::Lines { .. } => saving.asked.push(format!("{name}.B")),
                Change::Failed { .. } => return Err(SettingsError::Unread { name }),
            }
        }
        Ok(saving)
    }

    /// What else is to be asked.
    pub fn more(&self) -> Result<Vec<Command>, SettingsError> {
        let asked = self.asked.iter().map(|name| Command::query(name));
        Ok(asked.collect::<Result<_, _>>()?)
    }

    /// Takes the answers to those, in their order.
    pub fn finish(mut self, replies: Vec<Reply>) -> Result<Settings, SettingsError> {
        if replies.len() != self.asked.len() {
            let (asked, answered) = (self.asked.len(), replies.len());
            return Err(SettingsError::Answers { asked, answered });
        }
        for (name, reply) in self.asked.into_iter().zip(replies) {
            let refused = |source| SettingsError::Reply { name: name.clone(), source };
            if let Some(table) = name.strip_suffix(".B") {
                let lines = reply.into_lines().map_err(refused)?;
                let words = read_base64(&lines);
                let words =
                    words.map_err(|source| SettingsError::Words { name: name.clone(), source })?;
                self.settings.0.insert(table.to_owned(), Setting::Words(words));
            } else {
                let ticks = reply.into_value().map_err(refused)?;
                self.settings.0.insert(name, Setting::Value(ticks));
            }
        }
        Ok(self.settings)
    }
}

fn is_time(class: &FieldClass) -> bool {
    matches!(class, FieldClass::Time | FieldClass::Param(ValueType::Time))
}

impl FromIterator<(String, Setting)> for Settings {
    fn from_iter<I: IntoIterator<Item = (String, Setting)>>(settings: I) -> Self {
        Self(settings.into_iter().collect())
    }
}

impl Settings {
    /// By name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(name, setting)| (name.as_str(), setting))
    }

    /// What sets a PandA up so, in this order: nothing runs meanwhile, units come before what is in
    /// them, and what is enabled last.
    pub fn commands(&self, inventory: &Inventory) -> Result<Vec<Command>, SettingsError> {
        let mut commands = Vec::new();
        for (name, setting) in &self.0 {
            let field: FieldName = name.parse()?;
            let phase = phase(&field, inventory);
            if phase == Phase::Enables {
                commands.push((Phase::Halt, Command::assign(name, "ZERO")?));
            }
            commands.push((phase, setting.command(name)?));
        }
        commands.sort_by_key(|(phase, _)| *phase);
        Ok(commands.into_iter().map(|(_, command)| command).collect())
    }

    /// What is to be asked to know the times that are wanted in their units: those that are saved are
    /// in ticks.
    pub fn times(&self, inventory: &Inventory) -> Result<Vec<(String, Command)>, SettingsError> {
        let mut times = Vec::new();
        for name in self.0.keys() {
            let field: FieldName = name.parse()?;
            let info = inventory.field(&field).filter(|_| field.attribute().is_none());
            if info.is_some_and(|info| is_time(&info.class)) {
                times.push((told(name, inventory), Command::query(name)?));
            }
        }
        Ok(times)
    }

    /// It is so, too.
    pub fn add(&mut self, name: String, value: String) {
        self.0.insert(name, Setting::Value(value));
    }

    /// What is not as in `wanted`, by the name under which the PandA tells of it. Numbers may be written in
    /// several ways.
    pub fn differences(&self, wanted: &Self, inventory: &Inventory) -> Vec<Difference> {
        let wanted = wanted.0.iter().map(|(name, setting)| (told(name, inventory), setting));
        let wanted: BTreeMap<String, &Setting> = wanted.collect();
        let names: BTreeSet<&String> = wanted.keys().chain(self.0.keys()).collect();
        let different =
            names.into_iter().filter(|name| match (wanted.get(*name), self.0.get(*name)) {
                (Some(wanted), Some(found)) => !wanted.is(found, name, inventory),
                (None, Some(_) | None) | (Some(_), None) => true,
            });
        let told = different.map(|name| Difference {
            name: name.clone(),
            wanted: wanted.get(name).map(|setting| (*setting).clone()),
            found: self.0.get(name).cloned(),
        });
        told.collect()
    }

    /// Reads what [`Display`](fmt::Display) wrote. Lines that begin with `#` mean nothing.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let mut settings = BTreeMap::new();
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, setting) = if let Some(name) = line.strip_suffix(TABLE_MARK) {
                let rows = lines.by_ref().map(|(_, line)| line.to_owned());
                let rows: Vec<String> = rows.take_while(|line| !line.is_empty()).collect();
                let words = read_base64(&rows);
                let words = words
                    .map_err(|source| SettingsError::Words { name: name.to_owned(), source })?;
                (name, Setting::Words(words))
            } else {
                let error = || SettingsError::Line { line: index + 1, text: line.to_owned() };
                let (name, value) = line.split_once('=').ok_or_else(error)?;
                (name, Setting::Value(value.to_owned()))
            };
            name.parse::<FieldName>()?;
            if settings.insert(name.to_owned(), setting).is_some() {
                return Err(SettingsError::Twice { line: index + 1, name: name.to_owned() });
            }
        }
        Ok(Self(settings))
    }
}

/// The name under which the PandA tells of a setting; `name` if it has none.
fn told(name: &str, inventory: &Inventory) -> String {
    match name.parse().map(|field: FieldName| field.told(&inventory.blocks)) {
        Ok(Some(told)) => told.to_string(),
        Ok(None) | Err(_) => name.to_owned(),
    }
}

impl Setting {
    /// Whether `found` is the same, of what has this name.
    fn is(&self, found: &Self, name: &str, inventory: &Inventory) -> bool {
        match (self, found, name.parse()) {
            (Self::Value(wanted), Self::Value(found), Ok(field)) => {
                let wire = Wire { field, value: wanted.clone(), key: name.to_owned() };
                wire.is(found, inventory)
            }
            (Self::Value(_) | Self::Words(_), _, _) => self == found,
        }
    }

    fn command(&self, name: &str) -> Result<Command, CommandError> {
        match self {
            Self::Value(value) => Command::assign(name, value),
            Self::Words(words) => Command::table(name, TableMode::Fixed, TableText::Base64, words),
        }
    }
}

fn phase(name: &FieldName, inventory: &Inventory) -> Phase {
    let class = inventory.field(name).map(|info| &info.class);
    match (class, name.attribute()) {
        (Some(class), Some("UNITS")) if is_time(class) => Phase::Units,
        (Some(class), Some("RAW")) if is_time(class) => Phase::Values,
        (_, Some(_)) => Phase::Attributes,
        (Some(FieldClass::Table), None) => Phase::Tables,
        (Some(FieldClass::PosMux), None) => Phase::Positions,
        (Some(FieldClass::BitMux), None) if name.field() == ENABLE => Phase::Enables,
        (Some(FieldClass::BitMux), None) => Phase::Bits,
        (Some(_) | None, None) => Phase::Values,
    }
}

/// As a file has it.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, setting) in &self.0 {
            match setting {
                Setting::Value(value) => writeln!(f, "{name}={value}")?,
                Setting::Words(words) => {
                    let mut lines = String::new();
                    base64_lines(words, &mut lines);
                    writeln!(f, "{name}{TABLE_MARK}\n{lines}")?;
                }
            }
        }
        Ok(())
    }
}

/// For a table of differences: of a table, how long it is.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => f.write_str(value),
            Self::Words(words) => write!(f, "{} words", words.len()),
        }
    }
}
