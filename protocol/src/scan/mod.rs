//! Scan specifications and the frames that follow from them.
mod piece;
pub use piece::Piece;
