//! Telling listeners what happens in the tree.
use crate::{
    feed::Feed,
    supervise::{Event, Events, Exit},
};
use bluefly_protocol::api::{self, EventKind, TreeEvent};

/// Tells `feed` of births and deaths for as long as there are any.
pub async fn herald(mut events: Events, feed: Feed) {
    while let Some(event) = events.next().await {
        let text = |exit: &Exit| exit.to_string();
        let tree = match event {
            Event::Up { id, incarnation } => TreeEvent::Up { id: id.to_string(), incarnation },
            Event::Down { id, incarnation, exit } => {
                TreeEvent::Down { id: id.to_string(), incarnation, exit: text(&exit) }
            }
            Event::Escalated { id, exit } => {
                TreeEvent::Escalated { id: id.to_string(), exit: text(&exit) }
            }
            Event::Lagged { missed } => {
                tracing::warn!(missed, "events of the tree were lost");
                continue;
            }
        };
        let event = api::Event::Tree { seq: 0, tree };
        let [head, tail] = event.around_seq().expect("an event of the tree has a number");
        feed.push(EventKind::Tree, [&head, &tail]);
    }
}
