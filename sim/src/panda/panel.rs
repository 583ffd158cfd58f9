//! [`Panel`]: the state of all fields of a box, in front of its FPGA.
use super::{
    catalogue::{Block, Catalogue, Field, Kind, Place},
    fault::Fault,
    hardware::{Hardware, Register},
    slot::{Marked, Slot},
    table::Table,
};
use std::collections::BTreeMap;

/// What is written, read and reported as changed.
pub(super) struct Panel<H> {
    pub(super) catalogue: Catalogue,
    pub(super) hardware: H,
    /// One for each field of each instance, as [`Catalogue::slot`] numbers them.
    pub(super) slots: Vec<Slot>,
    /// By the slot of their field.
    pub(super) tables: BTreeMap<usize, Table>,
    /// As the catalogue lists the keys.
    pub(super) metadata: Vec<Marked<Vec<String>>>,
    pub(super) bits: Bus<u128>,
    pub(super) positions: Bus<[i32; 32]>,
    /// The number of the latest change.
    pub(super) change: u64,
}

/// A bus as it was read last, and when each of its lines was seen to change.
#[derive(Debug)]
pub(super) struct Bus<T> {
    pub(super) values: T,
    pub(super) changed: Vec<u64>,
}

impl<H: Hardware> Panel<H> {
    pub(super) fn new(hardware: H) -> Self {
        let catalogue = Catalogue::pandabox();
        let mut slots = Vec::with_capacity(catalogue.num_slots());
        let mut tables = BTreeMap::new();
        for (block, field, instances) in catalogue.fields() {
            for _ in instances {
                let kind = &catalogue.blocks[block].fields[field].kind;
                if let Kind::Table(columns) = kind {
                    tables.insert(slots.len(), Table::new(columns));
                }
                slots.push(Slot::new(kind));
            }
        }
        let metadata = catalogue.metadata.iter().map(|_| Marked::new(Vec::new())).collect();
        let bits = Bus { values: 0, changed: vec![1; catalogue.bits.len()] };
        let positions = Bus { values: [0; 32], changed: vec![1; catalogue.positions.len()] };
        Self { catalogue, hardware, slots, tables, metadata, bits, positions, change: 1 }
    }

    /// The number of a new change.
    pub(super) fn next_change(&mut self) -> u64 {
        self.change += 1;
        self.change
    }

    pub(super) fn block(&self, place: Place) -> &Block {
        &self.catalogue.blocks[place.block]
    }

    pub(super) fn field(&self, place: Place) -> &Field {
        self.catalogue.field(place)
    }

    pub(super) fn slot(&self, place: Place) -> &Slot {
        &self.slots[self.catalogue.slot(place)]
    }

    pub(super) fn slot_mut(&mut self, place: Place) -> &mut Slot {
        let slot = self.catalogue.slot(place);
        &mut self.slots[slot]
    }

    pub(super) fn register(&self, place: Place) -> Register<'_> {
        let block = self.block(place);
        let field = &block.fields[place.field].name;
        Register { block: &block.name, instance: place.instance + 1, field }
    }

    /// Writes a value to the FPGA and notes it.
    pub(super) fn set(&mut self, place: Place, value: u64) {
        let block = &self.catalogue.blocks[place.block];
        let field = &block.fields[place.field].name;
        let register = Register { block: &block.name, instance: place.instance + 1, field };
        self.hardware.write(register, value);
        let change = self.next_change();
        self.slot_mut(place).value.set(value, change);
    }

    pub(super) fn set_delay(&mut self, place: Place, ticks: u8) {
        let block = &self.catalogue.blocks[place.block];
        let field = &block.fields[place.field].name;
        let register = Register { block: &block.name, instance: place.instance + 1, field };
        self.hardware.set_delay(register, ticks);
        let change = self.next_change();
        self.slot_mut(place).delay.set(ticks, change);
    }

    /// Reads the bit bus, with what changed since it was read last.
    pub(super) fn refresh_bits(&mut self) {
        let bits = self.hardware.bits();
        let flips = bits.changed | (bits.levels ^ self.bits.values);
        self.bits.values = bits.levels;
        if flips != 0 {
            let change = self.next_change();
            for (i, changed) in self.bits.changed.iter_mut().enumerate() {
                if flips >> i & 1 != 0 {
                    *changed = change;
                }
            }
        }
    }

    pub(super) fn refresh_positions(&mut self) {
        let positions = self.hardware.positions();
        let change = self.next_change();
        for (i, changed) in self.positions.changed.iter_mut().enumerate() {
            let is_other = positions.values[i] != self.positions.values[i];
            if is_other || positions.changed >> i & 1 != 0 {
                *changed = change;
            }
        }
        self.positions.values = positions.values;
    }

    /// Reads a register that only the FPGA writes; a value that is new is a change.
    pub(super) fn refresh_read(&mut self, place: Place) -> u64 {
        let register = self.register(place);
        let (block, instance, field) =
            (register.block.to_owned(), register.instance, register.field.to_owned());
        let register = Register { block: &block, instance, field: &field };
        let value = u64::from(self.hardware.read(register));
        if self.slot(place).value.value != value {
            let change = self.next_change();
            self.slot_mut(place).value.set(value, change);
        }
        value
    }

    pub(super) fn metadata_index(&self, key: &str) -> Result<usize, Fault> {
        let index = self.catalogue.metadata.iter().position(|known| known == key);
        index.ok_or_else(|| Fault::owned(format!("Metadata key {key} not found")))
    }
}
