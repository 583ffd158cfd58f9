//! Commands that begin with `*`.
use super::{
    capture::{Mode, Modes, POSITION_CHOICES},
    catalogue::{Column, Kind},
    changes::{Group, Seen},
    fault::Fault,
    field::Answer,
    fpga::TICKS_PER_SECOND,
    name::{Entity, Instance, leading_name},
    number::unsigned,
    panel::Panel,
    server::Server,
};

const IDENTITY: &str = "PandA SW: 4.1 FPGA: 4.1.0 51170001 00000000 rootfs: sim 4.1";

impl Server {
    /// `name` is without its asterisk.
    pub(super) fn system_get(&mut self, name: &str, seen: &mut Seen) -> Result<Answer, Fault> {
        let (command, behind) = leading_name(name)?;
        let panel = &mut self.panel;
        match command {
            "IDN" => alone(behind, || Answer::Value(IDENTITY.to_owned())),
            "CLOCK_FREQ" => alone(behind, || Answer::Value(TICKS_PER_SECOND.to_string())),
            "BITS" => alone(behind, || Answer::Lines(panel.catalogue.bits.clone())),
            "POSITIONS" => alone(behind, || Answer::Lines(panel.catalogue.positions.clone())),
            "WHO" => alone(behind, || Answer::Lines(self.who())),
            "BLOCKS" => alone(behind, || {
                let blocks = panel.catalogue.blocks.iter();
                Answer::Lines(
                    blocks.map(|block| format!("{} {}", block.name, block.count)).collect(),
                )
            }),
            "ECHO" => {
                let text = behind.strip_prefix(' ').ok_or(Fault::new("Character ' ' expected"))?;
                Ok(Answer::Value(text.to_owned()))
            }
            "DESC" => panel.description(dotted(behind)?).map(Answer::Value),
            "ENUMS" => panel.enumeration(dotted(behind)?).map(Answer::Lines),
            "CHANGES" => Ok(Answer::Lines(panel.changes(Group::parse(behind)?, seen))),
            "CAPTURE" => panel.captures(behind).map(Answer::Lines),
            "METADATA" => match dotted(behind)? {
                "*" => Ok(Answer::Lines(panel.catalogue.metadata.clone())),
                key => panel.get_metadata(key),
            },
            "PCAP" => match behind {
                ".STATUS" => Ok(Answer::Value(self.capture_status())),
                ".CAPTURED" => Ok(Answer::Value(self.num_captured().to_string())),
                ".COMPLETION" => Ok(Answer::Value(self.completion().to_owned())),
                _ => Err(Fault::new("Invalid *PCAP field")),
            },
            "VERBOSE" | "SAVESTATE" => Err(Fault::new("Command not readable")),
            _ => Err(Fault::new("Unknown command")),
        }
    }

    pub(super) fn system_put(
        &mut self,
        name: &str,
        value: &str,
        seen: &mut Seen,
    ) -> Result<(), Fault> {
        let (command, behind) = leading_name(name)?;
        match command {
            "CAPTURE" if behind.is_empty() => {
                nothing(value)?;
                self.panel.clear_captures();
                Ok(())
            }
            "CHANGES" => {
                let groups = Group::parse(behind)?;
                match value {
                    "" | "E" => self.panel.skip_changes(groups, seen),
                    "S" => Panel::restart_changes(groups, seen),
                    _ => return Err(Fault::new("Invalid reset option")),
                }
                Ok(())
            }
            "PCAP" => match behind {
                ".ARM" => nothing(value).and_then(|()| self.arm()),
                ".DISARM" => nothing(value).map(|()| self.disarm()),
                _ => Err(Fault::new("Invalid *PCAP field")),
            },
            "METADATA" => self.panel.put_metadata(dotted(behind)?, value),
            // Of how much the server logs: there is no log here.
            "VERBOSE" => unsigned(value).map(|_| ()),
            "SAVESTATE" => {
                nothing(value)?;
                Err(Fault::new("No persistence state configured"))
            }
            "IDN" | "ECHO" | "WHO" | "BLOCKS" | "DESC" | "ENUMS" | "POSITIONS" | "BITS"
            | "CLOCK_FREQ" | "CAPTURE" => Err(Fault::new("Command not writeable")),
            _ => Err(Fault::new("Unknown command")),
        }
    }
}

fn alone(behind: &str, answer: impl FnOnce() -> Answer) -> Result<Answer, Fault> {
    nothing(behind)?;
    Ok(answer())
}

fn nothing(text: &str) -> Result<(), Fault> {
    if text.is_empty() { Ok(()) } else { Err(Fault::UNEXPECTED_CHARACTER) }
}

fn dotted(behind: &str) -> Result<&str, Fault> {
    behind.strip_prefix('.').ok_or(Fault::new("Character '.' expected"))
}

impl Panel {
    /// What `*DESC` tells of a block, a field, an attribute or a part of a table.
    fn description(&self, name: &str) -> Result<String, Fault> {
        if let Some(column) = self.column(name)? {
            return Ok(column.description.clone());
        }
        if !name.contains('.') {
            let (block, _, behind) = self.catalogue.leading_block(name)?;
            nothing(behind)?;
            return Ok(self.catalogue.blocks[block].description.clone());
        }
        match self.catalogue.entity(name, Instance::Optional)? {
            Entity::Field(place) => Ok(self.field(place).description.clone()),
            Entity::Attribute(_, attribute) => Ok(attribute.description().to_owned()),
            Entity::Fields(_) | Entity::Attributes(_) => Err(Fault::NO_NAME),
        }
    }

    fn enumeration(&self, name: &str) -> Result<Vec<String>, Fault> {
        if let Some(column) = self.column(name)? {
            return if column.choices.is_empty() {
                Err(Fault::new("Table sub-field is not an enumeration"))
            } else {
                Ok(column.choices.clone())
            };
        }
        match self.catalogue.entity(name, Instance::Optional)? {
            Entity::Field(place) => self.choices(place),
            Entity::Attribute(place, attribute) => self.attribute_choices(place, attribute),
            Entity::Fields(_) | Entity::Attributes(_) => Err(Fault::NO_NAME),
        }
    }

    /// The part of a table that `BLOCK.FIELD[].PART` names; `None` if the name has another form.
    fn column(&self, name: &str) -> Result<Option<&Column>, Fault> {
        let Some((field, part)) = name.split_once("[].") else { return Ok(None) };
        let Entity::Field(place) = self.catalogue.entity(field, Instance::Optional)? else {
            return Err(Fault::new("Field is not a table"));
        };
        let Kind::Table(columns) = &self.field(place).kind else {
            return Err(Fault::new("Field is not a table"));
        };
        let column = columns.iter().find(|column| column.name == part);
        column.map(Some).ok_or(Fault::new("Table sub-field not found"))
    }

    /// What `*CAPTURE` tells; `behind` is what stands behind it.
    fn captures(&self, behind: &str) -> Result<Vec<String>, Fault> {
        let places = self.catalogue.captures.iter();
        Ok(match behind {
            "" => {
                let captured = places.filter_map(|place| {
                    let modes = self.slot(*place).capture.value;
                    let name = self.catalogue.name(*place);
                    (!modes.is_empty()).then(|| format!("{name} {}", modes.text()))
                });
                captured.collect()
            }
            ".*" => places.map(|place| self.catalogue.name(*place)).collect(),
            ".OPTIONS" => Mode::ALL.map(|mode| mode.name().to_owned()).into(),
            ".ENUMS" => POSITION_CHOICES.map(str::to_owned).into(),
            _ => return Err(Fault::new("Invalid *CAPTURE option")),
        })
    }

    fn clear_captures(&mut self) {
        let change = self.next_change();
        for i in 0..self.catalogue.captures.len() {
            let slot = self.slot_mut(self.catalogue.captures[i]);
            if !slot.capture.value.is_empty() {
                slot.capture.set(Modes::default(), change);
            }
        }
    }
}
