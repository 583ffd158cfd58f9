//! `*CHANGES`: what changed since a connection asked last.
use super::{
    attribute::Attribute,
    catalogue::{Kind, Place},
    fault::Fault,
    panel::Panel,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Config,
    Bits,
    Positions,
    Read,
    Attributes,
    Tables,
    Metadata,
}

/// The number of the last change that a connection was told, group by group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen([u64; 7]);

impl Group {
    const ALL: [Self; 7] = [
        Self::Config,
        Self::Bits,
        Self::Positions,
        Self::Read,
        Self::Attributes,
        Self::Tables,
        Self::Metadata,
    ];

    /// The groups of what stands behind `*CHANGES`.
    pub(super) fn parse(behind: &str) -> Result<&'static [Self], Fault> {
        let i = match behind {
            "" => return Ok(&Self::ALL),
            ".CONFIG" => 0,
            ".BITS" => 1,
            ".POSN" => 2,
            ".READ" => 3,
            ".ATTR" => 4,
            ".TABLE" => 5,
            ".METADATA" => 6,
            _ => return Err(Fault::new("Unknown changes selection")),
        };
        Ok(std::slice::from_ref(&Self::ALL[i]))
    }

    const fn of(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::Param(_) | Kind::Time | Kind::BitMux | Kind::PosMux => Some(Self::Config),
            Kind::Read(_) => Some(Self::Read),
            Kind::BitOut(_) => Some(Self::Bits),
            Kind::PosOut(_) => Some(Self::Positions),
            Kind::Table(_) => Some(Self::Tables),
            Kind::Write(_) | Kind::Timestamp | Kind::Samples | Kind::Bits(_) => None,
        }
    }
}

impl Seen {
    fn of(&self, group: Group) -> u64 {
        self.0[group as usize]
    }

    fn set(&mut self, groups: &[Group], change: u64) {
        for group in groups {
            self.0[*group as usize] = change;
        }
    }
}

impl Panel {
    /// The lines of what changed, which are then seen.
    pub(super) fn changes(&mut self, groups: &[Group], seen: &mut Seen) -> Vec<String> {
        self.refresh_buses(groups);
        let mut lines = Vec::new();
        for b in 0..self.catalogue.blocks.len() {
            for field in 0..self.catalogue.blocks[b].fields.len() {
                self.changes_of_field(b, field, groups, seen, &mut lines);
            }
        }
        if groups.contains(&Group::Metadata) {
            self.changes_of_metadata(seen, &mut lines);
        }
        seen.set(groups, self.change);
        lines
    }

    /// Notes that all is seen up to now.
    pub(super) fn skip_changes(&mut self, groups: &[Group], seen: &mut Seen) {
        self.refresh_buses(groups);
        seen.set(groups, self.change);
    }

    /// As on a connection that never asked.
    pub(super) fn restart_changes(groups: &[Group], seen: &mut Seen) {
        seen.set(groups, 0);
    }

    fn refresh_buses(&mut self, groups: &[Group]) {
        if groups.contains(&Group::Bits) {
            self.refresh_bits();
        }
        if groups.contains(&Group::Positions) {
            self.refresh_positions();
        }
    }

    fn changes_of_field(
        &mut self,
        block: usize,
        field: usize,
        groups: &[Group],
        seen: &Seen,
        lines: &mut Vec<String>,
    ) {
        let instances = 0..self.catalogue.blocks[block].count;
        let places = instances.map(|instance| Place { block, field, instance });
        let kind = &self.catalogue.blocks[block].fields[field].kind;
        let attributes = Attribute::of(kind);
        let group = Group::of(kind).filter(|group| groups.contains(group));
        let is_table = matches!(kind, Kind::Table(_));
        let reads = group == Some(Group::Read) && !super::field::is_unreadable(kind);
        if let Some(group) = group {
            for place in places.clone() {
                if reads {
                    self.refresh_read(place);
                }
                if self.changed(place) > seen.of(group) {
                    let name = self.catalogue.name(place);
                    lines.push(match self.value(place) {
                        _ if is_table => format!("{name}<"),
                        Ok(value) => format!("{name}={value}"),
                        Err(_) => format!("{name} (error)"),
                    });
                }
            }
        }
        if groups.contains(&Group::Attributes) {
            for attribute in attributes {
                for place in places.clone() {
                    if *attribute == Attribute::QueuedLines {
                        self.queued_rows(place);
                    }
                    let changed = self.attribute_changed(place, *attribute);
                    if changed.is_some_and(|changed| changed > seen.of(Group::Attributes)) {
                        let (name, value) =
                            (self.catalogue.name(place), self.attribute(place, *attribute));
                        lines.push(format!("{name}.{}={value}", attribute.name()));
                    }
                }
            }
        }
    }

    /// The number of the last change of a value.
    fn changed(&self, place: Place) -> u64 {
        match self.field(place).kind {
            Kind::BitOut(first) => self.bits.changed[first + place.instance],
            Kind::PosOut(first) => self.positions.changed[first + place.instance],
            Kind::Table(_) => self.table(place).map_or(0, |table| table.changed),
            _ => self.slot(place).value.changed,
        }
    }

    /// That of an attribute, if it can change.
    fn attribute_changed(&self, place: Place, attribute: Attribute) -> Option<u64> {
        let slot = self.slot(place);
        let is_position = matches!(self.field(place).kind, Kind::PosOut(_));
        match attribute {
            Attribute::TimeUnits => Some(slot.time_unit.changed),
            Attribute::Units if is_position => Some(slot.units.changed),
            Attribute::Scale if is_position => Some(slot.scale.changed),
            Attribute::Offset if is_position => Some(slot.offset.changed),
            Attribute::Capture => Some(slot.capture.changed),
            Attribute::Delay => Some(slot.delay.changed),
            Attribute::QueuedLines => Some(slot.queued_rows.changed),
            _ => None,
        }
    }

    fn changes_of_metadata(&self, seen: &Seen, lines: &mut Vec<String>) {
        let changed = |i: usize| self.metadata[i].changed > seen.of(Group::Metadata);
        for (i, key) in self.catalogue.metadata.iter().enumerate().filter(|(i, _)| changed(*i)) {
            match super::metadata::Class::of(key) {
                super::metadata::Class::Constant => {}
                super::metadata::Class::Text => {
                    let value = self.metadata[i].value.first().map_or("", String::as_str);
                    lines.push(format!("*METADATA.{key}={value}"));
                }
                super::metadata::Class::Lines => lines.push(format!("*METADATA.{key}<")),
            }
        }
    }
}
