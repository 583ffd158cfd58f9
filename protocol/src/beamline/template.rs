//! [`PathTemplate`]: how the stream files of a run are called.
use crate::name::Name;
use std::fmt;

/// Path of a stream file below the data directory: text with `{beamline}`, `{run}`, `{device}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Beamline,
    Run,
    Device,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

/// A text that is no template for file names: the value, and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error(
        "{value:?} has the unknown placeholder {{{placeholder}}}; expected {{beamline}}, {{run}} or {{device}}"
    )]
    UnknownPlaceholder { value: String, placeholder: String },
    #[error("{value:?} has a brace without its partner")]
    UnpairedBrace { value: String },
    #[error("{value:?} lacks {placeholder}: two files would have one name")]
    Lacks { value: String, placeholder: &'static str },
    #[error("{value:?} must be a relative path that stays below data.directory")]
    Outside { value: String },
    #[error("{value:?} must end in .h5")]
    Extension { value: String },
}

impl PathTemplate {
    /// Reads a template; `{run}` and `{device}` must occur, so that no two files have one name.
    pub fn parse(value: &str) -> Result<Self, TemplateError> {
        let owned = || value.to_owned();
        let pieces = pieces(value)?;
        for (placeholder, text) in [(Placeholder::Run, "{run}"), (Placeholder::Device, "{device}")]
        {
            if !pieces.contains(&Piece::Value(placeholder)) {
                return Err(TemplateError::Lacks { value: owned(), placeholder: text });
            }
        }
        if value.starts_with('/') || value.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(TemplateError::Outside { value: owned() });
        }
        if value.strip_suffix(".h5").is_none() {
            return Err(TemplateError::Extension { value: owned() });
        }
        Ok(Self { pieces })
    }

    /// Path of the file of `device` in `run`, relative to the data directory.
    pub fn path(&self, beamline: &Name, run: &str, device: &Name) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(Placeholder::Beamline) => beamline.to_string(),
            Piece::Value(Placeholder::Run) => run.to_owned(),
            Piece::Value(Placeholder::Device) => device.to_string(),
        };
        self.pieces.iter().map(text).collect()
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| {
            f.write_str(match piece {
                Piece::Text(text) => text,
                Piece::Value(Placeholder::Beamline) => "{beamline}",
                Piece::Value(Placeholder::Run) => "{run}",
                Piece::Value(Placeholder::Device) => "{device}",
            })
        })
    }
}

fn pieces(value: &str) -> Result<Vec<Piece>, TemplateError> {
    let unpaired = || TemplateError::UnpairedBrace { value: value.to_owned() };
    let mut pieces = Vec::new();
    let mut rest = value;
    while let Some((text, after)) = rest.split_once('{') {
        let (placeholder, behind) = after.split_once('}').ok_or_else(unpaired)?;
        if text.contains('}') {
            return Err(unpaired());
        }
        pieces.push(Piece::Text(text.to_owned()));
        pieces.push(Piece::Value(match placeholder {
            "beamline" => Placeholder::Beamline,
            "run" => Placeholder::Run,
            "device" => Placeholder::Device,
            unknown => {
                return Err(TemplateError::UnknownPlaceholder {
                    value: value.to_owned(),
                    placeholder: unknown.to_owned(),
                });
            }
        }));
        rest = behind;
    }
    if rest.contains('}') {
        return Err(unpaired());
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}
