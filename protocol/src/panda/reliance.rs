//! [`Reliance`]: which settings of a PandA a scan relies on.
use super::{
    describe::{BlockName, FieldClass, FieldName, Inventory},
    wiring::Wire,
};
use std::collections::{BTreeMap, BTreeSet};

/// Settings that must stay as they are while a scan runs: all of the blocks that it uses, of those
/// that they look at, and so on; and everything that is wired.
///
/// **Invariant:** switches (`BITS.A`) are none of them unless they are wired: they are there to be
/// switched, by whoever wants to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reliance {
    /// As the server names them.
    blocks: BTreeSet<BlockName>,
    fields: BTreeSet<FieldName>,
}

/// The block of switches.
const SWITCHES: &str = "BITS";
/// What a table tells of by itself.
const BY_ITSELF: &str = "QUEUED_LINES";

impl Reliance {
    /// What is relied on by `used` blocks and by `wires`, at a PandA that is set to `values`.
    pub fn new(
        used: impl IntoIterator<Item = BlockName>,
        wires: &[Wire],
        (inventory, values): (&Inventory, &BTreeMap<String, String>),
    ) -> Self {
        let told = |block: &BlockName| block.told(&inventory.blocks);
        let is_mux = |field: &FieldName| {
            let class = inventory.field(field).map(|info| &info.class);
            field.attribute().is_none()
                && matches!(class, Some(FieldClass::BitMux | FieldClass::PosMux))
        };
        let source = |field: &FieldName, value: &str| {
            let source = value.parse::<FieldName>().ok().filter(|_| is_mux(field))?;
            told(&source.block).filter(|block| block.name() != SWITCHES)
        };
        let mut looks_at: BTreeMap<BlockName, Vec<BlockName>> = BTreeMap::new();
        for (name, value) in values {
            let Ok(field) = name.parse::<FieldName>() else { continue };
            if let Some(source) = source(&field, value) {
                looks_at.entry(field.block).or_default().push(source);
            }
        }
        let behind = wires.iter().filter_map(|wire| source(&wire.field, &wire.value));
        let used = used.into_iter().filter_map(|block| told(&block));
        let mut next: Vec<BlockName> = used.chain(behind).collect();
        let mut blocks = BTreeSet::new();
        while let Some(block) = next.pop() {
            if !blocks.contains(&block) {
                next.extend(looks_at.get(&block).into_iter().flatten().cloned());
                blocks.insert(block);
            }
        }
        let fields = wires.iter().filter_map(|wire| wire.field.told(&inventory.blocks));
        Self { blocks, fields: fields.collect() }
    }

    /// Whether a setting is one of them, named as the server names it.
    pub fn has(&self, name: &str) -> bool {
        let Ok(field) = name.parse::<FieldName>() else { return false };
        let is_setting = field.attribute() != Some(BY_ITSELF);
        is_setting && (self.blocks.contains(&field.block) || self.fields.contains(&field))
    }
}
