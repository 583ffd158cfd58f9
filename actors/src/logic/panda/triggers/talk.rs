//! [`Talk`]: commands to a PandA, whose failures are faults of what is being done.
use super::super::{super::Task, is_loss};
use crate::{backend::panda::control::ControlFault, clock::Clock, signal::panda::Session};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    panda::{
        control::{Command, CommandError},
        describe::{BlockName, FieldName},
        is_same_number,
        table::{TableMode, TableText},
    },
};
use futures_util::future::try_join_all;
use std::{fmt::Display, str::FromStr, time::Duration};

/// How long a table may take to be taken.
const TABLE_WITHIN: Duration = Duration::from_secs(30);

/// A PandA that is told something, for as long as its connections live.
pub(super) struct Talk<'a> {
    pub(super) task: Task<'a>,
    pub(super) session: Session,
}

impl Talk<'_> {
    pub(super) fn failed(&self, reason: impl Into<String>) -> Fault {
        self.task.fault(FaultClass::Failed, reason)
    }

    fn not_done(&self, fault: &ControlFault) -> Fault {
        let class = if is_loss(fault) { FaultClass::Disconnected } else { FaultClass::Failed };
        self.task.fault(class, fault.to_string())
    }

    fn command(&self, command: Result<Command, CommandError>) -> Result<Command, Fault> {
        command.map_err(|error| self.failed(error.to_string()))
    }

    /// Whether the PandA has such a field.
    pub(super) fn has(&self, field: &str) -> bool {
        let name = field.parse::<FieldName>();
        name.is_ok_and(|name| self.session.inventory.field(&name).is_some())
    }

    /// Sets a field or an attribute.
    pub(super) async fn put(&self, field: &str, value: impl Display) -> Result<(), Fault> {
        let command = self.command(Command::assign(field, &value.to_string()))?;
        self.session.ledger.own(field);
        self.done(command).await
    }

    /// Sets fields in this order, and then looks whether they are so: what others set from then on is
    /// theirs.
    pub(super) async fn put_all(&self, values: &[(String, String)]) -> Result<(), Fault> {
        for (field, value) in values {
            self.put(field, value).await?;
        }
        self.look().await?;
        self.check_all(values).await
    }

    /// Fails unless fields are as they were set.
    pub(super) async fn check_all(&self, values: &[(String, String)]) -> Result<(), Fault> {
        let fields: Vec<String> = values.iter().map(|(field, _)| field.clone()).collect();
        let found = self.get_all(&fields).await?;
        for ((field, wanted), found) in values.iter().zip(found) {
            if found != *wanted && !is_same_number(&found, wanted) {
                let reason = format!("{field} is {found} although {wanted} was written");
                return Err(self.failed(reason));
            }
        }
        Ok(())
    }

    /// Resolves when it is known what was set up to now, and by whom.
    pub(super) async fn look(&self) -> Result<(), Fault> {
        self.session.ledger.look().await.map_err(|fault| self.not_done(&fault))
    }

    pub(super) async fn done(&self, command: Command) -> Result<(), Fault> {
        self.session.control.done(command).await.map_err(|fault| self.not_done(&fault))
    }

    /// The value of a field or an attribute.
    pub(super) async fn get(&self, field: &str) -> Result<String, Fault> {
        let command = self.command(Command::query(field))?;
        self.session.control.value(command).await.map_err(|fault| self.not_done(&fault))
    }

    /// The values of fields, asked for in this order without waiting in between.
    pub(super) async fn get_all(&self, fields: &[String]) -> Result<Vec<String>, Fault> {
        try_join_all(fields.iter().map(|field| self.get(field))).await
    }

    pub(super) async fn lines(&self, command: Command) -> Result<Vec<String>, Fault> {
        self.session.control.lines(command).await.map_err(|fault| self.not_done(&fault))
    }

    /// A number that was told of a field.
    pub(super) fn number<T: FromStr>(&self, field: &str, text: &str) -> Result<T, Fault> {
        text.parse().map_err(|_| self.failed(format!("{field} is {text:?}, which is no number")))
    }

    pub(super) async fn write_table(
        &self,
        field: &str,
        mode: TableMode,
        words: &[u32],
    ) -> Result<(), Fault> {
        let command = self.command(Command::table(field, mode, TableText::Base64, words))?;
        let name = command.to_string();
        self.session.ledger.own(field);
        let reply = self.session.control.ask_within(TABLE_WITHIN, command).await;
        let done = reply.map_err(|fault| self.not_done(&fault))?.into_done();
        done.map_err(|source| self.failed(format!("control port: {name}: {source}")))
    }

    /// Resolves once the field has the value; fails if that takes longer than `within`.
    pub(super) async fn until(
        &self,
        clock: &Clock,
        (field, value): (&str, &str),
        within: Duration,
    ) -> Result<(), Fault> {
        let since = clock.now();
        loop {
            let found = self.get(field).await?;
            if found == value {
                return Ok(());
            }
            if clock.now() - since >= within {
                let reason = format!("{field} is {found} still after {within:?}, not {value}");
                return Err(self.failed(reason));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }
}

/// How often it is asked again for what comes at once.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A field of a block.
pub(super) fn of(block: &BlockName, field: &str) -> String {
    format!("{block}.{field}")
}
