//! What carries signals to hardware; it knows nothing of signals.
#[cfg(feature = "ca")]
pub mod channel_access;
pub mod panda;
