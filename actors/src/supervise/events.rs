//! [`Events`]: births and deaths in a tree, for whoever wants to watch.
use super::exit::Exit;
use serde::{Serialize, Serializer};
use std::sync::Arc;
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

/// Something happened in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// An incarnation is ready.
    Up {
        #[serde(serialize_with = "as_text")]
        id: Arc<str>,
        incarnation: u64,
    },
    /// An incarnation ended. One that died while it started was never up.
    Down {
        #[serde(serialize_with = "as_text")]
        id: Arc<str>,
        incarnation: u64,
        exit: Exit,
    },
    /// A supervisor ran out of restarts and stopped its children.
    Escalated {
        #[serde(serialize_with = "as_text")]
        id: Arc<str>,
        exit: Exit,
    },
    /// This reader was too slow: so many events are missing here.
    Lagged { missed: u64 },
}

fn as_text<S: Serializer>(id: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id)
}

/// One reader's view of the events of a tree, in order.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    pub(super) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self(receiver)
    }

    /// The next event; `None` once the tree and its environment are gone.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(Event::Lagged { missed }),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        match self.0.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Lagged(missed)) => Some(Event::Lagged { missed }),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}
