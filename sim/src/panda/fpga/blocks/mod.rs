//! The blocks which need nothing but their inputs.
pub(super) mod calc;
pub(super) mod clock;
pub(super) mod counter;
pub(super) mod gates;
pub(super) mod pcomp;
pub(super) mod pulse;
