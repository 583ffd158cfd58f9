//! Submitting a run, and watching one.
use super::{
    CliError, Remote,
    arguments::{RunArguments, WatchArguments},
    follow, render, say,
    screen::Screen,
    vigil::{Ending, Goal},
};
use crate::{
    cli::{Format, error::Code, points},
    client::Call,
};
use bluefly_protocol::api::{Run, RunState};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

/// Submits a run, and waits for its end if that is asked.
pub(super) async fn run(remote: &Remote, arguments: &RunArguments) -> Result<(), CliError> {
    let metadata = metadata(&arguments.metadata)?;
    let body = json!({"spec": specification(&arguments.spec)?, "metadata": metadata});
    let answer = remote.ask(Call::post("runs", body)).await;
    let answer = answer.map_err(|error| within(&arguments.spec, error))?;
    remote.show(&answer, render::submitted)?;
    if !arguments.wait && !arguments.watch {
        return Ok(());
    }
    let run: Run = remote.parse(&answer)?;
    let mut screen = if arguments.watch { Screen::new(remote.format) } else { Screen::Silent };
    let ending = follow::follow(remote, Goal::Run(run.uid.clone()), &mut screen).await?;
    if remote.format == Format::Json {
        let answer = remote.ask(Call::get(format!("runs/{}", run.uid))).await?;
        say(&format!("{}\n", answer.text()))?;
    }
    ended(remote, &ending)
}

/// Shows how far the run has come that is in the air or next, until it ends; or every run for ever.
pub(super) async fn watch(remote: &Remote, arguments: &WatchArguments) -> Result<(), CliError> {
    let mut screen = Screen::new(remote.format);
    if arguments.follow {
        let followed = follow::follow(remote, Goal::Forever, &mut screen).await;
        return match followed {
            // That is how it is meant to end.
            Err(error) if error.code == Code::Aborted => {
                screen.warn(&error.to_string());
                Ok(())
            }
            followed => followed.map(drop),
        };
    }
    let Some(goal) = follow::current(remote).await? else {
        return match remote.format {
            Format::Json => remote.print(Call::get("status"), render::brief).await,
            Format::Text => say("no run is in the air or about to begin: --follow waits for one\n"),
        };
    };
    let ending = follow::follow(remote, goal, &mut screen).await?;
    ended(remote, &ending)
}

/// Tells how a run ended; any end but the last frame is an error.
fn ended(remote: &Remote, ending: &Ending) -> Result<(), CliError> {
    let Ending { uid, state, num_frames, reason } = ending;
    let line = render::ending(uid, *state, *num_frames);
    let reason = if reason.is_empty() { line.clone() } else { format!("{line}: {reason}") };
    match state {
        RunState::Done => match remote.format {
            Format::Text => say(&format!("{line}\n")),
            Format::Json => Ok(()),
        },
        RunState::Aborted | RunState::Cancelled => Err(CliError::aborted("run", reason)),
        RunState::Failed => Err(CliError::failed("run", reason)),
        RunState::Queued | RunState::Running => unreachable!("neither is an end"),
    }
}

/// The specification at `path`, which the server will judge.
pub(super) fn specification(path: &Path) -> Result<Value, CliError> {
    let mut text = String::new();
    let file = points::named(path);
    let read = if path == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|error| CliError::input(&file, format!("cannot read the file: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| CliError::input(file, format!("the text is not JSON: {error}")))
}

/// An error of a specification names the file that it is from.
pub(super) fn within(path: &Path, error: CliError) -> CliError {
    if error.code == Code::Input && error.where_.starts_with('$') {
        let where_ = format!("{}: {}", points::named(path), error.where_);
        return CliError { where_, ..error };
    }
    error
}

/// Fields of the start document from `KEY=VALUE`.
pub(super) fn metadata(pairs: &[String]) -> Result<Map<String, Value>, CliError> {
    let mut fields = Map::new();
    for pair in pairs {
        let wrong = |why: &str| CliError::usage("--metadata", format!("{pair:?} {why}"));
        let (key, value) = pair.split_once('=').ok_or_else(|| wrong("is not KEY=VALUE"))?;
        if key.is_empty() {
            return Err(wrong("has no key: expected KEY=VALUE"));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        if fields.insert(key.to_owned(), value).is_some() {
            return Err(wrong("gives its key a second time"));
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_json_or_text() {
        let check = |pairs: &[&str], expected: Result<Value, &str>| {
            let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
            let found = metadata(&pairs).map(Value::Object).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{pairs:?}");
        };
        check(&[], Ok(json!({})));
        check(&["sample=gold", "visit=3"], Ok(json!({"sample": "gold", "visit": 3})));
        check(&["a=[1, \"b\"]", "b="], Ok(json!({"a": [1, "b"], "b": ""})));
        check(&["a=\"3\"", "b=c=d"], Ok(json!({"a": "3", "b": "c=d"})));
        check(&["sample"], Err("--metadata: \"sample\" is not KEY=VALUE"));
        check(&["=1"], Err("--metadata: \"=1\" has no key: expected KEY=VALUE"));
        check(&["a=1", "a=2"], Err("--metadata: \"a=2\" gives its key a second time"));
    }
}
