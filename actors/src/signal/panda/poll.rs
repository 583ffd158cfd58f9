//! What is observed is asked for at a period, and nothing else.
use super::{
    form::Shape,
    hub::{Hub, Session},
    observed::{Known, Place},
};
use crate::backend::panda::control::{Control, ControlFault};
use bluefly_protocol::panda::{
    control::{Command, Reply},
    describe::{Change, ChangeGroup, parse_changes},
};
use futures_util::{FutureExt as _, future::try_join_all};
use std::{collections::BTreeMap, time::Duration};

/// A table of a million words is there within so long.
const TABLE_WITHIN: Duration = Duration::from_secs(5);

/// One question of a round, and what its answer is for.
enum Question {
    /// From now on only what changes is of interest.
    Begin(ChangeGroup),
    /// The value of a signal.
    Value(String),
    /// The value of a table, which may be long.
    Table(String),
    Changes(ChangeGroup),
}

impl Question {
    /// # Panics
    /// Never: names were parsed, so that none has an operator.
    fn command(&self) -> Command {
        match self {
            Self::Begin(group) => Command::skip_changes(Some(*group)),
            Self::Value(name) | Self::Table(name) => {
                Command::query(name).expect("a name that was parsed")
            }
            Self::Changes(group) => Command::changes(Some(*group)),
        }
    }
}

/// Asks over `control`, a connection of its own, until that fails. What has changed is told apart for
/// each connection, so that this one belongs to nobody else.
pub(super) async fn poll(
    hub: &Hub,
    session: Session,
    control: Control,
    period: Duration,
) -> ControlFault {
    let mut begun: Vec<ChangeGroup> = Vec::new();
    let mut due = hub.clock.now();
    loop {
        let is_due = hub.clock.now() >= due;
        if is_due {
            due = hub.clock.now() + period;
        }
        if let Err(fault) = round(hub, &session, &control, &mut begun, is_due).await {
            return fault;
        }
        let (is_idle, is_fresh) = {
            let observed = hub.observed.borrow();
            let is_fresh = observed.iter().any(|one| matches!(one.place, Place::Fresh));
            (observed.is_empty(), is_fresh)
        };
        if is_fresh {
            continue;
        }
        let next = async {
            if is_idle {
                std::future::pending::<()>().await;
            }
            hub.clock.sleep_until(due).await;
        };
        tokio::select! { biased;
            () = hub.observing.notified() => {}
            () = next => {}
        }
    }
}

/// Asks for the values of what is new, and, if they are due, for all that may have changed.
async fn round(
    hub: &Hub,
    session: &Session,
    control: &Control,
    begun: &mut Vec<ChangeGroup>,
    is_due: bool,
) -> Result<(), ControlFault> {
    let questions = questions(hub, session, begun, is_due);
    let mut tables = answer(hub, control, questions).await?;
    // The changes of tables tell their names only.
    while !tables.is_empty() {
        let asked = tables.into_iter().map(Question::Table).collect();
        tables = answer(hub, control, asked).await?;
    }
    Ok(())
}

fn questions(
    hub: &Hub,
    session: &Session,
    begun: &mut Vec<ChangeGroup>,
    is_due: bool,
) -> Vec<Question> {
    let (mut before, mut values, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    let mut tables = Vec::new();
    hub.observed.borrow_mut().retain_mut(|observed| {
        let is_fresh = matches!(observed.place, Place::Fresh);
        if is_fresh && !observed.find(&session.inventory) || !observed.feed.is_observed() {
            return false;
        }
        let Place::Known(known) = &observed.place else { return true };
        let Known { told, form, .. } = &**known;
        match form.group {
            Some(group) => {
                if !begun.contains(&group) {
                    begun.push(group);
                    before.push(Question::Begin(group));
                }
                if is_due && !changes.contains(&group) {
                    changes.push(group);
                }
            }
            None if is_due && !is_fresh => values.push(told.clone()),
            None => {}
        }
        if is_fresh {
            match form.shape {
                Shape::Words(_) => tables.push(told.clone()),
                Shape::Bool
                | Shape::Int { .. }
                | Shape::Float
                | Shape::Choice(_)
                | Shape::Text
                | Shape::Lines
                | Shape::Action => values.push(told.clone()),
            }
        }
        true
    });
    for names in [&mut values, &mut tables] {
        names.sort();
        names.dedup();
    }
    let values = values.into_iter().map(Question::Value);
    let values = values.chain(tables.into_iter().map(Question::Table));
    // Nothing is missed in between: changes come after the values.
    before.into_iter().chain(values).chain(changes.into_iter().map(Question::Changes)).collect()
}

/// Asks, and tells those who observe; what must be asked for by itself.
async fn answer(
    hub: &Hub,
    control: &Control,
    questions: Vec<Question>,
) -> Result<Vec<String>, ControlFault> {
    let asked = questions.iter().map(|question| match question {
        Question::Table(_) => control.ask_within(TABLE_WITHIN, question.command()).boxed_local(),
        Question::Begin(_) | Question::Value(_) | Question::Changes(_) => {
            control.ask(question.command()).boxed_local()
        }
    });
    let replies = try_join_all(asked).await?;
    let mut to_ask = Vec::new();
    for (question, reply) in questions.into_iter().zip(replies) {
        let command = question.command().to_string();
        match question {
            Question::Begin(_) => {
                let begun = reply.into_done();
                begun.map_err(|source| ControlFault::Unexpected { command, source })?;
            }
            Question::Value(name) | Question::Table(name) => {
                tell(hub, &BTreeMap::from([(name, reply)]));
            }
            Question::Changes(_) => {
                let lines = reply.into_lines();
                let lines = lines.map_err(|source| ControlFault::Unexpected {
                    command: command.clone(),
                    source,
                })?;
                let changes = parse_changes(&lines)
                    .map_err(|source| ControlFault::Unreadable { command, source })?;
                to_ask.extend(changed(hub, changes));
            }
        }
    }
    Ok(to_ask)
}

/// Tells the values that came with the changes; what is observed and came without one.
fn changed(hub: &Hub, changes: Vec<Change>) -> Vec<String> {
    let mut values = BTreeMap::new();
    let mut to_ask = Vec::new();
    for change in changes {
        match change {
            Change::Value { name, value } => {
                values.insert(name, Reply::Value(value));
            }
            // What could not be read tells why if it is asked.
            Change::Lines { name } | Change::Failed { name } => to_ask.push(name),
        }
    }
    tell(hub, &values);
    let observed = hub.observed.borrow();
    to_ask.retain(|name| {
        observed.iter().any(|observed| match &observed.place {
            Place::Known(known) => known.told == *name,
            Place::Fresh | Place::Missing => false,
        })
    });
    to_ask
}

fn tell(hub: &Hub, values: &BTreeMap<String, Reply>) {
    hub.observed.borrow_mut().retain_mut(|observed| {
        let Place::Known(known) = &observed.place else { return observed.feed.is_observed() };
        match values.get(&known.told) {
            Some(reply) => observed.tell(reply, &hub.clock),
            None => observed.feed.is_observed(),
        }
    });
}
