//! [`Observed`]: a signal that somebody observes.
use super::{convert, form::Form};
use crate::{
    clock::Clock,
    signal::{Feed, Kind, SignalError},
};
use bluefly_protocol::panda::{
    control::Reply,
    describe::{FieldName, Inventory},
};
use std::rc::Rc;

pub(super) struct Observed {
    pub(super) address: Rc<str>,
    pub(super) name: FieldName,
    pub(super) kind: Kind,
    pub(super) feed: Feed,
    pub(super) place: Place,
}

/// What is known of it on the present connection.
pub(super) enum Place {
    /// Nothing yet.
    Fresh,
    /// It was asked, or is about to be.
    Known(Box<Known>),
    /// It is not there, or of another kind, which was told.
    Missing,
}

pub(super) struct Known {
    /// As the server itself names it.
    pub(super) told: String,
    pub(super) form: Form,
    /// What was told last.
    last: Option<Reply>,
}

impl Observed {
    /// Finds its field; false once nobody observes it.
    pub(super) fn find(&mut self, inventory: &Inventory) -> bool {
        let signal = self.address.to_string();
        let found = inventory.field(&self.name);
        let form = found.and_then(|info| Form::of(&self.name, info));
        let told = self.name.told(&inventory.blocks);
        let (Some(form), Some(told)) = (form, told) else {
            return self.miss(SignalError::Unknown { signal });
        };
        if !form.access.read {
            return self.miss(SignalError::NoAccess { signal, operation: "read" });
        }
        if !form.carries(self.kind) {
            let (expected, found) = (self.kind, form.class);
            return self.miss(SignalError::WrongRecord { signal, expected, found });
        }
        self.place = Place::Known(Box::new(Known { told: told.to_string(), form, last: None }));
        self.feed.is_observed()
    }

    fn miss(&mut self, error: SignalError) -> bool {
        self.place = Place::Missing;
        self.feed.push(Err(error))
    }

    /// Tells what came of it if that is new; false once nobody observes it.
    pub(super) fn tell(&mut self, reply: &Reply, clock: &Clock) -> bool {
        let Place::Known(known) = &mut self.place else { return self.feed.is_observed() };
        if known.last.as_ref() == Some(reply) {
            return self.feed.is_observed();
        }
        known.last = Some(reply.clone());
        let reading = convert::reading(&self.address, &known.form, self.kind, reply.clone(), clock);
        self.feed.push(reading)
    }

    /// The connection is gone; false once nobody observes it.
    pub(super) fn lose(&mut self, error: SignalError) -> bool {
        self.place = Place::Fresh;
        self.feed.push(Err(error))
    }
}
