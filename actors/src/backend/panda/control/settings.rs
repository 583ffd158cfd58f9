//! Settings of a PandA, saved and loaded over one connection.
use super::{Control, ControlFault};
use bluefly_protocol::panda::{
    control::{Command, ControlError, Reply, UnexpectedReply},
    describe::{Inventory, parse_changes},
    settings::{Difference, Saving, Settings},
};
use futures_util::future::try_join_all;
use std::time::Duration;

/// Tables are long, and all are sent at once.
const ALL_WITHIN: Duration = Duration::from_secs(30);

/// What became of settings that were loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// What was refused, and why.
    pub refused: Vec<(String, ControlError)>,
    /// What is not as it should be, whether or not it was refused.
    pub differences: Vec<Difference>,
}

impl Control {
    /// How the PandA is set up. It is asked for all that has ever changed: this connection is no
    /// good any more for whoever wants to know what changes.
    pub async fn settings(&self, inventory: &Inventory) -> Result<Settings, ControlFault> {
        self.done(Saving::restart()).await?;
        let mut changes = Vec::new();
        for question in Saving::questions() {
            let command = question.to_string();
            let lines = self.lines(question).await?;
            let told = parse_changes(&lines);
            changes.extend(told.map_err(|source| ControlFault::Unreadable { command, source })?);
        }
        let saving = Saving::begin(inventory, changes)?;
        let replies = self.ask_all(saving.more()?).await?;
        Ok(saving.finish(replies)?)
    }

    /// Sets the PandA up, and then looks whether it is.
    pub async fn load(
        &self,
        inventory: &Inventory,
        settings: &Settings,
    ) -> Result<Loaded, ControlFault> {
        let commands = settings.commands(inventory)?;
        let replies = self.ask_all(commands.clone()).await?;
        let mut refused = Vec::new();
        for (command, reply) in commands.iter().zip(replies) {
            match reply.into_done() {
                Ok(()) => {}
                Err(UnexpectedReply::Refused(error)) => refused.push((command.to_string(), error)),
                Err(source @ UnexpectedReply::Form { .. }) => {
                    let command = command.to_string();
                    return Err(ControlFault::Unexpected { command, source });
                }
            }
        }
        let differences = self.differences(inventory, settings).await?;
        Ok(Loaded { refused, differences })
    }

    /// What is not as in `wanted`, and what that does not name.
    pub async fn differences(
        &self,
        inventory: &Inventory,
        wanted: &Settings,
    ) -> Result<Vec<Difference>, ControlFault> {
        let mut found = self.settings(inventory).await?;
        let (names, commands): (Vec<_>, Vec<_>) = wanted.times(inventory)?.into_iter().unzip();
        let replies = self.ask_all(commands).await?;
        for (name, reply) in names.into_iter().zip(replies) {
            // One that is refused is not there.
            if let Reply::Value(value) = reply {
                found.add(name, value);
            }
        }
        Ok(found.differences(wanted, inventory))
    }

    async fn ask_all(&self, commands: Vec<Command>) -> Result<Vec<Reply>, ControlFault> {
        let asked = commands.into_iter().map(|command| self.ask_within(ALL_WITHIN, command));
        try_join_all(asked).await
    }
}
