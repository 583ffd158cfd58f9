//! [`Directory`]: what a server serves, by name.
use super::{SoftRecord, form::View};
use crate::World;
use bluefly_actors::signal::{
    Channel, Kind, Metadata, NativeType, Reading, Severity, SignalError, Value,
};
use bluefly_protocol::channel_access::{ALARM_STATUS, STRING_BYTES};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};
use tokio::sync::Semaphore;

/// One channel as clients see it.
pub(super) struct Served {
    pub name: String,
    pub channel: Rc<dyn Channel>,
    pub kind: Kind,
    pub view: View,
    pub record_type: Rc<str>,
    /// As it was last told.
    pub metadata: RefCell<Rc<Metadata>>,
    /// The last value that was seen: what is told while the device cannot be reached.
    pub last: RefCell<Option<Reading<Value>>>,
    /// Put-callbacks of one record follow one another.
    pub record: Rc<Semaphore>,
}

/// Every signal that servers serve, by the name clients have for it. Several servers may share one.
#[derive(Default)]
pub struct Directory {
    served: RefCell<BTreeMap<Box<str>, Rc<Served>>>,
    records: RefCell<BTreeMap<Box<str>, Rc<Semaphore>>>,
}

/// Fields that every record has, made when they are first asked for.
const FIELDS: [&str; 10] =
    ["NAME", "RTYP", "DESC", "EGU", "PREC", "HOPR", "LOPR", "NELM", "NORD", "SEVR"];
const VALUE_FIELD: &str = ".VAL";
const LONG_STRING: char = '$';
const SEVERITIES: [&str; 4] = ["NO_ALARM", "MINOR", "MAJOR", "INVALID"];

impl Directory {
    /// The signals of a simulated world: `sim://x.VAL` and `ca://x.VAL` are both served as `x.VAL`.
    /// Those that have no hardware (`soft://`) are not. Fails if a device is not connected.
    pub async fn of_world(world: &World) -> Result<Self, SignalError> {
        let directory = Self::default();
        for address in world.addresses().filter(|address| !address.starts_with("soft://")) {
            if let Some(kind) = world.kind(address) {
                let channel = world.provider().connect(address, kind).await?;
                directory.add(name_of(address), kind, channel).await?;
            }
        }
        Ok(directory)
    }

    /// Serves `channel` as `name`. Fails if its metadata cannot be had.
    pub async fn add(
        &self,
        name: &str,
        kind: Kind,
        channel: Rc<dyn Channel>,
    ) -> Result<(), SignalError> {
        let metadata = channel.metadata().await?;
        self.insert(name, kind, channel, metadata, None);
        Ok(())
    }

    /// Serves a record that has nothing behind it.
    pub fn add_soft(&self, name: &str, record_type: &str, record: SoftRecord) {
        let (kind, metadata) = (record.kind(), record.describe());
        self.insert(name, kind, Rc::new(record), metadata, Some(record_type));
    }

    fn insert(
        &self,
        name: &str,
        kind: Kind,
        channel: Rc<dyn Channel>,
        metadata: Metadata,
        record_type: Option<&str>,
    ) {
        let record_type = record_type.unwrap_or_else(|| usual_record(name, &metadata)).into();
        let served = Rc::new(Served {
            name: name.to_owned(),
            channel,
            kind,
            view: View::Value,
            record_type,
            metadata: RefCell::new(Rc::new(metadata)),
            last: RefCell::default(),
            record: self.record(name),
        });
        let mut all = self.served.borrow_mut();
        // The value of a record goes by both names; one that was given has its own.
        if let Some(record) = name.strip_suffix(VALUE_FIELD) {
            all.entry(record.into()).or_insert_with(|| served.clone());
        } else if !name.contains('.') {
            all.entry(format!("{name}{VALUE_FIELD}").into()).or_insert_with(|| served.clone());
        }
        all.insert(name.into(), served);
    }

    /// The same without what `keep` refuses, by name: a part of it, for a server of its own.
    pub fn part(&self, keep: impl Fn(&str) -> bool) -> Self {
        let all = self.served.borrow();
        let kept = all.iter().filter(|(name, _)| keep(name));
        let served = kept.map(|(name, served)| (name.clone(), served.clone())).collect();
        Self { served: RefCell::new(served), records: RefCell::new(self.records.borrow().clone()) }
    }

    /// Whether there is such a name.
    pub(super) fn has(&self, name: &str) -> bool {
        let all = self.served.borrow();
        if all.contains_key(name) {
            return true;
        }
        let plain = name.strip_suffix(LONG_STRING).unwrap_or(name);
        let long = plain.len() < name.len();
        match all.get(plain) {
            Some(served) => !long || may_be_long(served),
            None => field_of(plain).is_some_and(|(record, field)| {
                all.contains_key(record) && (!long || is_text(field))
            }),
        }
    }

    /// What goes by this name.
    pub(super) fn open(&self, name: &str) -> Option<Rc<Served>> {
        let found = self.served.borrow().get(name).cloned();
        if found.is_some() {
            return found;
        }
        if let Some(plain) = name.strip_suffix(LONG_STRING) {
            let plain = self.open(plain)?;
            return may_be_long(&plain).then(|| Rc::new(long_string(&plain)));
        }
        let (record, field) = field_of(name)?;
        let base = self.served.borrow().get(record).cloned()?;
        let served = Rc::new(common_field(&base, record, field)?);
        self.served.borrow_mut().insert(name.into(), served.clone());
        Some(served)
    }

    /// Names with their value, in order; those that go by two names once.
    pub fn list(&self) -> Vec<(String, Rc<Metadata>)> {
        let all = self.served.borrow();
        let own = all.iter().filter(|(name, served)| ***name == *served.name);
        own.map(|(name, served)| (name.to_string(), served.metadata.borrow().clone())).collect()
    }

    /// Most elements that any of them holds.
    pub(super) fn max_count(&self) -> usize {
        let all = self.served.borrow();
        all.values().map(|served| served.metadata.borrow().max_count).max().unwrap_or(1)
    }

    fn record(&self, name: &str) -> Rc<Semaphore> {
        let record = name.rsplit_once('.').map_or(name, |(record, _)| record);
        let mut records = self.records.borrow_mut();
        records.entry(record.into()).or_insert_with(|| Rc::new(Semaphore::new(1))).clone()
    }
}

/// What clients call the signal at this address.
pub(super) fn name_of(address: &str) -> &str {
    address.split_once("://").map_or(address, |(_, name)| name)
}

/// A field of the record whose value is `base`.
fn common_field(base: &Rc<Served>, record: &str, field: &str) -> Option<Served> {
    let metadata = base.metadata.borrow().clone();
    let viewed = |view, native| Served {
        name: format!("{record}.{field}"),
        channel: base.channel.clone(),
        kind: base.kind,
        view,
        record_type: base.record_type.clone(),
        metadata: RefCell::new(Rc::new(Metadata::scalar(native).read_only())),
        last: RefCell::default(),
        record: base.record.clone(),
    };
    let text = |text: &str| SoftRecord::text(text.to_owned());
    let number = |value| SoftRecord::number(value, (*metadata).clone());
    let soft = match field {
        "NAME" => text(record),
        "RTYP" => text(&base.record_type),
        "DESC" => text(""),
        "EGU" => text(&metadata.units),
        "PREC" => SoftRecord::integer(metadata.precision.unwrap_or(0).into(), NativeType::Short),
        "HOPR" => number(metadata.display.high),
        "LOPR" => number(metadata.display.low),
        "NELM" => SoftRecord::integer(
            i64::try_from(metadata.max_count).unwrap_or(i64::MAX),
            NativeType::Long,
        ),
        "NORD" => {
            let of_text = metadata.native == NativeType::Char;
            return Some(viewed(View::Count { of_text }, NativeType::Long));
        }
        "SEVR" => {
            let severity = viewed(View::Severity, NativeType::Enum);
            let choices = SEVERITIES.map(str::to_owned).to_vec();
            let words = Metadata { choices, ..Metadata::scalar(NativeType::Enum) };
            severity.metadata.replace(Rc::new(words.read_only()));
            return Some(severity);
        }
        _ => return None,
    };
    let (kind, metadata) = (soft.kind(), RefCell::new(Rc::new(soft.describe())));
    Some(Served {
        channel: Rc::new(soft),
        kind,
        metadata,
        ..viewed(View::Value, NativeType::String)
    })
}

/// Record and field, if the name ends in a field that every record has.
fn field_of(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.').filter(|(_, field)| FIELDS.contains(field))
}

/// Whether this field of every record is a text.
fn is_text(field: &str) -> bool {
    matches!(field, "NAME" | "RTYP" | "DESC" | "EGU")
}

/// Whether a text can be had as characters.
fn may_be_long(served: &Served) -> bool {
    served.view == View::Value && served.metadata.borrow().native == NativeType::String
}

fn long_string(plain: &Served) -> Served {
    let access = plain.metadata.borrow().access;
    let metadata = Metadata { access, ..Metadata::text(STRING_BYTES) };
    Served {
        name: format!("{}{LONG_STRING}", plain.name),
        channel: plain.channel.clone(),
        kind: plain.kind,
        view: View::LongString,
        record_type: plain.record_type.clone(),
        metadata: RefCell::new(Rc::new(metadata)),
        last: RefCell::default(),
        record: plain.record.clone(),
    }
}

/// The record that usually has such a value.
fn usual_record(name: &str, metadata: &Metadata) -> &'static str {
    if name.contains('.') {
        return "motor";
    }
    if metadata.max_count > 1 {
        return "waveform";
    }
    let is_output = metadata.access.write;
    match (metadata.native, is_output) {
        (NativeType::String, true) => "stringout",
        (NativeType::String, false) => "stringin",
        (NativeType::Enum, _) if metadata.choices.len() > 2 => {
            if is_output {
                "mbbo"
            } else {
                "mbbi"
            }
        }
        (NativeType::Enum, true) => "bo",
        (NativeType::Enum, false) => "bi",
        (NativeType::Float | NativeType::Double, true) => "ao",
        (NativeType::Float | NativeType::Double, false) => "ai",
        (NativeType::Short | NativeType::Long | NativeType::Char, true) => "longout",
        (NativeType::Short | NativeType::Long | NativeType::Char, false) => "longin",
    }
}

/// The severity as a number.
pub(super) const fn severity_number(severity: Severity) -> u16 {
    match severity {
        Severity::None => 0,
        Severity::Minor => 1,
        Severity::Major => 2,
        Severity::Invalid => 3,
    }
}

/// What is said of a value whose device cannot be reached.
pub(super) const COMM: &str = ALARM_STATUS[9];
