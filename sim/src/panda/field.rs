//! Values of fields and attributes: what is read and what is written.
use super::{
    attribute::Attribute,
    capture::{Modes, OTHER_CHOICES, POSITION_CHOICES},
    catalogue::{Form, Kind, Place},
    fault::Fault,
    fpga::{NO_POSITION, ONE, ZERO},
    lut,
    number::{double, general, unsigned},
    panel::Panel,
    time::{MAX_TIME, TimeUnit},
};

/// What a question is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Value(String),
    Lines(Vec<String>),
}

const MAX_DELAY: u64 = 31;
/// What is printed of a double.
const DIGITS: usize = 10;
const BITS_PER_WORD: usize = 32;

impl Panel {
    /// The value of a field as `?` answers it.
    pub(super) fn get(&mut self, place: Place) -> Result<Answer, Fault> {
        match &self.field(place).kind {
            Kind::Write(_) | Kind::Timestamp | Kind::Samples | Kind::Bits(_) => {
                return Err(Fault::NOT_READABLE);
            }
            Kind::Table(_) => {
                let lines = self.table(place).map(super::table::Table::lines);
                return Ok(Answer::Lines(lines.unwrap_or_default()));
            }
            Kind::BitOut(_) => self.refresh_bits(),
            Kind::PosOut(_) => self.refresh_positions(),
            Kind::Read(form) if !is_extension(form) => {
                self.refresh_read(place);
            }
            Kind::Read(_) | Kind::Param(_) | Kind::Time | Kind::BitMux | Kind::PosMux => {}
        }
        self.value(place).map(Answer::Value)
    }

    /// The value of a field as it is known.
    pub(super) fn value(&self, place: Place) -> Result<String, Fault> {
        let slot = self.slot(place);
        let value = slot.value.value;
        Ok(match &self.field(place).kind {
            Kind::Param(form) | Kind::Read(form) | Kind::Write(form) => match form {
                Form::Uint { .. } => value.to_string(),
                Form::Int => (value as u32).cast_signed().to_string(),
                Form::Bit => (value & 1).to_string(),
                Form::Action => return Err(Fault::NOT_READABLE),
                Form::Scalar { is_extension: true, .. } => {
                    return Err(Fault::new("Extension server exception"));
                }
                Form::Scalar { .. } => {
                    let scaled = slot.scale.value * f64::from((value as u32).cast_signed())
                        + slot.offset.value;
                    general(scaled, DIGITS)
                }
                Form::Lut => slot.function.clone(),
                Form::Time => general(slot.time_unit.value.of_ticks(value), DIGITS),
                Form::Enum(choices) => {
                    let choice = usize::try_from(value).ok().and_then(|i| choices.get(i));
                    choice.cloned().ok_or(Fault::new("Invalid enumeration value"))?
                }
            },
            Kind::Time => general(slot.time_unit.value.of_ticks(value), DIGITS),
            Kind::BitOut(first) => (self.bits.values >> (first + place.instance) & 1).to_string(),
            Kind::PosOut(first) => self.positions.values[first + place.instance].to_string(),
            Kind::BitMux => selected(&self.catalogue.bits, value, &[ZERO, ONE]),
            Kind::PosMux => selected(&self.catalogue.positions, value, &[NO_POSITION]),
            Kind::Timestamp | Kind::Samples | Kind::Bits(_) | Kind::Table(_) => {
                return Err(Fault::NOT_READABLE);
            }
        })
    }

    /// Writes a field as `=` asks for.
    pub(super) fn put(&mut self, place: Place, text: &str) -> Result<(), Fault> {
        let value = match &self.field(place).kind {
            Kind::Param(form) | Kind::Write(form) => match form {
                Form::Uint { max } => {
                    // Wider numbers wrap, as they do in the 32 bits of the box.
                    let value = unsigned(text)? as u32;
                    if value > *max {
                        return Err(Fault::OUT_OF_RANGE);
                    }
                    u64::from(value)
                }
                Form::Int => u64::from(unsigned(text)? as u32),
                Form::Scalar { .. } => {
                    let slot = self.slot(place);
                    let raw = ((double(text)? - slot.offset.value) / slot.scale.value).round();
                    if !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&raw) {
                        return Err(Fault::OUT_OF_RANGE);
                    }
                    u64::from((raw as i32).cast_unsigned())
                }
                Form::Bit => match text {
                    "0" => 0,
                    "1" => 1,
                    _ => return Err(Fault::new("Invalid bit value")),
                },
                Form::Action if text.is_empty() => 1,
                Form::Action => return Err(Fault::UNEXPECTED_CHARACTER),
                Form::Lut => {
                    let table = lut::table(text)?;
                    text.clone_into(&mut self.slot_mut(place).function);
                    u64::from(table)
                }
                Form::Time => {
                    self.slot(place).time_unit.value.to_ticks(double(text)?, u64::from(u32::MAX))?
                }
                Form::Enum(choices) => {
                    let choice = choices.iter().position(|choice| choice == text);
                    choice.ok_or(Fault::new("Invalid enumeration value"))? as u64
                }
            },
            Kind::Time => self.slot(place).time_unit.value.to_ticks(double(text)?, MAX_TIME)?,
            Kind::BitMux => {
                let bits = &self.catalogue.bits;
                selection(bits, &[("ZERO", ZERO), ("ONE", ONE)], text)
                    .ok_or(Fault::new("Invalid bit bus selection"))?
            }
            Kind::PosMux => {
                let positions = &self.catalogue.positions;
                selection(positions, &[("ZERO", NO_POSITION)], text)
                    .ok_or(Fault::new("Invalid position selection"))?
            }
            Kind::Read(_)
            | Kind::BitOut(_)
            | Kind::PosOut(_)
            | Kind::Timestamp
            | Kind::Samples
            | Kind::Bits(_)
            | Kind::Table(_) => return Err(Fault::NOT_WRITEABLE),
        };
        self.set(place, value)
    }

    /// An attribute as `?` answers it.
    pub(super) fn get_attribute(&mut self, place: Place, attribute: Attribute) -> Answer {
        match (attribute, &self.field(place).kind) {
            (Attribute::QueuedLines, _) => {
                self.queued_rows(place);
            }
            (Attribute::Scaled, _) => self.refresh_positions(),
            (Attribute::Raw, Kind::Read(_)) => {
                self.refresh_read(place);
            }
            _ => {}
        }
        if let Some(lines) = self.attribute_lines(place, attribute) {
            return Answer::Lines(lines);
        }
        Answer::Value(self.attribute(place, attribute))
    }

    fn attribute_lines(&self, place: Place, attribute: Attribute) -> Option<Vec<String>> {
        match (attribute, &self.field(place).kind) {
            (Attribute::CapturedBits, Kind::Bits(quarter)) => {
                let name = |i: usize| self.catalogue.bits.get(i).cloned().unwrap_or_default();
                let first = quarter * BITS_PER_WORD;
                Some((first..first + BITS_PER_WORD).map(name).collect())
            }
            (Attribute::Base64, _) => Some(self.table(place)?.base64_lines()),
            (Attribute::Fields, Kind::Table(columns)) => {
                let line = |column: &super::catalogue::Column| {
                    format!("{} {} {}", column.bits, column.name, column.class)
                };
                Some(columns.iter().map(line).collect())
            }
            _ => None,
        }
    }

    /// An attribute that is one value, as it is known.
    pub(super) fn attribute(&self, place: Place, attribute: Attribute) -> String {
        let (slot, field) = (self.slot(place), self.field(place));
        let table = self.table(place);
        match (attribute, &field.kind) {
            (Attribute::Info, _) => field.class.clone(),
            (Attribute::Max, Kind::Param(form) | Kind::Read(form) | Kind::Write(form)) => {
                max_of(form).to_string()
            }
            (Attribute::Raw, Kind::Param(Form::Lut)) => format!("0x{:08X}", slot.value.value),
            (Attribute::Raw, _) => (slot.value.value as u32).cast_signed().to_string(),
            (Attribute::RawTime, _) => slot.value.value.to_string(),
            (Attribute::TimeUnits, _) => slot.time_unit.value.name().to_owned(),
            (Attribute::Units, _) => slot.units.value.clone().unwrap_or_default(),
            (Attribute::Scaled, Kind::PosOut(first)) => {
                let position = self.positions.values[first + place.instance];
                general(slot.scale.value * f64::from(position) + slot.offset.value, DIGITS)
            }
            (Attribute::Offset, _) => general(slot.offset.value, DIGITS),
            (Attribute::Scale, _) => general(slot.scale.value, DIGITS),
            (Attribute::Capture, _) => slot.capture.value.text(),
            (Attribute::CaptureWord, Kind::BitOut(first)) => {
                format!("PCAP.BITS{}", (first + place.instance) / BITS_PER_WORD)
            }
            (Attribute::BitOffset, Kind::BitOut(first)) => {
                ((first + place.instance) % BITS_PER_WORD).to_string()
            }
            (Attribute::Delay, _) => slot.delay.value.to_string(),
            (Attribute::MaxDelay, _) => MAX_DELAY.to_string(),
            (Attribute::MaxLength, _) => super::table::MAX_WORDS.to_string(),
            (Attribute::RowWords, _) => table.map_or(0, |table| table.row_words).to_string(),
            (Attribute::Length, _) => table.map_or(0, |table| table.words.len()).to_string(),
            (Attribute::QueuedLines, _) => slot.queued_rows.value.to_string(),
            (Attribute::Mode, _) => table.map_or("", |table| table.mode.name()).to_owned(),
            // No field has these in another class.
            (
                Attribute::Max
                | Attribute::Scaled
                | Attribute::CaptureWord
                | Attribute::BitOffset
                | Attribute::CapturedBits
                | Attribute::Base64
                | Attribute::Fields,
                _,
            ) => String::new(),
        }
    }

    /// Writes an attribute as `=` asks for.
    pub(super) fn put_attribute(
        &mut self,
        place: Place,
        attribute: Attribute,
        text: &str,
    ) -> Result<(), Fault> {
        let change = self.change + 1;
        match attribute {
            Attribute::TimeUnits => {
                let unit = TimeUnit::parse(text)?;
                let slot = self.slot_mut(place);
                slot.time_unit.set(unit, change);
                // What the value reads as is another.
                slot.value.changed = change;
            }
            Attribute::RawTime => {
                let is_wide = self.field(place).kind == Kind::Time;
                let max = if is_wide { MAX_TIME } else { u64::from(u32::MAX) };
                let ticks = unsigned(text)?;
                if ticks > max {
                    return Err(Fault::new("Time setting out of range"));
                }
                return self.set(place, ticks);
            }
            Attribute::Units => {
                self.slot_mut(place).units.set(Some(text.to_owned()), change);
            }
            Attribute::Scale => self.slot_mut(place).scale.set(double(text)?, change),
            Attribute::Offset => self.slot_mut(place).offset.set(double(text)?, change),
            Attribute::Capture => {
                let modes = match self.field(place).kind {
                    Kind::PosOut(_) => Modes::of_position(text)?,
                    _ => Modes::of_other(text)?,
                };
                self.slot_mut(place).capture.set(modes, change);
            }
            Attribute::Delay => {
                let delay = unsigned(text)?;
                if delay > MAX_DELAY {
                    return Err(Fault::new("Delay too long"));
                }
                return self.set_delay(place, delay as u8);
            }
            Attribute::Raw if matches!(self.field(place).kind, Kind::Param(Form::Lut)) => {
                let table = unsigned(text)? as u32;
                self.slot_mut(place).function = format!("0x{table:08X}");
                return self.set(place, u64::from(table));
            }
            _ => return Err(Fault::new("Attribute not writeable")),
        }
        self.change = change;
        Ok(())
    }

    /// What a field may be set to, as `*ENUMS` lists it.
    pub(super) fn choices(&self, place: Place) -> Result<Vec<String>, Fault> {
        match &self.field(place).kind {
            Kind::Param(Form::Enum(choices)) | Kind::Read(Form::Enum(choices)) => {
                Ok(choices.clone())
            }
            Kind::BitMux => Ok(with(&self.catalogue.bits, &["ZERO", "ONE"])),
            Kind::PosMux => Ok(with(&self.catalogue.positions, &["ZERO"])),
            _ => Err(Fault::new("Field is not an enumeration")),
        }
    }

    pub(super) fn attribute_choices(
        &self,
        place: Place,
        attribute: Attribute,
    ) -> Result<Vec<String>, Fault> {
        let choices: &[&str] = match (attribute, &self.field(place).kind) {
            (Attribute::TimeUnits, _) => return Ok(TimeUnit::ALL.map(|u| u.name().into()).into()),
            (Attribute::Capture, Kind::PosOut(_)) => &POSITION_CHOICES,
            (Attribute::Capture, _) => &OTHER_CHOICES,
            _ => return Err(Fault::new("Attribute is not an enumeration")),
        };
        Ok(choices.iter().map(|choice| (*choice).to_owned()).collect())
    }
}

/// Whether reading it fails, as it does on a box without its monitor.
pub(super) const fn is_unreadable(kind: &Kind) -> bool {
    matches!(kind, Kind::Read(Form::Scalar { is_extension: true, .. }))
}

const fn is_extension(form: &Form) -> bool {
    matches!(form, Form::Scalar { is_extension: true, .. })
}

const fn max_of(form: &Form) -> u32 {
    match form {
        Form::Uint { max } => *max,
        _ => u32::MAX,
    }
}

/// The name of what a multiplexer selects.
fn selected(names: &[String], value: u64, constants: &[u8]) -> String {
    match constants.iter().position(|constant| u64::from(*constant) == value) {
        Some(0) => "ZERO".to_owned(),
        Some(_) => "ONE".to_owned(),
        None => usize::try_from(value).ok().and_then(|i| names.get(i)).cloned().unwrap_or_default(),
    }
}

/// What a multiplexer is set to for a name.
fn selection(names: &[String], constants: &[(&str, u8)], text: &str) -> Option<u64> {
    let constant =
        constants.iter().find(|(name, _)| *name == text).map(|(_, value)| u64::from(*value));
    constant.or_else(|| Some(names.iter().position(|name| name == text)? as u64))
}

fn with(names: &[String], constants: &[&str]) -> Vec<String> {
    names.iter().cloned().chain(constants.iter().map(|name| (*name).to_owned())).collect()
}
