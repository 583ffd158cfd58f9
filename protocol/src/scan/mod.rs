//! Scan specifications and the frames that follow from them.
//!
//! A [`Spec`] is what the file says, field by field; a [`Stack`] is what it stands for: dimensions,
//! slowest first. From a stack come [`Frames`], any stretch at any time, and [`Piece`]s, straight
//! motions one after the other. All of it is computed when asked for: memory does not grow with the
//! number of frames.
mod budget;
mod build;
mod coerce;
mod columns;
mod combine;
mod curve;
mod dimension;
mod error;
mod frames;
mod layers;
mod leaf;
mod mask;
mod offset;
mod parse;
mod piece;
mod pieces;
mod place;
mod region;
mod region_spec;
mod runs;
mod sequence;
mod spec;
mod spg;
mod spiral;
mod stack;
mod stretches;
mod turn;
mod way;
mod window;
mod zones;
pub use error::SpecError;
pub(crate) use error::short_number;
pub use frames::{Frames, Points};
pub use piece::{Curved, MAX_CURVED, Path, Piece};
pub use spec::Spec;
pub use stack::Stack;
pub(crate) use window::goes_on;
pub use window::{Motion, Timing, Window};

/// The JSON Schema (draft 2020-12) of every specification that [`Spec`] reads; some that it cannot
/// tell from those are refused. Kept by hand as a file, for people and editors to read it: a test
/// compares it with what the parser knows.
pub const SCHEMA: &str = include_str!("schema.json");
