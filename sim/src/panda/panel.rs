//! [`Panel`]: the state of all fields of a box, in front of its FPGA.
use super::{
    catalogue::{Block, Catalogue, Field, Form, Kind, Place},
    fault::Fault,
    fpga::{BlockId, FieldId, Fpga},
    slot::{Marked, Slot},
    table::Table,
};
use std::collections::BTreeMap;

/// What is written, read and reported as changed.
pub(super) struct Panel {
    pub(super) catalogue: Catalogue,
    pub(super) fpga: Fpga,
    /// What the FPGA has of each field; the others are kept here and do nothing.
    registers: Vec<Option<FieldId>>,
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

impl Panel {
    pub(super) fn new(fpga: Fpga) -> Self {
        let catalogue = Catalogue::pandabox();
        let mut slots = Vec::with_capacity(catalogue.num_slots());
        let mut tables = BTreeMap::new();
        let mut registers = Vec::with_capacity(catalogue.num_slots());
        for (block, field, instances) in catalogue.fields() {
            for instance in instances {
                let name = format!("{}{}", catalogue.blocks[block].name, instance + 1);
                let register = fpga.field(&name, &catalogue.blocks[block].fields[field].name);
                registers.push(register.ok());
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
        Self { catalogue, fpga, registers, slots, tables, metadata, bits, positions, change: 1 }
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

    fn register(&self, place: Place) -> Option<FieldId> {
        self.registers[self.catalogue.slot(place)]
    }

    /// The block of the FPGA, if it is simulated.
    pub(super) fn fpga_block(&self, place: Place) -> Option<BlockId> {
        self.fpga.block(&format!("{}{}", self.block(place).name, place.instance + 1)).ok()
    }

    /// Writes a value to the FPGA and notes it.
    pub(super) fn set(&mut self, place: Place, value: u64) -> Result<(), Fault> {
        if let Some(register) = self.register(place) {
            let signed = match self.field(place).kind {
                Kind::Param(Form::Int) | Kind::Write(Form::Int) => {
                    i64::from((value as u32).cast_signed())
                }
                _ => value.cast_signed(),
            };
            let written = self.fpga.write(register, signed);
            written.map_err(|error| Fault::owned(format!("Unexpected error at FPGA: {error}")))?;
        } else if self.block(place).is_fixed && self.slot(place).value.value != value {
            return Err(Fault::new("Not simulated"));
        }
        let change = self.next_change();
        self.slot_mut(place).value.set(value, change);
        Ok(())
    }

    pub(super) fn set_delay(&mut self, place: Place, ticks: u8) -> Result<(), Fault> {
        if let Some(register) = self.register(place) {
            let written = self.fpga.write_delay(register, i64::from(ticks));
            written.map_err(|error| Fault::owned(format!("Unexpected error at FPGA: {error}")))?;
        }
        let change = self.next_change();
        self.slot_mut(place).delay.set(ticks, change);
        Ok(())
    }

    /// Reads the bit bus, with what changed since it was read last.
    pub(super) fn refresh_bits(&mut self) {
        let bits = self.fpga.take_bits();
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
        let positions = self.fpga.take_positions();
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
        let value = self.register(place).map_or(0, |register| self.fpga.read(register));
        let value = value.cast_unsigned();
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
