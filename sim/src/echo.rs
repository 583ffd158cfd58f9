//! Settings beside which stands what became of them: `NumImages` and `NumImages_RBV`.
use crate::{line::Line, pv::Pv};
use bluefly_actors::signal::{Metadata, SignalValue, Value};
use std::rc::Rc;

/// A setting and its readback, which is told first.
pub(crate) struct Echoed {
    pub(crate) setting: Rc<Pv>,
    pub(crate) readback: Rc<Pv>,
}

impl Echoed {
    /// A setting at `address` that takes every value of its type.
    pub(crate) fn new<T: SignalValue>(line: &Rc<Line>, address: &str, value: T) -> Self {
        Self::of(line, address, value, T::usual_metadata())
    }

    /// The same, of records that look like this. A word that is no choice is refused.
    pub(crate) fn of<T: SignalValue>(
        line: &Rc<Line>,
        address: &str,
        value: T,
        metadata: Metadata,
    ) -> Self {
        let echoed = Self::idle(line, address, value, metadata.clone());
        let (setting, readback) = (Rc::downgrade(&echoed.setting), echoed.readback.clone());
        echoed.setting.on_put(move |value| {
            if let Value::Text(word) = &value
                && !metadata.choices.is_empty()
                && !metadata.choices.contains(word)
            {
                return Err(format!("it has {}", metadata.choices.join(", ")));
            }
            readback.post_value(value.clone());
            if let Some(setting) = setting.upgrade() {
                setting.post_value(value);
            }
            Ok(None)
        });
        echoed
    }

    /// The same, but the device says what it does with a value.
    pub(crate) fn idle<T: SignalValue>(
        line: &Rc<Line>,
        address: &str,
        value: T,
        metadata: Metadata,
    ) -> Self {
        let setting = Pv::readback(line, address.to_owned(), value.clone()).like(metadata.clone());
        let readback = Pv::readback(line, format!("{address}_RBV"), value).like(metadata);
        Self { setting, readback }
    }

    pub(crate) fn get<T: SignalValue>(&self) -> T {
        self.readback.get()
    }

    /// Both of them.
    pub(crate) fn pvs(&self) -> [Rc<Pv>; 2] {
        [self.setting.clone(), self.readback.clone()]
    }
}
