//! Listing runs: those of the queue, those that clients fly, and those that only documents tell of.
use super::{
    book::{Book, RunEnding},
    ending,
    register::Register,
    request::List,
};
use crate::{
    archive::{Archive, Past},
    clock::Clock,
};
use bluefly_protocol::api::{ApiError, ErrorCode, Run, RunList};
use std::{cmp::Ordering, collections::BTreeSet, io, sync::Arc};

/// Runs that have ended in one list at most.
const MAX_LIMIT: usize = 1_000;

/// The run in the air, those that wait, and the latest of those that have ended.
pub(super) async fn list(
    register: &Register,
    clock: &Clock,
    (client, list): (Option<Run>, List),
) -> Result<RunList, ApiError> {
    let limit = list.limit;
    if limit > MAX_LIMIT {
        let rule = format!("{limit} runs are too many for one list: at most {MAX_LIMIT}");
        return Err(ApiError::new(ErrorCode::BadRequest, "limit", rule));
    }
    let (archive, book) = (register.archive().clone(), Book::clone(&register.book()));
    // There may be thousands, with large specifications.
    Ok(clock.foreign(move || told(&book, client, &archive, list)).await)
}

fn told(
    book: &Book,
    client: Option<Run>,
    archive: &Archive,
    List { state, limit }: List,
) -> RunList {
    let is_wanted = |run: &Run| state.is_none_or(|state| run.state == state);
    let known: BTreeSet<&str> = book.uids().collect();
    let is_past = |uid: &str, exit_status| {
        let is_wanted = state.is_none_or(|state| state == RunEnding::state(exit_status));
        is_wanted && !known.contains(uid)
    };
    let past = archive.runs(limit, is_past).into_iter().map(ending::run).map(Arc::new);
    let ended = book.ended().filter(|run| is_wanted(run)).map(Arc::clone);
    let client = client.filter(|run| is_wanted(run) && !archive.has_ended(&run.uid));
    let live = client.into_iter().chain(book.live(state));
    let ended = merged(ended, past).take(limit).map(Arc::unwrap_or_clone);
    RunList { queue: book.gate().clone(), runs: live.chain(ended).collect() }
}

/// Both, the latest first, each in its own order.
fn merged(
    one: impl Iterator<Item = Arc<Run>>,
    other: impl Iterator<Item = Arc<Run>>,
) -> impl Iterator<Item = Arc<Run>> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(a), Some(b)) => match ended_s(a).total_cmp(&ended_s(b)) {
            Ordering::Less => other.next(),
            Ordering::Equal | Ordering::Greater => one.next(),
        },
        (Some(_), None) => one.next(),
        (None, _) => other.next(),
    })
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
