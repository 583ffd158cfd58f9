//! [`Inventory`]: all that a PandA has, as it tells of itself.
use super::{Block, FieldClass, FieldName, Identity};
use crate::panda::table::RowLayout;
use std::collections::BTreeMap;

/// All blocks and fields of a PandA. Values are not part of it: it stays as it is for as long as
/// its FPGA is not loaded anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    pub identity: Identity,
    /// Name of the application in its FPGA, if it has one.
    pub application: Option<String>,
    /// By name.
    pub blocks: Vec<Block>,
    pub(super) fields: BTreeMap<String, BTreeMap<String, FieldInfo>>,
}

/// What a field is; the same for all blocks of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    pub class: FieldClass,
    /// What can be asked of it beside its value, with what each may be set to: nothing if it is no
    /// choice among words.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// What it may be set to, if it is a choice among words.
    pub choices: Vec<String>,
    /// Largest value, of a number without a sign.
    pub max: Option<u64>,
    /// Largest delay of what it looks at, in ticks.
    pub max_delay: Option<u64>,
    /// Of a table.
    pub table: Option<TableShape>,
}

/// What a table takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// In one write.
    pub max_words: u64,
    pub layout: RowLayout,
}

/// How a PandA is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Replaced {
    #[error("its FPGA was {before} and is {now}")]
    Fpga { before: String, now: String },
    #[error("its application was {before} and is {now}")]
    Application { before: String, now: String },
    #[error("its server was {before} and is {now}")]
    Software { before: String, now: String },
    /// The same names of versions, and yet not the same.
    #[error("its blocks or fields are others than before")]
    Fields,
}

impl FieldInfo {
    pub(super) const fn of(class: FieldClass) -> Self {
        Self {
            class,
            attributes: BTreeMap::new(),
            choices: Vec::new(),
            max: None,
            max_delay: None,
            table: None,
        }
    }
}

impl Inventory {
    /// What the field is that `name` names, whatever its attribute; `None` if there is none.
    pub fn field(&self, name: &FieldName) -> Option<&FieldInfo> {
        let block = name.block.told(&self.blocks)?;
        self.fields.get(block.name())?.get(name.field())
    }

    /// The fields of the blocks of one kind, by name.
    pub fn fields_of(&self, block: &str) -> impl Iterator<Item = (&str, &FieldInfo)> {
        let fields = self.fields.get(block).into_iter().flatten();
        fields.map(|(name, info)| (name.as_str(), info))
    }

    /// How many fields there are, one of each kind of block.
    pub fn num_fields(&self) -> usize {
        self.fields.values().map(BTreeMap::len).sum()
    }

    /// What is another than in `before`, the most telling first; `None` if it is the same.
    pub fn replaced(&self, before: &Self) -> Option<Replaced> {
        let pair = |before: &str, now: &str| (before.to_owned(), now.to_owned());
        if self.identity.fpga != before.identity.fpga {
            let (before, now) = pair(&before.identity.fpga, &self.identity.fpga);
            return Some(Replaced::Fpga { before, now });
        }
        if self.application != before.application {
            let name = |inventory: &Self| {
                inventory.application.clone().unwrap_or_else(|| "not named".to_owned())
            };
            return Some(Replaced::Application { before: name(before), now: name(self) });
        }
        if self.identity.software != before.identity.software {
            let (before, now) = pair(&before.identity.software, &self.identity.software);
            return Some(Replaced::Software { before, now });
        }
        (self.blocks != before.blocks || self.fields != before.fields).then_some(Replaced::Fields)
    }
}
