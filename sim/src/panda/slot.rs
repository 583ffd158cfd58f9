//! [`Slot`]: what the server keeps of one field of one instance.
use super::{
    capture::Modes,
    catalogue::{Form, Kind},
    fpga,
    time::TimeUnit,
};

/// A value and when it was written last, as the number of that change.
#[derive(Clone, Debug)]
pub(super) struct Marked<T> {
    pub(super) value: T,
    pub(super) changed: u64,
}

/// The number of the change before any: the box as it started.
const FIRST_CHANGE: u64 = 1;

impl<T> Marked<T> {
    pub(super) const fn new(value: T) -> Self {
        Self { value, changed: FIRST_CHANGE }
    }

    pub(super) fn set(&mut self, value: T, change: u64) {
        *self = Self { value, changed: change };
    }
}

/// The state of a field; which parts mean something follows from its class.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// As the register has it.
    pub(super) value: Marked<u64>,
    /// The function of a lookup table as it was written.
    pub(super) function: String,
    pub(super) time_unit: Marked<TimeUnit>,
    /// Never written: a null pointer on the box, which headers show.
    pub(super) units: Marked<Option<String>>,
    pub(super) scale: Marked<f64>,
    pub(super) offset: Marked<f64>,
    pub(super) capture: Marked<Modes>,
    pub(super) delay: Marked<u8>,
    pub(super) queued_rows: Marked<u64>,
}

impl Slot {
    pub(super) fn new(kind: &Kind) -> Self {
        let (scale, offset, units) = match kind {
            Kind::Param(Form::Scalar { scale, offset, units, .. })
            | Kind::Read(Form::Scalar { scale, offset, units, .. }) => {
                (*scale, *offset, Some(units.clone()))
            }
            _ => (1.0, 0.0, None),
        };
        let value = match kind {
            Kind::BitMux => u64::from(fpga::ZERO),
            Kind::PosMux => u64::from(fpga::NO_POSITION),
            _ => 0,
        };
        Self {
            value: Marked::new(value),
            function: "0x00000000".to_owned(),
            time_unit: Marked::new(TimeUnit::Second),
            units: Marked::new(units),
            scale: Marked::new(scale),
            offset: Marked::new(offset),
            capture: Marked::new(Modes::default()),
            delay: Marked::new(0),
            queued_rows: Marked::new(0),
        }
    }
}
