//! Who acts at a beamline: supervision, signals, device logic, actors, storage and documents.
pub mod archive;
pub mod backend;
pub mod clock;
pub mod coordinator;
pub mod device;
pub mod feed;
pub mod front;
pub mod logic;
pub mod queue;
pub mod random;
pub mod signal;
pub mod status;
pub mod storage;
pub mod supervise;
pub mod system;
pub mod watch;
