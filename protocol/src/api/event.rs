//! [`Event`]: what happens, as it is told to whoever listens.
use super::{
    run::{Queue, Run},
    status::Status,
};
use crate::document::Document;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use utoipa::ToSchema;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A document is in the file of documents.
    Document {
        /// Rises by one with every event that has one.
        seq: u64,
        run: String,
        #[serde(flatten)]
        #[schema(value_type = Object)]
        document: Document,
    },
    /// An actor came up or went down.
    Tree { seq: u64, tree: TreeEvent },
    /// A run was submitted, moved, begun, ended or cancelled. It is told without its specification
    /// and metadata, which may be large: ask for the run.
    Queue { seq: u64, run: Run },
    /// The queue was held or released; told to those who hear of runs.
    Gate { seq: u64, queue: Queue },
    /// The status has changed. Only the latest is told.
    Progress { status: Status },
    /// This listener was too slow: so many events are missing here.
    Missed { count: u64 },
}

impl Event {
    /// The event as JSON, in two parts between which its number belongs; the event itself has any.
    /// None if it is of a kind that has no number.
    pub fn around_seq(&self) -> Option<[String; 2]> {
        let text = serde_json::to_string(self).expect("its keys are strings");
        let (head, rest) = text.split_once(r#","seq":"#)?;
        let tail = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_first = head.starts_with(r#"{"event":"#) && !head.contains(',');
        is_first.then(|| [format!(r#"{head},"seq":"#), tail.to_owned()])
    }
}

/// Something happened in the tree of actors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TreeEvent {
    /// An incarnation is ready.
    Up { id: String, incarnation: u64 },
    /// An incarnation ended, for the reason given.
    Down { id: String, incarnation: u64, exit: String },
    /// A supervisor ran out of restarts and stopped its children.
    Escalated { id: String, exit: String },
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Document,
    Tree,
    Queue,
    Progress,
}

impl EventKind {
    pub const ALL: [Self; 4] = [Self::Document, Self::Tree, Self::Queue, Self::Progress];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Tree => "tree",
            Self::Queue => "queue",
            Self::Progress => "progress",
        }
    }
}

/// The kinds of events that a listener wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKinds(u8);

impl EventKinds {
    pub const ALL: Self = Self(0b1111);

    pub const fn has(self, kind: EventKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

/// A text that names an unknown kind of event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of event: document, tree, queue, progress")]
pub struct UnknownKind(String);

impl FromStr for EventKinds {
    type Err = UnknownKind;

    /// Kinds separated by commas.
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        text.split(',').try_fold(Self(0), |Self(kinds), word| {
            let kind = EventKind::ALL.into_iter().find(|kind| kind.as_str() == word);
            let kind = kind.ok_or_else(|| UnknownKind(word.to_owned()))?;
            Ok(Self(kinds | 1 << kind as u8))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_put_where_it_belongs() {
        let queue = Queue { reason: r#","seq":3"#.to_owned(), ..Queue::default() };
        let event = |seq| Event::Gate { seq, queue: queue.clone() };
        let [head, tail] = event(0).around_seq().expect("it has a number");
        let text = serde_json::to_string(&event(17)).expect("it is plain");
        assert_eq!(format!("{head}17{tail}"), text);
        assert_eq!(Event::Missed { count: 1 }.around_seq(), None);
    }

    #[test]
    fn kinds_are_named_in_a_list() {
        let check = |text: &str, expected: Result<Vec<EventKind>, &str>| {
            let kinds = text.parse::<EventKinds>();
            let kinds =
                kinds.map(|kinds| EventKind::ALL.into_iter().filter(move |kind| kinds.has(*kind)));
            let kinds = kinds.map(Iterator::collect).map_err(|error| error.to_string());
            assert_eq!(kinds, expected.map_err(str::to_owned), "{text:?}");
        };
        check("document", Ok(vec![EventKind::Document]));
        check("progress,tree", Ok(vec![EventKind::Tree, EventKind::Progress]));
        check("", Err("\"\" is no kind of event: document, tree, queue, progress"));
        check("tree,all", Err("\"all\" is no kind of event: document, tree, queue, progress"));
        assert!(EventKind::ALL.into_iter().all(|kind| EventKinds::ALL.has(kind)));
    }
}
