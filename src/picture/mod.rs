//! Pictures of a scan as SVG: what a person looks at before flying.
//!
//! The same scan gives the same bytes. A picture has a bounded number of elements, however long
//! the scan is; where that leaves something out, the picture says so.
mod path;
mod profile;
mod sheet;
mod trace;

pub(crate) use path::{View, path};
pub(crate) use profile::profile;
pub(crate) use sheet::PictureError;
