//! [`Wire`]: what a field of a PandA is to be, and whether it is.
use super::{
    control::{Command, CommandError, ControlError},
    describe::{FieldClass, FieldName, Inventory, ValueType},
    is_same_number,
    settings::{Setting, Settings, SettingsError},
};
use std::fmt;

/// What a field or an attribute is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    pub field: FieldName,
    pub value: String,
    /// Who says so: a key of a beamline file.
    pub key: String,
}

/// A wire that is not as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose {
    pub wire: Wire,
    pub found: String,
}

/// A wire that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {} = {:?}: {reason}", wire.key, wire.field, wire.value)]
pub struct WireError {
    pub wire: Wire,
    pub reason: WireReason,
}

/// Why a wire cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireReason {
    #[error("the PandA has no such field")]
    NoField,
    #[error("it is a {0}, and no setting")]
    NoSetting(FieldClass),
    #[error("it is a time, which is wired with its unit: {0}.UNITS is missing")]
    NoUnits(FieldName),
    /// With those that it may be, as far as they are like it.
    #[error("the PandA has no such value: it may be {0}")]
    NoChoice(String),
    #[error("it is beyond {0}, the longest delay")]
    TooLate(u64),
    #[error("the PandA does not say what it is: {0}")]
    Unread(ControlError),
    #[error("the PandA refuses it: {0}")]
    Refused(ControlError),
    #[error("it was set, and is {0:?}")]
    Reverted(String),
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Choices that are told of a field that has the wrong one.
const MOST_CHOICES: usize = 12;

impl Wire {
    /// What is asked to know it.
    pub fn question(&self) -> Result<Command, CommandError> {
        Command::query(&self.field.to_string())
    }

    /// Fails if it cannot be made, as far as that is known of a PandA that has this, with `all` that
    /// is wired.
    pub fn check(&self, inventory: &Inventory, all: &[Self]) -> Result<(), WireReason> {
        let Some(info) = inventory.field(&self.field) else {
            return Err(WireReason::NoField);
        };
        let class = &info.class;
        if let Some(attribute) = self.field.attribute() {
            let choices = info.attributes.get(attribute).ok_or(WireReason::NoField)?;
            let delay = self.value.parse().ok().filter(|_| attribute == "DELAY");
            return match (info.max_delay, delay) {
                (Some(longest), Some(delay)) if longest < delay => {
                    Err(WireReason::TooLate(longest))
                }
                (Some(_) | None, _) => self.choose(choices),
            };
        }
        match class {
            FieldClass::Time | FieldClass::Param(ValueType::Time) => {
                let is_unit = |wire: &&Self| {
                    let field = &wire.field;
                    field.block == self.field.block
                        && field.field() == self.field.field()
                        && field.attribute() == Some("UNITS")
                };
                if all.iter().any(|wire| is_unit(&wire)) {
                    return Ok(());
                }
                Err(WireReason::NoUnits(self.field.clone()))
            }
            FieldClass::Param(_) | FieldClass::BitMux | FieldClass::PosMux => {
                self.choose(&info.choices)
            }
            FieldClass::Read(_)
            | FieldClass::Write(_)
            | FieldClass::BitOut
            | FieldClass::PosOut
            | FieldClass::ExtOut(_)
            | FieldClass::Table
            | FieldClass::Other(_) => Err(WireReason::NoSetting(class.clone())),
        }
    }

    /// Fails unless it is one of `choices`, if it is to be one of some.
    fn choose(&self, choices: &[String]) -> Result<(), WireReason> {
        if choices.is_empty() || choices.contains(&self.value) {
            return Ok(());
        }
        let letters = self.value.find(|c: char| !c.is_ascii_alphabetic());
        let kind = &self.value[..letters.unwrap_or(self.value.len())];
        let alike = |choice: &&String| !kind.is_empty() && choice.starts_with(kind);
        let mut told: Vec<&str> = choices.iter().filter(alike).map(String::as_str).collect();
        if told.is_empty() {
            told = choices.iter().map(String::as_str).collect();
        }
        let others = told.len().saturating_sub(MOST_CHOICES);
        told.truncate(MOST_CHOICES);
        let more = if others > 0 { format!(" and {others} more") } else { String::new() };
        Err(WireReason::NoChoice(format!("{}{more}", told.join(", "))))
    }

    /// Whether `found` is what it is to be: numbers are compared as numbers.
    pub fn is(&self, found: &str, inventory: &Inventory) -> bool {
        let class = inventory.field(&self.field).map(|info| &info.class);
        self.value == found
            || is_number(class, self.field.attribute()) && is_same_number(&self.value, found)
    }

    pub fn error(&self, reason: WireReason) -> WireError {
        WireError { wire: self.clone(), reason }
    }
}

/// What makes `wires`, units before values, and what is enabled last.
pub fn commands<'w>(
    wires: impl IntoIterator<Item = &'w Wire>,
    inventory: &Inventory,
) -> Result<Vec<Command>, SettingsError> {
    let set = wires.into_iter().map(|wire| {
        let told = wire.field.told(&inventory.blocks);
        let name = told.unwrap_or_else(|| wire.field.clone()).to_string();
        (name, Setting::Value(wire.value.clone()))
    });
    set.collect::<Settings>().commands(inventory)
}

fn is_number(class: Option<&FieldClass>, attribute: Option<&str>) -> bool {
    match (class, attribute) {
        (_, Some(attribute)) => matches!(attribute, "RAW" | "SCALE" | "OFFSET" | "DELAY"),
        (Some(FieldClass::Time), None) => true,
        (Some(FieldClass::Param(value)), None) => match value {
            ValueType::Uint
            | ValueType::Int
            | ValueType::Scalar
            | ValueType::Bit
            | ValueType::Time => true,
            ValueType::Action | ValueType::Lut | ValueType::Enum | ValueType::Other(_) => false,
        },
        (_, None) => false,
    }
}

/// A line of a table of differences.
impl fmt::Display for Loose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wire, found } = self;
        write!(f, "{} is {found}, not {} as {} says", wire.field, wire.value, wire.key)
    }
}
