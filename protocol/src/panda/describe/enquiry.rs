//! [`Enquiry`]: what is to be asked of a PandA to know all that it has.
use super::{
    Block, DescribeError, FieldClass, FieldInfo, Inventory, TableShape, ValueType, parse_blocks,
    parse_fields,
};
use crate::panda::{
    control::{Command, CommandError, Reply, UnexpectedReply},
    table::{LayoutError, RowLayout},
};
use std::collections::BTreeMap;

/// Questions of which each round follows from the answers to the one before; those of one round may
/// be asked at once.
#[derive(Clone, Debug)]
pub struct Enquiry {
    questions: Vec<(Command, About)>,
    found: Found,
}

/// What is to be done after a round.
#[derive(Clone, Debug)]
pub enum Round {
    Ask(Enquiry),
    Known(Box<Inventory>),
}

/// A PandA that does not tell what it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnquiryError {
    #[error("{command}: {source}")]
    Reply {
        command: String,
        #[source]
        source: UnexpectedReply,
    },
    #[error("{command}: {source}")]
    Describe {
        command: String,
        #[source]
        source: DescribeError,
    },
    #[error("{command}: {source}")]
    Layout {
        command: String,
        #[source]
        source: LayoutError,
    },
    #[error("what it tells of its fields cannot be asked for: {0}")]
    Name(#[from] CommandError),
    #[error("it has {fields} fields, and {MAX_FIELDS} are taken")]
    TooMany { fields: usize },
    #[error("{asked} questions have {answered} answers")]
    Answers { asked: usize, answered: usize },
}

#[derive(Clone, Debug, Default)]
struct Found {
    identity: Option<super::Identity>,
    application: Option<String>,
    blocks: Vec<Block>,
    fields: BTreeMap<String, BTreeMap<String, FieldInfo>>,
    tables: BTreeMap<Place, Table>,
}

/// A kind of block, and a field of it.
type Place = (String, String);

/// What is known of a table so far.
#[derive(Clone, Debug, Default)]
struct Table {
    max_words: Option<u64>,
    row_words: Option<u64>,
    columns: Vec<String>,
    command: String,
}

#[derive(Clone, Debug)]
enum About {
    Identity,
    Application,
    Blocks,
    Fields(String),
    Attributes(Place),
    Choices(Place),
    ChoicesOf(Place, &'static str),
    Max(Place),
    MaxDelay(Place),
    MaxWords(Place),
    RowWords(Place),
    Columns(Place),
}

/// Most fields that are asked about, one of each kind of block.
const MAX_FIELDS: usize = 10_000;

impl Default for Enquiry {
    fn default() -> Self {
        Self::new()
    }
}

impl Enquiry {
    /// The first round.
    ///
    /// # Panics
    /// Never: the names stand here.
    pub fn new() -> Self {
        let first = [
            ("*IDN", About::Identity),
            ("*METADATA.APPNAME", About::Application),
            ("*BLOCKS", About::Blocks),
        ];
        let questions = first
            .map(|(name, about)| (Command::query(name).expect("a name without operators"), about));
        Self { questions: questions.into(), found: Found::default() }
    }

    /// What is to be asked.
    pub fn questions(&self) -> impl ExactSizeIterator<Item = &Command> {
        self.questions.iter().map(|(command, _)| command)
    }

    /// Takes the answers, in the order of the questions.
    pub fn answered(self, replies: Vec<Reply>) -> Result<Round, EnquiryError> {
        let Self { questions, mut found } = self;
        if questions.len() != replies.len() {
            let (asked, answered) = (questions.len(), replies.len());
            return Err(EnquiryError::Answers { asked, answered });
        }
        let mut next = Vec::new();
        for ((command, about), reply) in questions.into_iter().zip(replies) {
            found.take(&command.to_string(), about, reply, &mut next)?;
        }
        if next.is_empty() {
            return found.inventory().map(|inventory| Round::Known(Box::new(inventory)));
        }
        Ok(Round::Ask(Self { questions: next, found }))
    }
}

impl Found {
    fn take(
        &mut self,
        command: &str,
        about: About,
        reply: Reply,
        next: &mut Vec<(Command, About)>,
    ) -> Result<(), EnquiryError> {
        let refused = |source| EnquiryError::Reply { command: command.to_owned(), source };
        let odd = |source| EnquiryError::Describe { command: command.to_owned(), source };
        match about {
            About::Identity => {
                let identity = reply.into_value().map_err(refused)?;
                self.identity = Some(identity.parse().map_err(odd)?);
            }
            About::Application => {
                let name = reply.into_value().ok();
                self.application = name.filter(|name| !name.is_empty());
            }
            About::Blocks => {
                self.blocks = parse_blocks(&reply.into_lines().map_err(refused)?).map_err(odd)?;
                for block in &self.blocks {
                    let command = Command::query(&format!("{}.*", block.name))?;
                    next.push((command, About::Fields(block.name.clone())));
                }
            }
            About::Fields(block) => {
                let fields = parse_fields(&reply.into_lines().map_err(refused)?).map_err(odd)?;
                for field in fields {
                    self.ask_about(&block, &field.name, &field.class, next)?;
                    let info = FieldInfo::of(field.class);
                    self.fields.entry(block.clone()).or_default().insert(field.name, info);
                }
                let num_fields = self.fields.values().map(BTreeMap::len).sum();
                if num_fields > MAX_FIELDS {
                    return Err(EnquiryError::TooMany { fields: num_fields });
                }
            }
            About::Attributes(place) => {
                let names = reply.into_lines().map_err(refused)?;
                let attributes = &mut self.info(&place).attributes;
                for name in names {
                    attributes.entry(name).or_default();
                }
            }
            About::Choices(place) => self.info(&place).choices = lines(reply),
            About::ChoicesOf(place, attribute) => {
                self.info(&place).attributes.insert(attribute.to_owned(), lines(reply));
            }
            About::Max(place) => self.info(&place).max = number(reply),
            About::MaxDelay(place) => self.info(&place).max_delay = number(reply),
            About::MaxWords(place) => self.table(place).max_words = number(reply),
            About::RowWords(place) => self.table(place).row_words = number(reply),
            About::Columns(place) => {
                let table = self.table(place);
                table.columns = lines(reply);
                command.clone_into(&mut table.command);
            }
        }
        Ok(())
    }

    /// What is to be known of a field follows from its class.
    fn ask_about(
        &self,
        block: &str,
        field: &str,
        class: &FieldClass,
        next: &mut Vec<(Command, About)>,
    ) -> Result<(), CommandError> {
        let place = || (block.to_owned(), field.to_owned());
        let is_alone = |known: &&Block| known.name == block && known.count.get() == 1;
        let number = if self.blocks.iter().any(|known| is_alone(&known)) { "" } else { "1" };
        let name = format!("{block}{number}.{field}");
        let mut ask = |question: String, about| -> Result<(), CommandError> {
            next.push((Command::query(&question)?, about));
            Ok(())
        };
        ask(format!("{name}.*"), About::Attributes(place()))?;
        match class {
            FieldClass::Param(value) | FieldClass::Read(value) | FieldClass::Write(value) => {
                match value {
                    ValueType::Enum => ask(format!("*ENUMS.{name}"), About::Choices(place()))?,
                    ValueType::Uint => ask(format!("{name}.MAX"), About::Max(place()))?,
                    ValueType::Time => {
                        let about = About::ChoicesOf(place(), "UNITS");
                        ask(format!("*ENUMS.{name}.UNITS"), about)?;
                    }
                    ValueType::Int
                    | ValueType::Scalar
                    | ValueType::Bit
                    | ValueType::Action
                    | ValueType::Lut
                    | ValueType::Other(_) => {}
                }
            }
            FieldClass::Time => {
                ask(format!("*ENUMS.{name}.UNITS"), About::ChoicesOf(place(), "UNITS"))?;
            }
            FieldClass::PosOut | FieldClass::ExtOut(_) => {
                ask(format!("*ENUMS.{name}.CAPTURE"), About::ChoicesOf(place(), "CAPTURE"))?;
            }
            FieldClass::BitMux => {
                ask(format!("*ENUMS.{name}"), About::Choices(place()))?;
                ask(format!("{name}.MAX_DELAY"), About::MaxDelay(place()))?;
            }
            FieldClass::PosMux => ask(format!("*ENUMS.{name}"), About::Choices(place()))?,
            FieldClass::Table => {
                ask(format!("{name}.MAX_LENGTH"), About::MaxWords(place()))?;
                ask(format!("{name}.ROW_WORDS"), About::RowWords(place()))?;
                ask(format!("{name}.FIELDS"), About::Columns(place()))?;
            }
            FieldClass::BitOut | FieldClass::Other(_) => {}
        }
        Ok(())
    }

    fn info(&mut self, (block, field): &Place) -> &mut FieldInfo {
        let fields = self.fields.entry(block.clone()).or_default();
        let unknown = || FieldInfo::of(FieldClass::Other(String::new()));
        fields.entry(field.clone()).or_insert_with(unknown)
    }

    fn table(&mut self, place: Place) -> &mut Table {
        self.tables.entry(place).or_default()
    }

    fn inventory(mut self) -> Result<Inventory, EnquiryError> {
        for (place, table) in std::mem::take(&mut self.tables) {
            // Without them nothing can be said of its rows.
            let (Some(max_words), Some(row_words)) = (table.max_words, table.row_words) else {
                continue;
            };
            let num_words = usize::try_from(row_words).unwrap_or(usize::MAX);
            let layout = RowLayout::parse(num_words, &table.columns);
            let layout =
                layout.map_err(|source| EnquiryError::Layout { command: table.command, source })?;
            self.info(&place).table = Some(TableShape { max_words, layout });
        }
        let identity = self.identity.ok_or(EnquiryError::Answers { asked: 1, answered: 0 })?;
        let Self { application, blocks, fields, .. } = self;
        Ok(Inventory { identity, application, blocks, fields })
    }
}

/// What a server that does not know the question leaves unknown.
fn lines(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Lines(lines) => lines,
        Reply::Ok | Reply::Value(_) | Reply::Error(_) => Vec::new(),
    }
}

fn number(reply: Reply) -> Option<u64> {
    match reply {
        Reply::Value(text) => text.parse().ok(),
        Reply::Ok | Reply::Lines(_) | Reply::Error(_) => None,
    }
}
