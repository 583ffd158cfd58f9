//! Names of fields and attributes in requests.
use super::{
    attribute::Attribute,
    catalogue::{Catalogue, Place},
    fault::Fault,
};

/// What a name of a request stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entity {
    /// `BLOCK.*`, with the number of the block.
    Fields(usize),
    Field(Place),
    /// `BLOCK.FIELD.*`; the instance means nothing.
    Attributes(Place),
    Attribute(Place, Attribute),
}

/// Whether a name must say which instance it means, if there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instance {
    Needed,
    Optional,
}

const MAX_NAME: usize = 31;

/// A name at the start of `text`, and what stands behind it.
pub(super) fn leading_name(text: &str) -> Result<(&str, &str), Fault> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    match text.split_at(end.unwrap_or(text.len())) {
        ("", _) => Err(Fault::NO_NAME),
        (name, _) if name.len() > MAX_NAME => Err(Fault::new("Name too long")),
        found => Ok(found),
    }
}

impl Catalogue {
    /// A block by its name and number, if it has one, and what stands behind them.
    pub(super) fn leading_block<'a>(
        &self,
        text: &'a str,
    ) -> Result<(usize, Option<usize>, &'a str), Fault> {
        let (name, behind) = leading_name(text)?;
        let find = |name: &str| self.blocks.iter().position(|block| block.name == name);
        if let Some(block) = find(name) {
            let only = (self.blocks[block].count == 1).then_some(0);
            return Ok((block, only, behind));
        }
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let block = find(letters).ok_or(Fault::new("No such block"))?;
        let number = name[letters.len()..].parse::<usize>().ok();
        let count = self.blocks[block].count;
        match number.filter(|number| (1..=count).contains(number)) {
            Some(number) => Ok((block, Some(number - 1), behind)),
            None => Err(Fault::new("Invalid block number")),
        }
    }

    pub(super) fn entity(&self, text: &str, instance: Instance) -> Result<Entity, Fault> {
        let (block, number, behind) = self.leading_block(text)?;
        let Some(behind) = behind.strip_prefix('.') else {
            let is_all = behind.is_empty();
            let missing = Fault::new("Missing field name");
            return Err(if is_all { missing } else { Fault::UNEXPECTED_CHARACTER });
        };
        if behind == "*" {
            return Ok(Entity::Fields(block));
        }
        let (name, behind) = leading_name(behind)?;
        let fields = &self.blocks[block].fields;
        let field = fields.iter().position(|field| field.name == name).ok_or(Fault::NO_FIELD)?;
        let place = Place { block, field, instance: number.unwrap_or(0) };
        if behind == ".*" {
            return Ok(Entity::Attributes(place));
        }
        if number.is_none() && instance == Instance::Needed {
            return Err(Fault::new("Missing block number"));
        }
        match behind.strip_prefix('.') {
            None if behind.is_empty() => Ok(Entity::Field(place)),
            None => Err(Fault::UNEXPECTED_CHARACTER),
            Some(behind) => {
                let (name, behind) = leading_name(behind)?;
                let attribute = Attribute::of(&fields[field].kind)
                    .iter()
                    .find(|attribute| attribute.name() == name);
                let attribute = attribute.ok_or(Fault::new("No such attribute"))?;
                if behind.is_empty() {
                    Ok(Entity::Attribute(place, *attribute))
                } else {
                    Err(Fault::UNEXPECTED_CHARACTER)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_wrong_with_it() {
        let catalogue = Catalogue::pandabox();
        let check = |name: &str, expected: &str| {
            let found =
                catalogue.entity(name, Instance::Needed).map_err(|fault| fault.text().to_owned());
            assert_eq!(found.unwrap_err(), expected, "{name}");
        };
        check("", "No name found");
        check(&"x".repeat(32), "Name too long");
        check("x", "No such block");
        check("TTLIN", "Missing field name");
        check("TTLIN23", "Invalid block number");
        check("TTLIN99999999999999999999999", "Invalid block number");
        check("TTLIN2.x", "No such field");
        check("TTLIN.VAL", "Missing block number");
        check("TTLIN.VAL.", "Missing block number");
        check("TTLIN1.VAL.", "No name found");
        check("TTLIN1.VAL.x", "No such attribute");
        check("TTLIN1.VAL,", "Unexpected character after input");
    }

    #[test]
    fn a_number_may_be_part_of_the_name() {
        let catalogue = Catalogue::pandabox();
        let with = catalogue.entity("SFP3_SYNC_IN1.LINKUP", Instance::Needed);
        assert_eq!(with, catalogue.entity("SFP3_SYNC_IN.LINKUP", Instance::Needed));
        assert!(matches!(with, Ok(Entity::Field(_))));
    }
}
