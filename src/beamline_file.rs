//! Reads a beamline file, with what the environment overrides in it.
use crate::cli::CliError;
use bluefly_protocol::beamline::{BeamlineError, BeamlineFile, BeamlineSpec};
use config::{Config, FileFormat};
use std::{env, ffi::OsString, fs, path::Path};

const PREFIX: &str = "BLUEFLY__";

/// One variable of the environment and the key that it overrides.
#[derive(Clone, Debug, PartialEq)]
struct Override {
    variable: String,
    /// `device.x.velocity` for `BLUEFLY__DEVICE__X__VELOCITY`.
    key: String,
    value: toml::Value,
}

/// The beamline of the file at `path`; an error names file or variable, key, value and rule.
pub(crate) fn read(path: &Path) -> Result<BeamlineSpec, CliError> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| CliError::input(&file, format!("cannot read the file: {error}")))?;
    read_text(&file, &text)
}

/// The same for a text that is known as `file`.
pub(crate) fn read_text(file: &str, text: &str) -> Result<BeamlineSpec, CliError> {
    // Parsed on its own first: this error knows its line.
    text.parse::<toml::Table>().map_err(|error| syntax_error(file, text, &error))?;
    let overrides = overrides(env::vars_os())?;
    let value = merged(text, &overrides).map_err(|error| CliError::input(file, error))?;
    let read = BeamlineFile::from_value(value).and_then(BeamlineSpec::try_from);
    read.map_err(|error| located(file, error, &overrides))
}

/// The tables of the file with the overrides in their places.
fn merged(text: &str, overrides: &[Override]) -> Result<serde_json::Value, String> {
    let mut builder = Config::builder().add_source(config::File::from_str(text, FileFormat::Toml));
    for Override { variable, key, value } in overrides {
        let value = value.clone().try_into::<config::Value>();
        let value = value.map_err(|error| format!("{variable}: {error}"))?;
        builder =
            builder.set_override(key, value).map_err(|error| format!("{variable}: {error}"))?;
    }
    let merged = builder.build().and_then(Config::try_deserialize);
    merged.map_err(|error| error.to_string())
}

fn overrides(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Override>, CliError> {
    let ours = variables.into_iter().filter_map(|(variable, value)| {
        let variable = variable.into_string().ok()?;
        let key = variable.strip_prefix(PREFIX)?.to_owned();
        Some((variable, key, value))
    });
    let mut overrides: Vec<Override> = ours
        .map(|(variable, key, value)| {
            let key = key.to_ascii_lowercase().split("__").collect::<Vec<_>>().join(".");
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if key.split('.').any(|part| part.is_empty() || !part.chars().all(fits)) {
                let expected = "names no key: expected BLUEFLY__TABLE__KEY";
                return Err(CliError::input(variable, expected));
            }
            let value = value.into_string();
            let value = value.map_err(|_| CliError::input(&variable, "its value is not UTF-8"))?;
            Ok(Override { variable, key, value: override_value(value) })
        })
        .collect::<Result<_, _>>()?;
    // The environment has no order of its own.
    overrides.sort_by(|a, b| a.variable.cmp(&b.variable));
    Ok(overrides)
}

/// Lists, integers and truth values are written as in a file; all else is a text.
fn override_value(text: String) -> toml::Value {
    let parsed = format!("value = {text}").parse::<toml::Table>();
    match parsed.map(|mut table| table.remove("value")) {
        Ok(Some(
            value @ (toml::Value::Integer(_)
            | toml::Value::Boolean(_)
            | toml::Value::String(_)
            | toml::Value::Array(_)),
        )) => value,
        Ok(_) | Err(_) => toml::Value::String(text),
    }
}

fn syntax_error(file: &str, text: &str, error: &toml::de::Error) -> CliError {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = &text[..text.floor_char_boundary(start)];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    CliError::input(format!("{file}: line {line}, column {column}"), message)
}

/// `error` with the variable that brought in its value, or else with the file.
fn located(file: &str, error: BeamlineError, overrides: &[Override]) -> CliError {
    let BeamlineError { key, reason } = error;
    let covers = |written: &Override| {
        let rest = key.strip_prefix(&written.key);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    match overrides.iter().find(|written| covers(written)) {
        Some(written) => CliError::input(format!("{}: {key}", written.variable), reason),
        None => CliError::input(format!("{file}: {key}"), reason),
    }
}
