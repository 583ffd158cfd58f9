//! What a PandA is told, over the connection of its [`PandaSeat`](crate::signal::panda::PandaSeat):
//! as a device of a scan, and to be wired as it is to be.
pub mod capture;
mod guard;
pub mod triggers;
pub mod wired;
pub mod wiring;

use crate::backend::panda::control::ControlFault;

/// Whether the PandA is out of reach.
const fn is_loss(fault: &ControlFault) -> bool {
    match fault {
        ControlFault::Connect(_) | ControlFault::Lost { .. } | ControlFault::NotSent { .. } => true,
        ControlFault::Unexpected { .. }
        | ControlFault::Unreadable { .. }
        | ControlFault::Enquiry(_)
        | ControlFault::Settings(_)
        | ControlFault::Armed
        | ControlFault::StillTaking { .. } => false,
    }
}
