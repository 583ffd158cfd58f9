//! [`Catalogue`]: which blocks and fields a box has, read from `pandabox.txt`.
use std::ops::Range;

/// The description of a box, as its server gives it.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// In the order in which the server lists them.
    pub(super) blocks: Vec<Block>,
    /// Keys of metadata in the order in which the server lists them.
    pub(super) metadata: Vec<String>,
    /// Names on the bit bus by their number, without ZERO and ONE.
    pub(super) bits: Vec<String>,
    /// Names on the position bus by their number, without ZERO.
    pub(super) positions: Vec<String>,
    /// What can be captured, in the order of `*CAPTURE?`.
    pub(super) captures: Vec<Place>,
    num_slots: usize,
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) count: usize,
    pub(super) description: String,
    /// It is not simulated, and would do something if it were set up.
    pub(super) is_fixed: bool,
    /// In the order in which the server lists them.
    pub(super) fields: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) number: usize,
    pub(super) kind: Kind,
    /// As `INFO?` prints it.
    pub(super) class: String,
    pub(super) description: String,
    first_slot: usize,
}

/// One field of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) block: usize,
    pub(super) field: usize,
    /// Counted from zero.
    pub(super) instance: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Param(Form),
    Read(Form),
    Write(Form),
    /// A time with 48 bits.
    Time,
    /// With the number of its first instance on the bus.
    BitOut(usize),
    PosOut(usize),
    Timestamp,
    Samples,
    /// A quarter of the bit bus.
    Bits(usize),
    BitMux,
    PosMux,
    Table(Vec<Column>),
}

/// How the value of a register is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Uint { max: u32 },
    Int,
    Scalar { scale: f64, offset: f64, units: String, is_extension: bool },
    Bit,
    Action,
    Lut,
    Time,
    Enum(Vec<String>),
}

/// Part of a row of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// As it is written: `HIGH:LOW`.
    pub(super) bits: String,
    pub(super) class: String,
    pub(super) choices: Vec<String>,
    pub(super) description: String,
}

const TEXT: &str = include_str!("pandabox.txt");

impl Catalogue {
    /// The box of `pandabox.txt`.
    ///
    /// # Panics
    /// If that text is wrong, which a test would have found.
    pub(super) fn pandabox() -> Self {
        Self::parse(TEXT).expect("pandabox.txt describes a box")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (mut listed, mut metadata, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            let (head, description) = line.split_once(" | ").unwrap_or((line, ""));
            let (kind, rest) = head.split_once(' ').unwrap_or((head, ""));
            let words: Vec<&str> = rest.split_whitespace().collect();
            let parsed = match kind {
                "listed" => {
                    listed = words;
                    Some(())
                }
                "metadata" => {
                    metadata = words.into_iter().map(str::to_owned).collect();
                    Some(())
                }
                "block" => parse_block(&words, description).map(|block| blocks.push(block)),
                "field" => blocks.last_mut().and_then(|block: &mut Block| {
                    block.fields.push(parse_field(&words, description)?);
                    Some(())
                }),
                "column" => {
                    last_kind(&mut blocks).and_then(|kind| add_column(kind, &words, description))
                }
                "choice" => last_kind(&mut blocks).and_then(|kind| add_choice(kind, rest)),
                _ => None,
            };
            parsed.ok_or_else(|| format!("line {}: {line}", number + 1))?;
        }
        Ok(Self::of(blocks, &listed, metadata))
    }

    /// `blocks` are in the order of the buses.
    fn of(mut blocks: Vec<Block>, listed: &[&str], metadata: Vec<String>) -> Self {
        let (mut bits, mut positions, mut captures) = (Vec::new(), Vec::new(), Vec::new());
        for block in &mut blocks {
            for i in by_number(block) {
                let field = &mut block.fields[i];
                let names = (1..=block.count).map(|instance| {
                    let number =
                        if block.count == 1 { String::new() } else { instance.to_string() };
                    format!("{}{number}.{}", block.name, field.name)
                });
                match &mut field.kind {
                    Kind::BitOut(first) => {
                        *first = bits.len();
                        bits.extend(names);
                    }
                    Kind::PosOut(first) => {
                        *first = positions.len();
                        positions.extend(names);
                    }
                    _ => {}
                }
            }
        }
        let place_of = |name: &String| listed.iter().position(|listed| listed == name);
        for block in &blocks {
            for field in by_number(block).into_iter().filter(|&i| block.fields[i].is_captured()) {
                let place =
                    |instance| Place { block: place_of(&block.name).unwrap_or(0), field, instance };
                captures.extend((0..block.count).map(place));
            }
        }
        blocks.sort_by_key(|block| place_of(&block.name));
        let mut num_slots = 0;
        for block in &mut blocks {
            for field in &mut block.fields {
                field.first_slot = num_slots;
                num_slots += block.count;
            }
        }
        Self { blocks, metadata, bits, positions, captures, num_slots }
    }

    pub(super) fn num_slots(&self) -> usize {
        self.num_slots
    }

    /// Where the state of a field of an instance is kept; ordered as changes are reported.
    pub(super) fn slot(&self, place: Place) -> usize {
        self.field(place).first_slot + place.instance
    }

    pub(super) fn field(&self, place: Place) -> &Field {
        &self.blocks[place.block].fields[place.field]
    }

    /// As changes and headers name it: without number if there is one instance only.
    pub(super) fn name(&self, place: Place) -> String {
        let block = &self.blocks[place.block];
        let field = &block.fields[place.field].name;
        match block.count {
            1 => format!("{}.{field}", block.name),
            _ => format!("{}{}.{field}", block.name, place.instance + 1),
        }
    }

    /// Every field with its instances, in the order in which changes are reported.
    pub(super) fn fields(&self) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
        self.blocks.iter().enumerate().flat_map(|(b, block)| {
            (0..block.fields.len()).map(move |field| (b, field, 0..block.count))
        })
    }

    /// The field of a name as the server prints it.
    #[cfg(test)]
    pub(super) fn find(&self, name: &str) -> Option<Place> {
        let all = self.fields().flat_map(|(block, field, instances)| {
            instances.map(move |instance| Place { block, field, instance })
        });
        all.into_iter().find(|&place| self.name(place) == name)
    }
}

impl Field {
    fn is_captured(&self) -> bool {
        matches!(self.kind, Kind::PosOut(_) | Kind::Timestamp | Kind::Samples | Kind::Bits(_))
    }
}

/// The fields of a block in the order of their numbers.
fn by_number(block: &Block) -> Vec<usize> {
    let mut order: Vec<usize> = (0..block.fields.len()).collect();
    order.sort_by_key(|&i| block.fields[i].number);
    order
}

fn last_kind(blocks: &mut [Block]) -> Option<&mut Kind> {
    Some(&mut blocks.last_mut()?.fields.last_mut()?.kind)
}

fn parse_block(words: &[&str], description: &str) -> Option<Block> {
    let (name, count, is_fixed) = match words {
        [name, count] => (*name, *count, false),
        [name, count, "fixed"] => (*name, *count, true),
        _ => return None,
    };
    let (name, description) = (name.to_owned(), description.to_owned());
    Some(Block { name, count: count.parse().ok()?, description, is_fixed, fields: Vec::new() })
}

fn parse_field(words: &[&str], description: &str) -> Option<Field> {
    let (&[name, number], class) = words.split_first_chunk()?;
    let kind = match class {
        ["param", form @ ..] => Kind::Param(parse_form(form)?),
        ["read", form @ ..] => Kind::Read(parse_form(form)?),
        ["write", form @ ..] => Kind::Write(parse_form(form)?),
        ["time"] => Kind::Time,
        ["bit_out"] => Kind::BitOut(0),
        ["pos_out", ..] => Kind::PosOut(0),
        ["ext_out", "timestamp"] => Kind::Timestamp,
        ["ext_out", "samples"] => Kind::Samples,
        ["ext_out", "bits", quarter] => Kind::Bits(quarter.parse().ok()?),
        ["bit_mux"] => Kind::BitMux,
        ["pos_mux"] => Kind::PosMux,
        ["table", _] => Kind::Table(Vec::new()),
        _ => return None,
    };
    let class = match class {
        [class @ ("param" | "read" | "write" | "ext_out"), form, ..] => format!("{class} {form}"),
        [class, ..] => (*class).to_owned(),
        [] => return None,
    };
    let (name, number) = (name.to_owned(), number.parse().ok()?);
    Some(Field { name, number, kind, class, description: description.to_owned(), first_slot: 0 })
}

fn parse_form(words: &[&str]) -> Option<Form> {
    Some(match words {
        ["uint"] => Form::Uint { max: u32::MAX },
        ["uint", max] => Form::Uint { max: max.parse().ok()? },
        ["int"] => Form::Int,
        ["scalar", scale, offset, rest @ ..] => Form::Scalar {
            scale: scale.parse().ok()?,
            offset: offset.parse().ok()?,
            units: rest.first().copied().unwrap_or_default().to_owned(),
            is_extension: rest.last() == Some(&"extension"),
        },
        ["bit"] => Form::Bit,
        ["action"] => Form::Action,
        ["lut"] => Form::Lut,
        ["time"] => Form::Time,
        ["enum"] => Form::Enum(Vec::new()),
        _ => return None,
    })
}

fn add_column(kind: &mut Kind, words: &[&str], description: &str) -> Option<()> {
    let (Kind::Table(columns), [bits, name, class]) = (kind, words) else { return None };
    let [bits, name, class] = [*bits, *name, *class].map(str::to_owned);
    // The server keeps the blank before the comment sign of its own file.
    let description = format!("{description} ");
    columns.push(Column { name, bits, class, choices: Vec::new(), description });
    Some(())
}

fn add_choice(kind: &mut Kind, choice: &str) -> Option<()> {
    let choices = match kind {
        Kind::Param(Form::Enum(choices)) | Kind::Read(Form::Enum(choices)) => choices,
        Kind::Table(columns) => &mut columns.last_mut()?.choices,
        _ => return None,
    };
    choices.push(choice.to_owned());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_has_the_buses_of_the_real_one() {
        let catalogue = Catalogue::pandabox();
        let bit = |name: &str| catalogue.bits.iter().position(|bit| bit == name);
        assert_eq!(bit("TTLIN1.VAL"), Some(0));
        assert_eq!(bit("PCAP.ACTIVE"), Some(32));
        assert_eq!(bit("PCOMP2.OUT"), Some(64));
        assert_eq!(bit("SFP3_SYNC_IN.BIT8"), Some(104));
        assert_eq!(catalogue.positions.len(), 26);
        assert_eq!(catalogue.captures.len(), 34);
        let place = catalogue.find("COUNTER3.OUT").unwrap();
        assert_eq!(catalogue.field(place).kind, Kind::PosOut(6));
        assert_eq!(catalogue.name(place), "COUNTER3.OUT");
    }

    #[test]
    fn a_wrong_line_is_named() {
        let check =
            |text, expected: &str| assert_eq!(Catalogue::parse(text).unwrap_err(), expected);
        check("block A 1 | a\nfield B x bit_out | b", "line 2: field B x bit_out | b");
        check("field B 1 bit_out | b", "line 1: field B 1 bit_out | b");
        check("block A 1 | a\nfield B 0 bit_out | b\nchoice C", "line 3: choice C");
        check("block A 1 | a\nfield B 0 param sound | b", "line 2: field B 0 param sound | b");
        check("nonsense", "line 1: nonsense");
    }
}
