//! Which values of a field are captured: [`Modes`].
use super::fault::Fault;

/// What is captured of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Value,
    Diff,
    Sum,
    Min,
    Max,
    Mean,
    StdDev,
}

impl Mode {
    /// In the order in which the server lists them.
    pub(super) const ALL: [Self; 7] =
        [Self::Value, Self::Diff, Self::Sum, Self::Min, Self::Max, Self::Mean, Self::StdDev];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Value => "Value",
            Self::Diff => "Diff",
            Self::Sum => "Sum",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Mean => "Mean",
            Self::StdDev => "StdDev",
        }
    }
}

/// Choices of `CAPTURE` that clients are offered for a position.
pub(super) const POSITION_CHOICES: [&str; 11] = [
    "No",
    "Value",
    "Diff",
    "Sum",
    "Mean",
    "Min",
    "Max",
    "Min Max",
    "Min Max Mean",
    "StdDev",
    "Mean StdDev",
];
/// And for all else.
pub(super) const OTHER_CHOICES: [&str; 2] = ["No", "Value"];

/// A set of modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Modes(u8);

impl Modes {
    pub(super) const VALUE: Self = Self(1 << Mode::Value as u8);

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, mode: Mode) -> bool {
        self.0 & 1 << mode as u8 != 0
    }

    /// The modes of a position: any of their names, in any order.
    pub(super) fn of_position(text: &str) -> Result<Self, Fault> {
        if text == "No" {
            return Ok(Self::default());
        }
        let mut modes = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let mode = Mode::ALL.into_iter().find(|mode| mode.name() == word);
            let mode =
                mode.ok_or_else(|| Fault::owned(format!("Unknown capture option \"{word}\"")))?;
            modes.0 |= 1 << mode as u8;
        }
        Ok(modes)
    }

    /// Of what is captured as it is or not at all.
    pub(super) fn of_other(text: &str) -> Result<Self, Fault> {
        match text {
            "No" => Ok(Self::default()),
            "Value" => Ok(Self::VALUE),
            _ => Err(Fault::new("Invalid capture option")),
        }
    }

    pub(super) fn text(self) -> String {
        if self.is_empty() {
            return "No".to_owned();
        }
        let names = Mode::ALL.into_iter().filter(|mode| self.has(*mode)).map(Mode::name);
        names.collect::<Vec<_>>().join(" ")
    }
}
