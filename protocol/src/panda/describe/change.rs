//! [`Change`]: what has changed since it was asked last.
use super::DescribeError;
use std::fmt;

/// What is asked for changes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeGroup {
    /// Settings.
    Config,
    /// The bit bus.
    Bits,
    /// The position bus.
    Posn,
    /// What the hardware tells; asking reads it all from the hardware.
    Read,
    /// Attributes.
    Attr,
    /// Which tables were written; they are to be read by themselves.
    Table,
    Metadata,
}

/// One thing that has changed, named as the server names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has this value now.
    Value { name: String, value: String },
    /// A table, or text of several lines: it is to be read by itself.
    Lines { name: String },
    /// It could not be read.
    Failed { name: String },
}

impl ChangeGroup {
    pub const ALL: [Self; 7] =
        [Self::Config, Self::Bits, Self::Posn, Self::Read, Self::Attr, Self::Table, Self::Metadata];
}

impl Change {
    pub fn name(&self) -> &str {
        match self {
            Self::Value { name, .. } | Self::Lines { name } | Self::Failed { name } => name,
        }
    }

    fn parse(line: &str) -> Result<Self, DescribeError> {
        let rule = "NAME=VALUE, NAME< or NAME (error)";
        let error = || DescribeError::new("change", line, rule);
        let named = |name: &str| if name.is_empty() { Err(error()) } else { Ok(name.to_owned()) };
        match line.find(['=', '<']) {
            Some(end) if line[end..].starts_with('=') => {
                Ok(Self::Value { name: named(&line[..end])?, value: line[end + 1..].to_owned() })
            }
            Some(end) if end + 1 == line.len() => Ok(Self::Lines { name: named(&line[..end])? }),
            Some(_) => Err(error()),
            None => {
                let name = line.strip_suffix(" (error)").ok_or_else(error)?;
                Ok(Self::Failed { name: named(name)? })
            }
        }
    }
}

/// What `*CHANGES?` tells, of one group or of all.
pub fn parse_changes(lines: &[String]) -> Result<Vec<Change>, DescribeError> {
    lines.iter().map(|line| Change::parse(line)).collect()
}

/// As it is asked for.
impl fmt::Display for ChangeGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "CONFIG",
            Self::Bits => "BITS",
            Self::Posn => "POSN",
            Self::Read => "READ",
            Self::Attr => "ATTR",
            Self::Table => "TABLE",
            Self::Metadata => "METADATA",
        })
    }
}

/// As the server writes it.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { name, value } => write!(f, "{name}={value}"),
            Self::Lines { name } => write!(f, "{name}<"),
            Self::Failed { name } => write!(f, "{name} (error)"),
        }
    }
}
