//! [`Wiring`]: what the fields of a PandA are to be; set where they are not, and verified.
use crate::{
    backend::panda::control::{Control, ControlFault},
    signal::panda::{PandaSeat, Session},
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    panda::{
        control::{Command, Reply, UnexpectedReply},
        describe::Inventory,
        wiring::{Loose, Wire, WireError, WireReason, commands},
    },
};
use futures_util::future::try_join_all;
use std::rc::Rc;

/// What the fields of a PandA are to be. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wiring(Rc<[Wire]>);

/// How the fields of a PandA are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What is not as it is to be, or was not before it was set.
    pub loose: Vec<Loose>,
    /// What cannot be made so.
    pub wrong: Vec<WireError>,
}

impl Wiring {
    pub fn new(wires: &[Wire]) -> Self {
        Self(wires.into())
    }

    pub fn wires(&self) -> &[Wire] {
        &self.0
    }

    /// Sets what is not as it is to be, and looks whether it is then; tells what it was before.
    ///
    /// What is right already is not written, so that a PandA which runs is not disturbed.
    pub async fn apply(
        &self,
        control: &Control,
        inventory: &Inventory,
    ) -> Result<Found, ControlFault> {
        let mut before = self.look(control, inventory).await?;
        if before.loose.is_empty() {
            return Ok(before);
        }
        let loose = || before.loose.iter().map(|loose| &loose.wire);
        let commands = commands(loose(), inventory)?;
        let replies = ask_all(control, commands.iter().cloned()).await?;
        for (command, reply) in commands.iter().zip(replies) {
            let refused = match reply.into_done() {
                Ok(()) => continue,
                Err(UnexpectedReply::Refused(error)) => error,
                Err(source @ UnexpectedReply::Form { .. }) => {
                    let command = command.to_string();
                    return Err(ControlFault::Unexpected { command, source });
                }
            };
            let name = command.to_string();
            let is_of = |wire: &&Wire| {
                let told = wire.field.told(&inventory.blocks);
                told.is_some_and(|field| name == format!("{field}={}", wire.value))
            };
            if let Some(wire) = loose().find(is_of) {
                before.wrong.push(wire.error(WireReason::Refused(refused)));
            }
        }
        let after = self.look(control, inventory).await?;
        let is_new = |loose: &Loose| before.wrong.iter().all(|wrong| wrong.wire != loose.wire);
        let reverted: Vec<WireError> = after
            .loose
            .into_iter()
            .filter(is_new)
            .map(|loose| loose.wire.error(WireReason::Reverted(loose.found)))
            .collect();
        before.wrong.extend(reverted);
        Ok(before)
    }

    /// What is not as it is to be. Writes nothing.
    pub async fn look(
        &self,
        control: &Control,
        inventory: &Inventory,
    ) -> Result<Found, ControlFault> {
        let (mut found, mut asked) = (Found::default(), Vec::new());
        for wire in &*self.0 {
            let question = wire.check(inventory, &self.0).and_then(|()| Ok(wire.question()?));
            match question {
                Ok(question) => asked.push((wire, question)),
                Err(reason) => found.wrong.push(wire.error(reason)),
            }
        }
        let questions = asked.iter().map(|(_, question)| question.clone());
        let replies = ask_all(control, questions).await?;
        for ((wire, question), reply) in asked.into_iter().zip(replies) {
            match reply.into_value() {
                Ok(value) if wire.is(&value, inventory) => {}
                Ok(value) => found.loose.push(Loose { wire: wire.clone(), found: value }),
                Err(UnexpectedReply::Refused(error)) => {
                    found.wrong.push(wire.error(WireReason::Unread(error)));
                }
                Err(source @ UnexpectedReply::Form { .. }) => {
                    let command = question.to_string();
                    return Err(ControlFault::Unexpected { command, source });
                }
            }
        }
        Ok(found)
    }

    /// Fails unless the PandA `device` is reached and everything is as it is to be: nobody may have
    /// changed it since it was set.
    pub async fn verify(&self, device: &Name, seat: &PandaSeat) -> Result<(), Fault> {
        let fault = |class, reason: String| {
            let operation = "verify its wiring".to_owned();
            Fault { device: device.clone(), operation, class, reason }
        };
        let reached = seat.reached();
        let Session { control, inventory, .. } =
            reached.map_err(|error| fault(FaultClass::Disconnected, error.to_string()))?;
        match self.look(&control, &inventory).await {
            Ok(found) if found.is_right() => Ok(()),
            Ok(found) => Err(fault(FaultClass::Failed, found.in_words())),
            Err(error @ (ControlFault::Lost { .. } | ControlFault::NotSent { .. })) => {
                Err(fault(FaultClass::Disconnected, error.to_string()))
            }
            Err(error) => Err(fault(FaultClass::Failed, error.to_string())),
        }
    }
}

impl Found {
    pub fn is_right(&self) -> bool {
        self.loose.is_empty() && self.wrong.is_empty()
    }

    /// All that is wrong, in one line.
    pub fn in_words(&self) -> String {
        let wrong = self.wrong.iter().map(ToString::to_string);
        let loose = self
            .loose
            .iter()
            .filter(|loose| self.wrong.iter().all(|wrong| wrong.wire != loose.wire));
        let all: Vec<String> = wrong.chain(loose.map(ToString::to_string)).collect();
        all.join("; ")
    }
}

async fn ask_all(
    control: &Control,
    commands: impl Iterator<Item = Command>,
) -> Result<Vec<Reply>, ControlFault> {
    try_join_all(commands.map(|command| control.ask(command))).await
}
