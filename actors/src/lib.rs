//! Who acts at a beamline: supervision, signals, device logic, actors, storage and documents.
pub mod clock;
pub mod random;
pub mod status;
pub mod storage;
