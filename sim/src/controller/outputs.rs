//! [`Outputs`]: the output bits of a controller, which its user programs set.
use bluefly_actors::clock::Instant;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// Is told that the bits are so from a moment on; what it knew of later ones is void.
pub(crate) type Listener = Rc<dyn Fn(Instant, u8)>;

/// Each user program sets all three bits.
const BITS: u8 = 0b111;

#[derive(Default)]
pub(crate) struct Outputs {
    bits: Cell<u8>,
    /// What they will be once the axes have come to the point that they are on their way to.
    coming: Cell<Option<(Instant, u8)>>,
    listeners: RefCell<Vec<Listener>>,
}

impl Outputs {
    pub(crate) fn listen(&self, listener: Listener) {
        self.listeners.borrow_mut().push(listener);
    }

    /// What they are from `now` on, as far as it is known.
    pub(crate) fn ahead(&self, now: Instant) -> impl Iterator<Item = (Instant, u8)> {
        [(now, self.bits.get())].into_iter().chain(self.coming.get())
    }

    /// A user program will be called at `moment`.
    pub(super) fn announce(&self, moment: Instant, user_program: u8) {
        let bits = user_program & BITS;
        self.coming.set(Some((moment, bits)));
        self.tell(moment, bits);
    }

    /// What was announced has come.
    pub(super) fn come(&self) {
        if let Some((_, bits)) = self.coming.take() {
            self.bits.set(bits);
        }
    }

    /// What was announced will not come: they stay as they are.
    pub(super) fn withdraw(&self, now: Instant) {
        if self.coming.take().is_some() {
            self.tell(now, self.bits.get());
        }
    }

    fn tell(&self, moment: Instant, bits: u8) {
        self.listeners.borrow().iter().for_each(|listener| listener(moment, bits));
    }
}
