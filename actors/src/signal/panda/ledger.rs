//! [`Ledger`]: what a PandA is set to, as far as it told, and what others set of it.
use crate::backend::panda::control::{Control, ControlFault};
use bluefly_protocol::panda::{
    control::Command,
    describe::{Change, ChangeGroup, FieldName, Inventory, parse_changes},
    reliance::Reliance,
};
use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared, try_join_all},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::{Rc, Weak},
    sync::Arc,
};

/// The settings of a PandA, as its connection for commands is told of their changes: nobody else may
/// ask that connection for those.
///
/// What is set by us is [noted](Self::own) as it is sent; all else that changes was set by others.
pub struct Ledger {
    control: Control,
    inventory: Arc<Inventory>,
    /// Names that were ever set by us, whatever the connection.
    ours: Names,
    book: RefCell<Book>,
}

pub(super) type Names = Rc<RefCell<BTreeSet<String>>>;

/// Settings by name, as the server writes both; without tables.
pub type Values = BTreeMap<String, String>;

#[derive(Default)]
struct Book {
    values: Values,
    /// Counts commands and looks in the order in which they are sent.
    sent: u64,
    /// What is set by us and was not looked at since.
    own: Vec<(u64, String)>,
    /// The look that is under way; whoever asked for it may be gone.
    looking: Option<(u64, Look)>,
    /// When the last look was sent that is written down.
    looked: Option<u64>,
    watches: Vec<Weak<RefCell<Watched>>>,
}

type Look = Shared<LocalBoxFuture<'static, Result<Rc<[Change]>, Rc<ControlFault>>>>;

/// Hears what others set of what a scan relies on, from when it was made.
pub struct Watch {
    ledger: Rc<Ledger>,
    watched: Rc<RefCell<Watched>>,
}

struct Watched {
    reliance: Reliance,
    strange: Vec<Strange>,
    /// What changed cannot be known.
    blind: Option<Rc<ControlFault>>,
}

/// Something that others set.
#[derive(Clone, Debug)]
pub struct Strange {
    pub name: String,
    /// As far as it is told: a table is not.
    was: Option<String>,
    now: Option<String>,
    /// Whether it is set anew for each part of a scan.
    is_ours: bool,
    /// Whether anybody was told.
    is_told: Rc<Cell<bool>>,
}

/// Settings: all else changes by itself.
const GROUPS: [ChangeGroup; 3] = [ChangeGroup::Config, ChangeGroup::Attr, ChangeGroup::Table];

impl Ledger {
    pub(super) fn new(control: Control, inventory: Arc<Inventory>, ours: Names) -> Rc<Self> {
        Rc::new(Self { control, inventory, ours, book: RefCell::default() })
    }

    /// A command that sets this field, or this attribute, is sent by us now; we do so for each part of
    /// a scan.
    pub fn own(&self, field: &str) {
        if let Some(name) = self.note(field) {
            self.ours.borrow_mut().insert(name);
        }
    }

    /// A command that sets this field is sent by us now. The name under which that is told.
    pub fn note(&self, field: &str) -> Option<String> {
        let field: FieldName = field.parse().ok()?;
        let told = field.told(&self.inventory.blocks)?;
        // Ticks are told as the time that they are.
        let name = match told.attribute() {
            Some("RAW") => format!("{}.{}", told.block, told.field()),
            Some(_) | None => told.to_string(),
        };
        let mut book = self.book.borrow_mut();
        book.sent += 1;
        let sent = book.sent;
        book.own.push((sent, name.clone()));
        Some(name)
    }

    /// The same for every attribute of this name.
    pub fn own_all(&self, attribute: &str) {
        let is_one = |name: &&String| {
            let field = name.parse::<FieldName>();
            field.is_ok_and(|field| field.attribute() == Some(attribute))
        };
        let names: Vec<String> = self.book.borrow().values.keys().filter(is_one).cloned().collect();
        for name in &names {
            self.own(name);
        }
    }

    /// Resolves when everything that changed before is written down.
    pub async fn look(&self) -> Result<(), Rc<ControlFault>> {
        let asked = self.book.borrow().sent;
        loop {
            let (sent, look) = self.under_way();
            let told = look.await;
            self.write_down(sent, &told);
            told?;
            if sent > asked {
                return Ok(());
            }
        }
    }

    /// Settings as they were told last.
    pub fn values<T>(&self, read: impl FnOnce(&Values) -> T) -> T {
        read(&self.book.borrow().values)
    }

    /// Whether anything of this name was ever set by us.
    pub fn is_ours(&self, name: &str) -> bool {
        self.ours.borrow().contains(name)
    }

    /// Hears what others set from here on, which is since the last look.
    pub fn watch(self: &Rc<Self>, reliance: Reliance) -> Watch {
        let watched = Watched { reliance, strange: Vec::new(), blind: None };
        let watched = Rc::new(RefCell::new(watched));
        self.book.borrow_mut().watches.push(Rc::downgrade(&watched));
        Watch { ledger: Rc::clone(self), watched }
    }

    fn under_way(&self) -> (u64, Look) {
        let mut book = self.book.borrow_mut();
        if let Some(looking) = &book.looking {
            return looking.clone();
        }
        book.sent += 1;
        let (sent, control) = (book.sent, self.control.clone());
        let look: LocalBoxFuture<'static, _> = Box::pin(async move {
            let asked = GROUPS.map(|group| asked(&control, group));
            let told = try_join_all(asked).await.map_err(Rc::new)?;
            Ok(told.into_iter().flatten().collect())
        });
        book.looking = Some((sent, look.shared()));
        book.looking.clone().expect("it was just begun")
    }

    fn write_down(&self, sent: u64, told: &Result<Rc<[Change]>, Rc<ControlFault>>) {
        let mut book = self.book.borrow_mut();
        if book.looking.take_if(|(looking, _)| *looking == sent).is_none() {
            return;
        }
        book.watches.retain(|watch| watch.strong_count() > 0);
        let watches: Vec<_> = book.watches.iter().filter_map(Weak::upgrade).collect();
        match told {
            Ok(changes) => book.enter((sent, changes), &self.ours.borrow(), &watches),
            Err(fault) => {
                for watch in watches {
                    watch.borrow_mut().blind = Some(Rc::clone(fault));
                }
            }
        }
    }
}

async fn asked(control: &Control, group: ChangeGroup) -> Result<Vec<Change>, ControlFault> {
    let question = Command::changes(Some(group));
    let command = question.to_string();
    let lines = control.lines(question).await?;
    parse_changes(&lines).map_err(|source| ControlFault::Unreadable { command, source })
}

impl Book {
    fn enter(
        &mut self,
        (sent, changes): (u64, &[Change]),
        ours: &BTreeSet<String>,
        watches: &[Rc<RefCell<Watched>>],
    ) {
        // What is told first is how everything is.
        let is_first = self.looked.replace(sent).is_none();
        for change in changes {
            let name = change.name();
            let (was, now) = match change {
                Change::Value { value, .. } => {
                    (self.values.insert(name.to_owned(), value.clone()), Some(value.clone()))
                }
                Change::Lines { .. } | Change::Failed { .. } => (None, None),
            };
            let is_own = self.own.iter().any(|(at, own)| *at < sent && own == name);
            if is_first || is_own {
                continue;
            }
            let is_told = Rc::default();
            let is_ours = ours.contains(name);
            let strange = Strange { name: name.to_owned(), was, now, is_ours, is_told };
            for watch in watches {
                watch.borrow_mut().hear(&strange);
            }
        }
        self.own.retain(|(at, _)| *at > sent);
    }
}

impl Watched {
    fn hear(&mut self, strange: &Strange) {
        let is_new = self.strange.iter().all(|known| known.name != strange.name);
        if is_new && self.reliance.has(&strange.name) {
            self.strange.push(strange.clone());
        }
    }
}

impl Watch {
    /// What others have set up to now, each name once; nothing if nobody did.
    pub async fn look(&self) -> Result<Vec<Strange>, Rc<ControlFault>> {
        let looked = self.ledger.look().await;
        let watched = self.watched.borrow();
        if !watched.strange.is_empty() {
            return Ok(watched.strange.clone());
        }
        looked?;
        match &watched.blind {
            Some(fault) => Err(Rc::clone(fault)),
            None => Ok(Vec::new()),
        }
    }
}

impl Strange {
    /// Whether it can be set as it was.
    pub const fn can_be_undone(&self) -> bool {
        self.is_ours || self.was.is_some()
    }

    /// Notes that somebody is told; whether nobody was before.
    pub fn tell(&self) -> bool {
        !self.is_told.replace(true)
    }
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, was, now, .. } = self;
        match (was, now) {
            (Some(was), Some(now)) if was == now => {
                write!(f, "{name} was set while the scan ran, and is {now} as before")
            }
            (Some(was), Some(now)) => {
                write!(f, "{name} was set to {now} while the scan ran; it was {was}")
            }
            (None, Some(now)) => write!(f, "{name} was set to {now} while the scan ran"),
            (_, None) => write!(f, "{name} was written while the scan ran"),
        }
    }
}
