//! Listing runs: those of the queue, those that clients fly, and those that only documents tell of.
use super::{book::Book, ending, register::Register, request::List};
use crate::{archive::Past, clock::Clock};
use bluefly_protocol::api::{ApiError, ErrorCode, Run, RunList};
use std::{cmp::Ordering, collections::BTreeSet, io};

/// The run in the air, those that wait, and the latest of those that have ended.
pub(super) async fn list(
    register: &Register,
    clock: &Clock,
    (client, list): (Option<Run>, List),
) -> Result<RunList, ApiError> {
    let (archive, book) = (register.archive().clone(), Book::clone(&register.book()));
    // There may be thousands, with large specifications.
    let found = clock.foreign(move || Ok(told(&book, client, archive.runs(list.limit)?, list)));
    found.await.map_err(|error| unread(&error))
}

fn told(book: &Book, client: Option<Run>, past: Vec<Past>, List { state, limit }: List) -> RunList {
    let client = client.filter(|run| !past.iter().any(|past| past.uid() == run.uid));
    let live: Vec<Run> = client.into_iter().chain(book.live()).collect();
    let known = live.iter().map(|run| run.uid.as_str());
    let known: BTreeSet<&str> = known.chain(book.ended().map(|run| run.uid.as_str())).collect();
    let past = past.into_iter().filter(|past| !known.contains(past.uid())).map(ending::run);
    let past: Vec<Run> = past.collect();
    let ended = merged(book.ended().map(|run| Run::clone(run)), past.into_iter());
    let is_wanted = |run: &Run| state.is_none_or(|state| run.state == state);
    let runs = live.into_iter().filter(is_wanted);
    let runs = runs.chain(ended.into_iter().filter(is_wanted).take(limit)).collect();
    RunList { queue: book.gate().clone(), runs }
}

/// Both, the latest first, each in its own order.
fn merged(one: impl Iterator<Item = Run>, other: impl Iterator<Item = Run>) -> Vec<Run> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    let mut merged = Vec::new();
    loop {
        let first = match (one.peek(), other.peek()) {
            (Some(a), Some(b)) => match ended_s(a).total_cmp(&ended_s(b)) {
                Ordering::Less => other.next(),
                Ordering::Equal | Ordering::Greater => one.next(),
            },
            (Some(_), None) => one.next(),
            (None, _) => other.next(),
        };
        match first {
            Some(run) => merged.push(run),
            None => return merged,
        }
    }
}

fn ended_s(run: &Run) -> f64 {
    run.ended_s.or(run.started_s).unwrap_or(run.submitted_s)
}

/// One run.
pub(super) async fn get(
    register: &Register,
    clock: &Clock,
    (client, uid): (Option<&Run>, &str),
) -> Result<Option<Run>, ApiError> {
    if let Some(run) = register.book().get(uid) {
        return Ok(Some(run));
    }
    let (archive, wanted) = (register.archive().clone(), uid.to_owned());
    let past = clock.foreign(move || archive.run(&wanted)).await;
    let past: Option<Past> = past.map_err(|error| unread(&error))?;
    Ok(past.map(ending::run).or_else(|| client.filter(|run| run.uid == uid).cloned()))
}

fn unread(error: &io::Error) -> ApiError {
    ApiError::new(ErrorCode::Failed, "documents", format!("cannot be read: {error}"))
}
